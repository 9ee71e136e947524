"""What a record is about, missing or malformed: read where it says anything, else as not understood as if it said
nothing (clinical policy 6.1 R1), and never left out."""

from __future__ import annotations

from typing import Any

import pytest

from tests.facts.house import REFRACTORY, Case
from tests.facts.notation import resources

CODING = {"system": "http://loinc.org", "code": "600-7"}
MISSING = object()
REVIEW, BLOCK, GO = "review warning", "block critical", "suggest warning"
# What stands where the code of a growing blood culture belongs, and the first card.
GROWN: dict[str, tuple[Any, str]] = {
    "missing": (MISSING, REVIEW),
    "null": (None, REVIEW),
    "an empty object": ({}, REVIEW),
    "a text": ("600-7", REVIEW),
    "a number": (6007, REVIEW),
    "a list": ([{"coding": [CODING]}], REVIEW),
    "a list of nothing": ([], REVIEW),
    "a coding that is no list": ({"coding": CODING}, BLOCK),
    "a coding that is a text": ({"coding": "600-7"}, REVIEW),
    "a coding that is a text, with words": ({"coding": "600-7", "text": "Blood culture"}, BLOCK),
    "as it should be": ({"coding": [CODING]}, BLOCK),
}


def culture(code: object, result: str) -> dict[str, Any]:
    (made,) = resources([{"culture": result, "ago": "20h", "without": ["code"]}])
    return made if code is MISSING else made | {"code": code}


@pytest.mark.parametrize("name", GROWN)
def test_growth(name: str) -> None:
    code, decision = GROWN[name]
    case = Case(given=REFRACTORY, also={"cultures": [culture(code, "Klebsiella pneumoniae")]})
    assert case.first() == decision


@pytest.mark.parametrize("name", GROWN)
def test_no_growth_stops_nothing(name: str) -> None:
    code, _ = GROWN[name]
    assert Case(given=REFRACTORY, also={"cultures": [culture(code, "No growth")]}).first() == GO


def test_what_fails_elsewhere_too_stays_unusable() -> None:
    """Nobody may take what stands beside a malformed code for more than it is."""
    odd = culture("600-7", "Klebsiella pneumoniae") | {"status": "x"}
    fact = Case(given=REFRACTORY, also={"cultures": [odd]}).facts()["uncertain-infection"]
    assert fact.value is None
    assert fact.unusable == ("Observation/r0: status: expected one that FHIR R4 knows",)
