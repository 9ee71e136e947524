"""The relations of `facts/test_facts_relations.py` on the whole answers to the examples and vignettes: a seeded sample
of each; `RELATIONS=0` tries everything."""

from __future__ import annotations

import copy
import json
import os
import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.facts.notation import PATIENT
from tests.facts.rewritten import FORMS, PUZZLES, local_site, puzzles, recoded, reworded
from tests.support.calmer import calmer, tone
from tests.support.cards import explanation, outlines
from tests.support.places import Asked, Cards, Places, answer, every_chart

EACH = int(os.environ.get("RELATIONS", "2"))
Call = Mapping[str, Any]


class Answers:
    """Every example and vignette, and what services say to them; `coded` is a site with local codes."""

    def __init__(self, coded: Path, places: Path) -> None:
        self.coded = local_site(coded)
        self._places = Places(places)
        self.asked = tuple(each for each in every_chart(self._places) if each.kind in ("examples", "vignettes"))

    def cards(self, place: str, call: Call) -> Cards:
        status, cards = answer(self._places.service(place), call)
        assert status == 200
        return cards

    def sample(self, what: str) -> list[Asked]:
        """Some of the charts, always the same ones for the same thing."""
        return random.Random(what).sample(self.asked, EACH) if EACH else list(self.asked)


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Answers:
    return Answers(tmp_path_factory.mktemp("coded"), tmp_path_factory.mktemp("places"))


def rewritten(call: Call, change: Callable[[Any], Any]) -> Call:
    """The call with every resource of its prefetch changed."""
    return {**call, "prefetch": {key: change(value) for key, value in call["prefetch"].items()}}


def told(cards: Cards) -> list[Any]:
    """Decision, indicator, rule, dose and offers of each card, and the values of the facts behind it."""
    facts = [[(f["name"], f["value"]) for f in explanation(card).get("facts", ())] for card in cards]
    return [*outlines(cards), *facts]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", PUZZLES)
def test_what_is_not_understood_never_calms(name: str, form: str, answers: Answers) -> None:
    for asked in answers.sample(f"{name} {form}"):
        call = copy.deepcopy(dict(asked.call))
        ((query, record),) = puzzles(FORMS[form], "1h")[name].items()
        value = call["prefetch"].get(query)
        if not isinstance(value, dict) or value.get("resourceType") != "Bundle":
            continue  # withheld: an answer that knows less can only become less calm
        owner = f"Patient/{call['context']['patientId']}"
        mine = json.loads(json.dumps(record).replace(f"Patient/{PATIENT}", owner))
        value["entry"] = [{"resource": mine}, *value.get("entry", ())]
        value.pop("total", None)
        before, after = (tone(answers.cards(asked.place, each)) for each in (asked.call, call))
        assert calmer(before, after) == "", asked.name


@pytest.mark.parametrize("share", [0.3, 0.6, 1.0])
def test_a_mapped_local_code_changes_nothing(share: float, answers: Answers) -> None:
    draw = random.Random(share)

    def some(value: Any) -> Any:
        if not isinstance(value, dict) or not isinstance(value.get("entry"), list):
            return value
        entries = [recoded(each) if draw.random() < share else each for each in value["entry"]]
        return value | {"entry": entries}

    asked = [each for each in answers.asked if each.place == "us"]
    for each in asked if share == 1 else asked[:: 4 if EACH else 1]:
        plain = answers.cards(answers.coded, each.call)
        assert told(answers.cards(answers.coded, rewritten(each.call, some))) == told(plain), each.name


@pytest.mark.parametrize("keep_code", [False, True], ids=["words alone", "beside the code"])
def test_other_words_never_calm(keep_code: bool, answers: Answers) -> None:
    draw = random.Random(str(keep_code))
    for asked in answers.asked:
        for _ in range(1 if EACH else 20):
            call = rewritten(asked.call, lambda value: reworded(value, draw.choice, keep_code))
            before, after = (tone(answers.cards(asked.place, each)) for each in (asked.call, call))
            assert calmer(before, after) == "", asked.name
