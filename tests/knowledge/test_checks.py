"""The checks that every start passes: an edit of the smallest set of files, and the line that it is refused with."""

from __future__ import annotations

import inspect as python
from pathlib import Path

import pytest

from cds_service import knowledge
from cds_service.errors import KnowledgeError
from cds_service.knowledge import checks
from tests.support.knowledge_root import EXTENDING_SITE, Problems, refused, replace, retype_cases, write

RULE = "rules/shared/safety/toy-neutropenia.yaml"
CASES = "rules/shared/safety/toy-neutropenia.cases.yaml"
FACTS = "rules/facts.yaml"
ORDERS = "rules/orders.yaml"
POLICIES = "rules/policies/toy.yaml"
UNITS = "rules/units.yaml"
CARD = "cards/toy-neutropenia.yaml"
SITE = "rules/sites/toy-hospital.yaml"
LOW = "low, facts: {neutrophil-count: 0.4"
BELOW = "below: policy.neutropenia"
BLOCKS = "{decision: block, indicator: critical, withholdsOrder: true}"
UNTIL = "finding: {until: {fact: neutrophil-count, policy: laboratory-max-age}, "
QUERY = "sort: -date, count: 10}"
UNIT = "{code: 10*9/L, aliases: [x10e9/l]}"


@pytest.mark.parametrize(
    ("file", "old", "new", "key", "expected"),
    [
        # ---- bounds
        (POLICIES, "value: 0.5", "value: 0", "neutropenia.value", "expected 0.1 to 2 10*9/L (found 0)"),
        (POLICIES, "value: 0.5", "value: -5", "neutropenia.value", "expected 0.1 to 2 10*9/L (found -5)"),
        (POLICIES, "value: 48", "value: 900000", "laboratory-max-age.value", "expected 1 to 168 h (found 900000)"),
        (
            POLICIES,
            "value: 0.5",
            "value: 0.50001",
            "neutropenia.value",
            "at most 4 decimals, below 10^12 (found 0.50001)",
        ),
        (
            POLICIES,
            "value: 48",
            "value: 1.0e+999",
            "laboratory-max-age.value",
            "at most 4 decimals, below 10^12 (found inf)",
        ),
        (
            POLICIES,
            "least: 1\n",
            "least: 0\n",
            "laboratory-max-age.least",
            "expected more than 0: laboratory-max-age is",
        ),
        (POLICIES, "least: 0.1", "least: 3", "neutropenia.least", "expected at most 2, which `most` says"),
        (POLICIES, "value: 0.5\n", "value: true\n", "neutropenia.least", "true or false has no bounds"),
        (POLICIES, "  most: 168\n", "  most: 168\n  analyte: cells\n", "laboratory-max-age.analyte", "no such analyte"),
        (
            POLICIES,
            "  most: 168\n",
            "  most: 168\n  analyte: cell-count\n",
            "laboratory-max-age.unit",
            "expected 10*9/L, as",
        ),
        # ---- queries
        (FACTS, "resource: Condition", "resource: Conditon", "queries.conditions.resource", "did you mean Condition?"),
        (FACTS, "resource: Condition", "resource: Encounter", "queries.conditions.resource", "Encounter is not read"),
        (FACTS, QUERY, "sort: -date}", "queries.neutrophils.count", "required for a search"),
        (FACTS, QUERY, "sort: -date, count: 0}", "queries.neutrophils.count", "expected 1 to 1000 resources (found 0)"),
        (FACTS, QUERY, "sort: -date, count: -1}", "queries.neutrophils.count", "(found -1)"),
        (
            FACTS,
            QUERY,
            "sort: date, count: 10}",
            "queries.neutrophils.sort",
            "expected -date, the newest Observation first",
        ),
        (FACTS, QUERY, "count: 10}", "queries.neutrophils.sort", "(found nothing)"),
        (FACTS, QUERY, "by: id, " + QUERY, "queries.neutrophils.by", "expected patient for Observation (found id)"),
        (
            FACTS,
            QUERY,
            QUERY[:-1] + ", window: neutropenia}",
            "queries.neutrophils.window",
            "expected a policy in min,",
        ),
        (FACTS, QUERY, QUERY[:-1] + ", window: lab}", "queries.neutrophils.window", "no such policy lab"),
        (FACTS, "-recorded-date", "-recorded-date, codes: [anc]", "queries.conditions.codes", "only Observations are"),
        (
            FACTS,
            "within: policy.lab",
            "within: policy.policy.lab",
            "facts.neutrophil-count.from.newest.within",
            "no such policy policy.laboratory",
        ),
        (
            FACTS,
            "type: boolean",
            "type: code",
            "facts.active-infection",
            "expected the type boolean from exists (found code)",
        ),
        # ---- what an EHR is asked to send
        (FACTS, QUERY, "sort: -date, count: 1000}", "queries.neutrophils.count", "have 4138304 bytes, at most 2097152"),
        (
            FACTS,
            "like: Observation",
            "like: Condition",
            "entryBytes.Condition.like",
            "expected a type that was measured",
        ),
        (FACTS, "like: Observation", "median: 1", "entryBytes.Condition", "expected median and p95, or like"),
        (
            FACTS,
            "resource: Condition",
            "resource: Procedure",
            "queries.conditions.resource",
            "needs its bytes in entryB",
        ),
        (
            FACTS,
            QUERY,
            QUERY[:-1] + ", essential: true, weak: lost}",
            "queries.neutrophils",
            "expected one of weak, ess",
        ),
        # ---- units
        (UNITS, "unit: 10*9/L", "unit: 10*6/L", "cell-count.unit", "expected one of the accepted units, 10*9/L"),
        (UNITS, UNIT, UNIT[:-1] + ', factor: "0"}', "cell-count.units[0].factor", "expected more than 0 (found 0)"),
        (UNITS, UNIT, UNIT[:-1] + ', factor: "2"}', "cell-count.units[0].factor", "is the analyte's own unit"),
        (
            UNITS,
            UNIT,
            UNIT[:-1] + ', factor: "1,0"}',
            "cell-count.units[0].factor",
            "expected a decimal number in quotes",
        ),
        (
            UNITS,
            UNIT,
            UNIT[:-1] + ', offset: "NaN"}',
            "cell-count.units[0].offset",
            "expected a decimal number in quotes",
        ),
        (
            UNITS,
            UNIT,
            f'{UNIT}, {{code: /L, aliases: [X10E9/L], factor: "2"}}',
            "cell-count.units[1]",
            "already means 10*9/L",
        ),
        (UNITS, "[0, 500]", "[500, 0]", "cell-count.plausible", "expected the lower value first (found 500, 0)"),
        (
            UNITS,
            "[0, 500]",
            "[0, 500]\n  plausibleAdult: [0, 600]",
            "cell-count.plausibleAdult",
            "a range within 0 to 500",
        ),
        # ---- orders
        (ORDERS, "short: SC}", 'short: ""}', "routes.subcutaneous.short", "required: an offered order"),
        (ORDERS, '"34206005"', '" "', "routes.subcutaneous.code", "required: an offered order"),
        (ORDERS, "  subcutaneous:", "  oral:", "routes.oral", "expected the value set route-oral"),
        (ORDERS, "routes:", "lies: {route-x: {of: route-x, beside: y}}\nroutes:", "lies.route-x.of", "route-x"),
        (
            ORDERS,
            "valueSets: [toy-drug]",
            "valueSets: [toys]",
            "kinds.toy-drug.valueSets[0]",
            "no such value set toys",
        ),
        # ---- rules and cards
        (RULE, "finding: {", UNTIL, "finding.until.fact", "expected a fact that counts hours (neutrophil-count is a"),
        (
            RULE,
            BLOCKS,
            "{decision: caution, indicator: info, onceIn: policy.neutropenia}",
            "finding.onceIn",
            "expected a policy in",
        ),
        (RULE, "finding: {", "finding: {onceIn: policy.laboratory-max-age, ", "finding.onceIn", "only a caution may"),
        (RULE, "finding: {", "finding: {saidBy: [toy-neutropenia], ", "finding.saidBy", "only a caution may"),
        (
            RULE,
            BLOCKS,
            "{decision: caution, indicator: info, saidBy: [toy-none]}",
            "finding.saidBy[0]",
            "no such rule toy-none",
        ),
        (RULE, "finding: {", "finding: {onlyByRoute: nasal, ", "finding.onlyByRoute", "no such route nasal"),
        (
            RULE,
            BLOCKS,
            "{decision: caution, indicator: info, onceIn: policy.none}",
            "finding.onceIn",
            "no such policy none",
        ),
        (RULE, BELOW, "below: 0.00001", "when[0].below", "expected a number of at most 4 decimals, below 10^12"),
        (RULE, BELOW, "below: 1.0e+13", "when[0].below", "expected a number of at most 4 decimals, below 10^12"),
        (RULE, "limits: []", "any: [[]]", "any[0]", "an empty list always holds"),
        # ---- cases, which the running service tries
        (CASES, LOW, LOW.replace("count", "cuont"), "[0].facts.neutrophil-cuont", "no such fact neutrophil-cuont"),
        (CASES, LOW, LOW.replace("0.4", "few"), "[0].facts.neutrophil-count", "expected a number (found few)"),
        (
            CARD,
            "detail: |",
            "orders: [{label: a, text: b, everyHours: 0, reason: c}]\ndetail: |",
            "orders[0].everyHours",
            "1 hour",
        ),
    ],
)
def test_refused(*, root: Path, problems: Problems, file: str, old: str, new: str, key: str, expected: str) -> None:
    line = replace(root, file, old, new)
    found = tuple(problem for problem in problems() if f": {key}: " in problem)
    assert len(found) == 1, problems()
    assert found[0].startswith(f"{file}:"), found
    told = int(found[0].split(":")[1])
    # In a block the key has a line of its own, beside the one that was edited.
    assert abs(told - line) <= 2, found
    named = (root / file).read_text(encoding="utf-8").splitlines()[told - 1]
    assert any(part.partition("[")[0] in named for part in key.split(".")[-2:]), named
    assert expected in found[0]


