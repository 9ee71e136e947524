"""A card says in plain words what could not be read: ids, and the words of a validator, stand in the explanation."""

from __future__ import annotations

import copy
import re
from typing import Any

import pytest

from cds_service.advice.words import spoken
from cds_service.chart.validation import INVALID, problem_of
from cds_service.knowledge import load
from cds_service.service import Service
from tests.support.cards import explanation
from tests.support.examples import example_calls
from tests.support.places import Cards, answer

Json = dict[str, Any]
BAD: dict[str, Json] = {
    "an id that is a number": {"id": 4711},
    "a status that is a list": {"status": ["final"], "clinicalStatus": 5},
    "a value that is a word": {"valueQuantity": {"value": "abc", "unit": "mg/dL"}},
    "an element that nobody knows": {"nobodyKnows[this]": True},
}
TECHNICAL = re.compile(rf"{INVALID}|Input should|Value error|Extra inputs|4711|\b[A-Z][a-z]+[A-Za-z]*/[A-Za-z0-9]+-\S")


@pytest.fixture(scope="module")
def service() -> Service:
    return Service.start(load())


@pytest.fixture(scope="module")
def whole(service: Service) -> Json:
    return next(call for name, _, call in example_calls(service.program.templates_of) if name == "refractory-grade-2")


def asked(service: Service, whole: Json, key: str, bad: Json, keep: int | None = None) -> Cards:
    """The cards where the first records of a query (all, unless `keep` says how many) are bad in the same way."""
    call = copy.deepcopy(whole)
    entries = (call["prefetch"][key] or {}).get("entry", [])
    if keep is not None:
        call["prefetch"][key] = {"resourceType": "Bundle", "type": "searchset", "entry": entries[:keep]}
    for entry in entries[:keep]:
        entry["resource"] |= bad
    status, cards = answer(service, call)
    assert status == 200
    return cards


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD.keys())
@pytest.mark.parametrize("key", ["conditions", "administrations", "requests", "vitals", "weights", "labs", "cultures"])
def test_no_card_shows_an_id_or_what_a_validator_says(service: Service, whole: Json, key: str, bad: Json) -> None:
    for keep in (None, 1, 2):
        for card in asked(service, whole, key, bad, keep):
            told = re.sub(r"\]\([^)]*\)", "", f"{card['summary']} {card['detail']}")
            assert TECHNICAL.search(told) is None, told


def test_the_card_says_it_in_words_and_the_explanation_why(service: Service, whole: Json) -> None:
    creatinine = copy.deepcopy(whole)
    entries = creatinine["prefetch"]["labs"]["entry"]
    of = [e for e in entries if e["resource"]["code"]["coding"][0]["code"] == "2160-0"]
    creatinine["prefetch"]["labs"] = {"resourceType": "Bundle", "type": "searchset", "entry": of[:1]}
    _, cards = answer(service, copy.deepcopy(creatinine))
    assert "cannot be read" not in " ".join(card["detail"] for card in cards)
    of[0]["resource"]["valueQuantity"] = {"value": "abc", "unit": "mg/dL"}
    _, cards = answer(service, creatinine)
    assert "creatinine: a record that cannot be read" in " ".join(card["detail"] for card in cards)
    assert any(INVALID in line and "valueQuantity.value" in line for line in explanation(cards[0])["unusable"])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"Observation/x.1: {INVALID} [id: Input should be a valid string]", "a record that cannot be read"),
        (
            f"2 seen, but Observation/x: {INVALID} [a (b): c]; labs: cut",
            "2 seen, but a record that cannot be read; labs: cut",
        ),
        (f"{INVALID} [a text that was cut within", "a record that cannot be read"),
        ("Condition/abc has no onset", "Condition has no onset"),
        ("no usable value", "no usable value"),
        ("12 mg/kg [of what?]", "12 mg/kg [of what?]"),
    ],
)
def test_spoken(text: str, said: str) -> None:
    assert spoken(text) == said


def test_what_a_validator_says_stands_between_brackets() -> None:
    for raw in ({"id": 5}, {"code": {"x[y]": 1}}, {"valueQuantity": {"value": "[a]" * 200}}):
        problem = problem_of({"resourceType": "Observation", "status": "final", "code": {"text": "x"}} | raw)
        assert re.fullmatch(rf"{INVALID} \[[^\[\]]{{1,160}}\]", problem), problem
