"""Regimens and dosing that no start accepts: doses above the maximum, intervals of nothing, orders without a code."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.knowledge_root import DRUG, EXTENDING_SITE, Problems, refused, replace, write, write_dosing

ORDERS = "rules/orders.yaml"
REGIMEN = "rules/drugs/toy/regimens/toy-dose.yaml"
DOSE = "dose: {mg: 100, intervalHours: 12}"
PERMITTED = "permitted: [{mg: 100, intervalHours: 12}]"
BY_WEIGHT = "{mgPerKg: 5, capMg: 100, intervalHours: 12}"
SITE = "rules/sites/toy-hospital.yaml"


@pytest.mark.parametrize(
    ("old", "new", "key", "expected"),
    [
        (
            PERMITTED,
            PERMITTED[:-1] + ", {mg: 100, intervalHours: 4}]",
            "permitted[1].mg",
            "600 mg/day is above 400 mg/day",
        ),
        (
            PERMITTED,
            "permitted: [" + DOSE[6:] + f", {BY_WEIGHT}]",
            "permitted[1].mgPerKg",
            "10 mg/kg/day is above 8 mg/kg/day",
        ),
        (
            PERMITTED,
            PERMITTED[:-1] + ", {mgPerKg: 1, capMg: 300, intervalHours: 12}]",
            "permitted[1].capMg",
            "600 mg/day is above 400 mg/day, the policy toy-maximum",
        ),
        (
            PERMITTED,
            PERMITTED[:-1] + ", {mg: 0, intervalHours: 12}]",
            "permitted[1].mg",
            "expected more than 0 (found 0)",
        ),
        (
            PERMITTED,
            PERMITTED[:-1] + ", {mg: 1, intervalHours: 0}]",
            "permitted[1].intervalHours",
            "at least 1 hour (found 0)",
        ),
        (PERMITTED, "permitted: [{mg: 50, intervalHours: 12}]", "dose", "expected this dose among `permitted` too"),
        (
            PERMITTED,
            PERMITTED + "\nalternatives: [{mg: 9, intervalHours: 24}]",
            "alternatives[0]",
            "among `permitted` too",
        ),
        ("durationDays: 3", "durationDays: 0", "durationDays", "expected at least 1 day (found 0)"),
        (
            "orderKind: toy-drug",
            "orderKind: other",
            "orderKind",
            "expected a drug with a daily maximum; other has none in a drug.yaml",
        ),
    ],
)
def test_a_senseless_regimen(*, root: Path, problems: Problems, old: str, new: str, key: str, expected: str) -> None:
    write_dosing(root)
    replace(root, ORDERS, "pathways:", "  other: {title: Other, valueSets: [toy-drug]}\npathways:")
    rest = "durationDays: 3\nreview: a\nstop: b\ntaper: c\nreference: Invented\n"
    head = "id: toy-dose\ntitle: Toy\nversion: 1.0.0\nstatus: draft\norderKind: toy-drug\nroute: subcutaneous\n"
    write(root, REGIMEN, f"{head}{DOSE}\n{PERMITTED}\n{rest}")
    assert problems() == ()
    marker = "alternatives" if key.startswith("alt") else "dose:" if key == "dose" else ""
    line = replace(root, REGIMEN, old, new, marker=marker)
    refused(problems(), REGIMEN, line, key, expected)


@pytest.mark.parametrize(
    ("file", "old", "new", "key", "expected"),
    [
        (DRUG, "adult: toy-maximum", "adult: neutropenia", "maximum.daily.adult", "expected a policy in mg/d"),
        (
            DRUG,
            "toy-child-maximum",
            "toy-maximum",
            "maximum.daily.childPerKg",
            "expected a policy in mg/kg/d (toy-maximum is in",
        ),
        (DRUG, "mg: 100", "mg: 0", "products[0].mg", "expected more than 0 mg (found 0)"),
        (DRUG, 'code: "toy"', 'code: ""', "medication.code", "required: an order is coded"),
    ],
)
def test_senseless_dosing(
    *, root: Path, problems: Problems, file: str, old: str, new: str, key: str, expected: str
) -> None:
    write_dosing(root)
    line = replace(root, file, old, new)
    refused(problems(), file, line, key, expected)


def test_what_is_offered_is_known_as_active(root: Path, problems: Problems) -> None:
    """The facts of the drug in hand, by which a duplicate is seen."""
    write_dosing(root)
    rest = "durationDays: 3\nreview: a\nstop: b\ntaper: c\nreference: Invented\n"
    head = "id: toy-dose\ntitle: Toy\nversion: 1.0.0\nstatus: draft\norderKind: toy-drug\nroute: subcutaneous\n"
    write(root, REGIMEN, f"{head}{DOSE}\n{PERMITTED}\n{rest}")
    replace(root, "rules/facts.yaml", "  toy-drug-active: {", "  toy-drug-running: {")
    (found,) = problems()
    assert found.startswith(f"{DRUG}:11: active: no such fact toy-drug-active; ")


def test_a_site_that_raises_a_maximum_names_its_protocol(root: Path, problems: Problems) -> None:
    write_dosing(root)
    replace(root, DRUG, "childPerKg: toy-child-maximum", "childPerKg: toy-child-maximum, adultByProtocol: toy-protocol")
    limits = "value: 400, unit: mg/d, least: 400, most: 600, owner: o, validFrom: 2026-01-01, reference: r"
    write(root, "rules/policies/protocol.yaml", f"toy-protocol: {{title: P, {limits}, siteMayOverride: true}}\n")
    site = EXTENDING_SITE.replace("neutropenia: 1.0", "toy-protocol: 600")
    write(root, SITE, site)
    expected = "only beside highDoseProtocol, which names the protocol of this site"
    refused(problems(), SITE, 4, "policies.toy-protocol", expected)
    write(root, SITE, f"{site}highDoseProtocol: protocol 7\n")
    assert problems() == ()