@pytest.mark.parametrize("key", ["least", "most"])
def test_a_number_needs_bounds(root: Path, problems: Problems, key: str) -> None:
    value = {"least": "0.1", "most": "2"}[key]
    replace(root, POLICIES, f"  {key}: {value}\n", "")
    refused(problems(), POLICIES, 1, f"neutropenia.{key}", f"required for a number: the {key} value that makes sense")


def test_a_window_is_a_time(root: Path, problems: Problems) -> None:
    replace(root, POLICIES, "unit: h", "unit: kg")
    told = "expected a policy in min, h or d (laboratory-max-age is in kg)"
    refused(problems(), FACTS, 26, "facts.neutrophil-count.from.newest.within", told)


def test_a_plausible_range_that_excludes_a_threshold(root: Path, problems: Problems) -> None:
    replace(root, POLICIES, "  most: 2\n", "  most: 2\n  analyte: cell-count\n")
    assert problems() == ()
    line = replace(root, UNITS, "[0, 500]", "[1, 500]")
    expected = "expected a range that holds 0.5, the policy neutropenia (found 1, 500)"
    refused(problems(), UNITS, line, "cell-count.plausible", expected)


@pytest.mark.parametrize(
    ("value", "expected"), [("3", "expected 0.1 to 2 10*9/L (found 3)"), ("0.12345", "at most 4 decimals")]
)
def test_a_site_stays_within_bounds(root: Path, problems: Problems, value: str, expected: str) -> None:
    write(root, SITE, EXTENDING_SITE.replace("1.0", value))
    refused(problems()[:1], SITE, 4, "policies.neutropenia", expected)


