"""A card is read in ten seconds: words, cards and shape over every example, vignette and acceptance case."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from cds_service.knowledge import load
from tests.support import golden
from tests.support.cards import Card, explanation, words
from tests.support.places import Places, answer, every_chart

# The public contract: the most words of a first card by decision, of any other card, and cards in all.
FIRST = {"block": 90, "order-exceeds-max": 90, "insufficient-data": 160, "review": 160}
OF_FIRST, OF_OTHERS = 110, 45
OF_OTHERS_BY_RULE = {"course-deterioration": 70}
MOST_CARDS = 5
MEDIAN_OF_FIRST, MEDIAN_OF_ALL = 100, 180
REFERENCE = re.compile(r"\b(?:Allergy|Condition|Observation|Procedure|Medication|ServiceRequest)\w*/\S")

RUN_ON = re.compile(r"\S *\n(?!\n|- )")


@pytest.fixture(scope="module")
def answers(golden_answers: list[golden.Answered]) -> list[golden.Answered]:
    """Every answer that has cards."""
    return [answered for answered in golden_answers if answered[2]]


def limit(card: Card, first: bool) -> int:
    """The most words that a card may have."""
    told = explanation(card)
    if first:
        return FIRST.get(told["decision"], OF_FIRST)
    return OF_OTHERS_BY_RULE.get(told["rule"], OF_OTHERS)


def too_long(answers: list[golden.Answered]) -> Iterator[str]:
    for _, name, cards in answers:
        for place, card in enumerate(cards):
            if len(words(card)) > limit(card, place == 0):
                yield f"{name}: {explanation(card)['rule']} has {len(words(card))} words"


def test_no_card_is_longer_than_its_limit(answers: list[golden.Answered]) -> None:
    assert list(too_long(answers)) == []


def _beside_a_stop(call: Mapping[str, Any]) -> dict[str, Any]:
    """The same chart with drafts of which one is above its maximum: what else is found becomes a following card."""

    def draft(drug: str, route: str, mg: int) -> dict[str, Any]:
        amount = {"value": mg, "unit": "mg", "system": "http://unitsofmeasure.org", "code": "mg"}
        dosage = {"route": {"text": route}, "timing": {"repeat": {"frequency": 1, "period": 6, "periodUnit": "h"}}}
        return {
            "resourceType": "MedicationRequest", "id": drug, "status": "draft", "intent": "order",
            "medicationCodeableConcept": {"text": drug},
            "subject": {"reference": f"Patient/{call['context']['patientId']}"},
            "dosageInstruction": [dosage | {"doseAndRate": [{"doseQuantity": amount}]}],
        }  # fmt: skip

    drafts = [draft("anakinra", "intramuscular", 100), draft("tocilizumab", "intravenous", 1200)]
    context = {k: v for k, v in call["context"].items() if k != "selections"}
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": each} for each in drafts]}
    return {**call, "hook": "order-sign", "context": context | {"draftOrders": bundle}}


def _opened_without_weak_reads(call: Mapping[str, Any]) -> dict[str, Any]:
    """The chart as it is opened by an EHR that sends neither statements nor reports: both are said."""
    prefetch = {key: value for key, value in call["prefetch"].items() if key not in ("statements", "reports")}
    context = {key: call["context"][key] for key in ("userId", "patientId")}
    return {**call, "hook": "patient-view", "context": context, "prefetch": prefetch}


@pytest.mark.parametrize(("changed", "first"), [(_beside_a_stop, 0), (_opened_without_weak_reads, 3)])
def test_cards_keep_their_limit_wherever_they_stand(
    changed: Callable[[Mapping[str, Any]], dict[str, Any]], first: int, tmp_path: Path
) -> None:
    """Of every sixth chart: what usually leads as a following card, and a status beside what was not read."""
    places = Places(tmp_path)
    charts = list(every_chart(places))[first::6]
    found = [("", c.name, answer(places.service(c.place), changed(c.call))[1]) for c in charts]
    assert len(found) > 100
    assert list(too_long(found)) == []


def test_a_panel_has_at_most_five_cards(answers: list[golden.Answered]) -> None:
    assert [name for _, name, cards in answers if len(cards) > MOST_CARDS] == []


def test_medians_over_the_examples(answers: list[golden.Answered]) -> None:
    examples = [cards for kind, _, cards in answers if kind == "examples"]
    assert median(len(words(cards[0])) for cards in examples) <= MEDIAN_OF_FIRST
    assert median(sum(len(words(card)) for card in cards) for cards in examples) <= MEDIAN_OF_ALL


def test_no_card_shows_an_id_of_a_resource(answers: list[golden.Answered]) -> None:
    shown = [(name, card["detail"]) for _, name, cards in answers for card in cards]
    assert [name for name, detail in shown if REFERENCE.search(detail)] == []


def test_paragraphs_stand_apart(answers: list[golden.Answered]) -> None:
    """One line break alone is none in Markdown: two paragraphs would be read as one."""
    shown = [(name, card["detail"]) for _, name, cards in answers for card in cards]
    assert [name for name, detail in shown if RUN_ON.search(detail)] == []


def test_what_a_card_no_longer_prints_stands_in_its_explanation(answers: list[golden.Answered]) -> None:
    """The basis of every first card: facts, or what is unknown; a card that rests on nothing says so."""
    firsts = [(name, explanation(cards[0])) for _, name, cards in answers]
    assert [name for name, told in firsts if not (told.get("facts") or told.get("unknown"))] == []


def test_every_answer_can_be_overridden_as_resting_on_wrong_data(answers: list[golden.Answered]) -> None:
    """The contract: override reasons fit the card, and always: the data are wrong or outdated."""
    lacking = {
        explanation(card)["rule"]
        for _, _, cards in answers
        for card in cards
        if "data-wrong" not in {reason["code"] for reason in card.get("overrideReasons", ())}
    }
    assert lacking == set()


def test_each_reason_stands_once_on_a_card(answers: list[golden.Answered]) -> None:
    shown = [[reason["code"] for reason in card["overrideReasons"]] for _, _, cards in answers for card in cards]
    assert [codes for codes in shown if len(set(codes)) < len(codes)] == []


def test_what_always_fits_is_named_by_no_card() -> None:
    """It is written once: a card that named it would be one more place."""
    knowledge = load()
    always = {name for name, reason in knowledge.override_reasons.items() if reason.always}
    assert always == {"data-wrong"}
    assert [card.id for card in knowledge.cards.values() if always & set(card.override_reasons)] == []
