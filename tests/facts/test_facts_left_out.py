"""Facts keep what was not understood, and what a count did not count."""

from __future__ import annotations

from typing import Any

from cds_service.facts.model import LeftOut
from tests.facts.house import Case, bundle

LOCAL = "urn:oid:1.2.3"


def coded(system: str, code: str, display: str = "") -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code, **({"display": display} if display else {})}]}


def problem(code: dict[str, Any], **more: Any) -> dict[str, Any]:
    named = {"resourceType": "Condition", "id": "odd", "subject": {"reference": "Patient/p1"}, "code": code}
    return {**named, **more}


def test_a_no_is_unknown_beside_a_record_that_was_not_understood() -> None:
    facts = Case(prefetch={"conditions": bundle([problem(coded(LOCAL, "17"))])}).facts()
    assert facts["severe-infection"].value is None
    assert "Condition/odd is not understood: 17 of urn:oid:1.2.3" in facts["severe-infection"].why
    assert facts["corticosteroid-given"].value is False


def test_words_of_something_else_leave_a_no() -> None:
    facts = Case(prefetch={"conditions": bundle([problem(coded(LOCAL, "17", "Hypertension"))])}).facts()
    assert facts["severe-infection"].value is False


def test_what_was_not_understood_counts_only_in_its_window() -> None:
    old = problem(coded(LOCAL, "17"), onsetDateTime="2019-04-01")
    assert Case(prefetch={"conditions": bundle([old])}).facts()["severe-infection"].value is False


def test_a_yes_stays_a_yes_beside_a_record_that_was_not_understood() -> None:
    sepsis = {**problem({"text": "Sepsis"}), "id": "sepsis", "recordedDate": "2026-03-04"}
    found = bundle([problem(coded(LOCAL, "17")), sepsis])
    assert Case(prefetch={"conditions": found}).facts()["severe-infection"].value is True


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
        LeftOut("MedicationAdministration/stopped", "not given"),
        LeftOut("MedicationAdministration/before", "not in this episode"),
    )