def test_a_site_that_makes_a_comparison_senseless(root: Path, problems: Problems) -> None:
    exists = "from: {exists: [{from: conditions, in: infection, status: active}]}"
    graded = "from: {documented: {from: conditions, scale: toy, within: policy.laboratory-max-age}}"
    replace(root, FACTS, exists, graded)
    replace(root, FACTS, "type: boolean", "type: integer\n    unit: d")
    replace(root, RULE, "is: true", "is: policy.toy-count")
    retype_cases(root, "1", "2")
    count = "toy-count: {title: A, value: 2, unit: d, least: 1, most: 3, owner: o, validFrom: 2026-01-01, reference: r"
    write(root, "rules/policies/count.yaml", count + ", siteMayOverride: true}\n")
    assert problems() == ()
    write(root, SITE, EXTENDING_SITE.replace("neutropenia: 1.0", "toy-count: 2.5"))
    assert [problem for problem in problems() if "(found 2.5)" in problem] == [
        f"{RULE}:14: unless[0].is: expected a whole number (found 2.5)"
    ]


def test_policies_of_two_files_have_two_names(root: Path, problems: Problems) -> None:
    text = (root / POLICIES).read_text(encoding="utf-8")
    write(root, "rules/policies/zoo.yaml", text[: text.index("laboratory")])
    expected = "the policy neutropenia is already written in rules/policies/toy.yaml:1"
    refused(problems(), "rules/policies/zoo.yaml", 1, "neutropenia", expected)


def test_load_and_inspect_run_one_list(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "CHECKS", (*checks.CHECKS, lambda loaded: ["told by a check"]))
    assert "told by a check" in knowledge.inspect(root).problems
    with pytest.raises(KnowledgeError, match="told by a check"):
        knowledge.load(root)


def test_every_check_of_the_package_is_in_the_list() -> None:
    """A public function of one argument `loaded` is a check: one that nobody runs would be worse than none."""
    modules = [module for _, module in python.getmembers(checks, python.ismodule) if "checks." in module.__name__]
    found = {
        function
        for module in modules
        for name, function in python.getmembers(module, python.isfunction)
        if function.__module__ == module.__name__ and not name.startswith("_")
        if list(python.signature(function).parameters) == ["loaded"]
    }
    assert len(found) >= 17
    assert found <= set(checks.CHECKS)
