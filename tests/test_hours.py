"""A walk through each example patient, hour by hour: while something gets worse and nothing better, no answer calms.

What is known is cut at each hour (`chart.at`). Worse: the grade rises, a vasopressor starts, an infection, an allergy
or a failing organ is added. Better: one of these goes the other way, or a fact that was unknown becomes known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest

from cds_service.contract import EVALUATION_TIME
from cds_service.facts.model import Facts
from tests.support.calmer import calmer, tone
from tests.support.examples import example_calls
from tests.support.places import Cards, Places, read

HOURS = 120
NAMES = [name for name, _, _ in example_calls(lambda hook: {})]
Ask = Callable[[Mapping[str, Any], datetime], "Hour"]

# Facts that can get worse, each with how bad a value is; a fact that is unknown is neither better nor worse. IEC-HS
# is not among them: its confirmation is what makes its treatment right.
_ADDED = {False: 0, True: 1}
_WORSE: Mapping[str, Mapping[Any, int]] = {
    "crs-grade": {grade: grade for grade in range(5)},
    "icans-grade": {grade: grade for grade in range(5)},
    "vasopressor-running": _ADDED,
    "severe-infection": _ADDED,
    "other-infection": _ADDED,
    "uncertain-infection": _ADDED,
    "hypersensitivity": _ADDED,
    "ecoli-drug-allergy": _ADDED,
    "renal-function": {"adequate": 0, "severe": 1, "dialysis": 2},
}


@dataclass(frozen=True, slots=True)
class Hour:
    """What is known and answered at one hour."""

    at: datetime
    cards: Cards
    facts: Facts


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Places:
    return Places(tmp_path_factory.mktemp("places"))


@pytest.fixture(scope="module")
def ask(places: Places) -> Ask:
    service = places.service("us")

    def at(call: Mapping[str, Any], when: datetime) -> Hour:
        extension = call.get("extension", {}) | {EVALUATION_TIME: when.isoformat()}
        asked = read({**call, "extension": extension})
        assessment = service.assess(asked, when)
        facts = assessment.orders[0].facts if assessment else {}
        return Hour(when, service.cards(assessment), facts)

    return at


def walk(call: Mapping[str, Any], ask: Ask) -> Iterator[tuple[Hour, Hour]]:
    """Each hour with the one before it, up to half a day after the call's own time."""
    own = datetime.fromisoformat(call["extension"][EVALUATION_TIME].replace("Z", "+00:00"))
    start = own.replace(minute=0, second=0) - timedelta(hours=HOURS - 12)
    before = ask(call, start)
    for hour in range(1, HOURS):
        after = ask(call, start + timedelta(hours=hour))
        yield before, after
        before = after


def got_worse(before: Facts, after: Facts) -> list[str]:
    """Names of the facts that got worse, where none got better or became known; else nothing."""
    worse = []
    for name, badness in _WORSE.items():
        if name not in before or name not in after:
            continue
        old, new = (badness.get(facts[name].value) for facts in (before, after))
        if new is not None and (old is None or new < old):
            return []
        if old is not None and new is not None and new > old:
            worse.append(name)
    return worse


@pytest.fixture(scope="module")
def met() -> dict[str, set[str]]:
    """What got worse in each walk so far."""
    return {}


@pytest.mark.parametrize("name", NAMES)
def test_nothing_calms_while_something_gets_worse(
    name: str, ask: Ask, places: Places, met: dict[str, set[str]]
) -> None:
    calls = {patient: call for patient, _, call in example_calls(lambda hook: places.templates("us"))}
    found, met[name] = [], set()
    for before, after in walk(calls[name], ask):
        if worse := got_worse(before.facts, after.facts):
            met[name].update(worse)
            if how := calmer(tone(before.cards), tone(after.cards)):
                found.append(f"{after.at:%d %H:%M}: {', '.join(worse)}: {how}")
    assert found == []


def test_the_walks_met_what_gets_worse(met: dict[str, set[str]]) -> None:
    """The test above could not fail on patients with whom nothing ever happens; it runs before this one."""
    if met.keys() != set(NAMES):
        pytest.skip("not every patient was walked in this run")
    assert {"crs-grade", "icans-grade", "severe-infection"} <= set().union(*met.values()), met
