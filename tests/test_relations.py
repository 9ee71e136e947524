"""The relations of `facts/test_facts_relations.py` on the whole answers to the examples and vignettes: a seeded sample
of each; `RELATIONS=0` tries everything."""

from __future__ import annotations

import copy
import json
import os
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from cds_service.contract import SERVICES
from cds_service.knowledge import load
from cds_service.service import Service
from cds_service.web.door import read_call
from tests.facts.notation import PATIENT
from tests.facts.rewritten import FORMS, PUZZLES, local_site, puzzles, recoded, reworded
from tests.support.calmer import calmer, tone
from tests.support.cards import explanation, outlines
from tests.support.charts import site
from tests.support.examples import example_calls
from tests.support.vignettes import vignettes

EACH = int(os.environ.get("RELATIONS", "3"))
Call = Mapping[str, Any]
_SERVICE_OF = {hook: service_id for service_id, hook in SERVICES.items()}


@dataclass(frozen=True, slots=True)
class Asked:
    """A chart as a request, and the site where it plays."""

    name: str
    place: str
    call: Call


class Answers:
    """Every example and vignette, and what services say to them."""

    def __init__(self, coded: str) -> None:
        self.coded = coded
        self._services: dict[str, Service] = {}
        self.asked = tuple(self._all())

    def _all(self) -> Iterator[Asked]:
        templates = self.service("us").program.templates
        for name, _, call in example_calls(lambda hook: templates):
            yield Asked(name, "us", call)
        for vignette in vignettes():
            yield Asked(vignette.id, site(vignette.given), vignette.call(templates))

    def service(self, place: str) -> Service:
        if place not in self._services:
            self._services[place] = Service.start(load(site=place))
        return self._services[place]

    def cards(self, place: str, call: Call) -> list[dict[str, Any]]:
        hook = str(call["hook"])
        read = read_call(_SERVICE_OF[hook], hook, json.dumps(call).encode(), allow_evaluation_time=True)
        assert read.evaluation_time is not None
        cards: list[dict[str, Any]] = self.service(place).answer(read, read.evaluation_time)["cards"]
        return cards

    def sample(self, what: str) -> list[Asked]:
        """Some of the charts, always the same ones for the same thing."""
        return random.Random(what).sample(self.asked, EACH) if EACH else list(self.asked)


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Answers:
    return Answers(local_site(tmp_path_factory.mktemp("coded")))


def rewritten(call: Call, change: Callable[[Any], Any]) -> Call:
    """The call with every resource of its prefetch changed."""
    return {**call, "prefetch": {key: change(value) for key, value in call["prefetch"].items()}}


def told(cards: list[dict[str, Any]]) -> list[Any]:
    """Decision, indicator, rule, dose and offers of each card, and the values of the facts behind it."""
    facts = [[(f["name"], f["value"]) for f in explanation(card).get("facts", ())] for card in cards]
    return list(zip(outlines(cards), facts, strict=True))


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
