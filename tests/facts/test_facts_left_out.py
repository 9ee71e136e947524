"""Facts keep what was not understood, and what a count did not count."""

from __future__ import annotations

from typing import Any

from cds_service.facts.model import LeftOut
from tests.facts.house import Case, bundle

LOCAL = "urn:oid:1.2.3"


def coded(system: str, code: str, display: str = "") -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code, **({"display": display} if display else {})}]}


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
        LeftOut("MedicationAdministration/stopped", "not given"),
        LeftOut("MedicationAdministration/before", "not in this episode"),
    )
