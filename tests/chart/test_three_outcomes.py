"""A concept is one of ours, recognisably something else, or not understood; facts keep what was not understood."""

from __future__ import annotations

from typing import Any

import pytest

from cds_service.chart.vocabulary import Matcher, Outcome, concept
from tests.facts.house import Case, bundle, service

LOCAL = "urn:oid:1.2.3"
SNOMED = "http://snomed.info/sct"


def coded(system: str, code: str, display: str = "") -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code, **({"display": display} if display else {})}]}


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ({"text": "sepsis"}, Outcome.OURS),
        (coded(LOCAL, "17", "Sepsis"), Outcome.OURS),
        ({"text": "gout"}, Outcome.SOMETHING_ELSE),
        (coded(LOCAL, "17", "Gout"), Outcome.SOMETHING_ELSE),
        ({"text": "痛風"}, Outcome.SOMETHING_ELSE),
        (coded("http://hl7.org/fhir/sid/icd-10-cm", "M10.9"), Outcome.SOMETHING_ELSE),
        (coded("http://loinc.org", "751-8"), Outcome.SOMETHING_ELSE),
        (coded(LOCAL, "17"), Outcome.NOT_UNDERSTOOD),
        (coded(SNOMED, "1"), Outcome.NOT_UNDERSTOOD),
        ({"text": "17-4"}, Outcome.NOT_UNDERSTOOD),
        ({}, Outcome.NOT_UNDERSTOOD),
    ],
)
def test_outcome(written: dict[str, Any], expected: Outcome) -> None:
    matcher = Matcher(service().knowledge.value_sets["severe-infection"])
    assert matcher.outcome(concept(written)) is expected


def test_a_fact_keeps_what_was_not_understood() -> None:
    problem = {
        "resourceType": "Condition",
        "id": "odd",
        "subject": {"reference": "Patient/p1"},
        "code": coded(LOCAL, "17"),
    }
    facts = Case(prefetch={"conditions": bundle([problem])}).facts()
    assert facts["severe-infection"].not_understood == ("Condition/odd",)
    assert facts["severe-infection"].value is False
    assert facts["corticosteroid-given"].not_understood == ()


def test_a_count_keeps_what_it_left_out() -> None:
    given = (
        {"given": "axi-cel", "ago": "4d"},
        {"given": "tocilizumab", "ago": "5d", "id": "before"},
        {"given": "tocilizumab", "ago": "10h", "id": "counted"},
        {"given": "tocilizumab", "ago": "9h", "id": "stopped", "status": "not-done"},
    )
    fact = Case(given=given).facts()["tocilizumab-doses"]
    assert fact.value == 1
    assert fact.left_out == (
        "MedicationAdministration/stopped: not given",
        "MedicationAdministration/before: not in this episode",
    )
