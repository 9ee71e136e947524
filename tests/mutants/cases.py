"""Every whole case of the tests as one kind of trial: facts cases, vignettes, and our own acceptance cases."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from cds_service.chart.prefetch import templates
from cds_service.hook_call import HookCall
from cds_service.knowledge import Knowledge, load
from cds_service.web.door import read_call
from tests.facts import test_facts_data as facts_data
from tests.facts.notation import NOW
from tests.support.acceptance import acceptance_cases, differences
from tests.support.cards import explanation
from tests.support.charts import site
from tests.support.shipped import ROOT
from tests.support.vignettes import AT, vignettes

Cards = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Trial:
    """One whole case: the call, the facts that it expects, and whether cards are as it expects them."""

    name: str
    place: str
    call: HookCall
    now: datetime
    facts: Mapping[str, object] = field(default_factory=dict)
    fits: Callable[[Cards], bool] | None = None


class Places:
    """The knowledge of every site at which a case plays."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.knowledge: dict[str, Knowledge] = {}

    def at(self, where: str | Mapping[str, Any]) -> str:
        """The name of the place: a shipped site, or the path of a site file that says this."""
        if not isinstance(where, str):
            path = self._folder / f"{where['id']}.yaml"
            path.write_text(yaml.safe_dump(dict(where)), encoding="utf-8")
            where = str(path)
        if where not in self.knowledge:
            self.knowledge[where] = load(ROOT, where)
        return where


def trials(places: Places) -> Iterator[Trial]:
    """All cases, the quickest first."""
    for parameter in facts_data._cases():
        yield _facts_case(str(parameter.id), parameter.values[0], places)
    for case in vignettes():
        # Vignettes name some of the doses that must be offered, not all of them.
        expected = {name: value for name, value in case.expected.items() if name not in ("alternatives", "offers")}
        yield _whole(case.id, places.at(site(case.given)), case.hook, case.call, expected, places)
    for own in acceptance_cases():
        yield _whole(own.id, places.at(own.place), own.hook, own.call, own.expected, places)


def _facts_case(name: str, written: Mapping[str, Any], places: Places) -> Trial:
    case, wanted = facts_data._case(written), written.get("decision")

    def fits(cards: Cards) -> bool:
        first = f"{explanation(cards[0])['decision']} {cards[0]['indicator']}" if cards else "no-card"
        return first == wanted

    return Trial(name, places.at(case.site), case.call(), NOW, written.get("expect", {}), fits if wanted else None)


def _whole(
    name: str,
    place: str,
    hook: str,
    call: Callable[[Mapping[str, str]], dict[str, Any]],
    expected: Mapping[str, Any],
    places: Places,
) -> Trial:
    body = json.dumps(call(templates(places.knowledge[place]))).encode()
    made = read_call(f"anakinra-{hook}", hook, body, allow_evaluation_time=True)
    return Trial(name, place, made, AT, fits=lambda cards: not differences(expected, cards))
