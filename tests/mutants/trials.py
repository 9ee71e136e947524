"""Puts every whole case to services in this process: which one notices a change of the knowledge?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

from cds_service import program
from cds_service.chart.read import ReadCache
from cds_service.engine import Engine
from cds_service.knowledge import Knowledge
from cds_service.service import Service
from cds_service.tools.mutation.tables import Tables
from tests.facts import test_facts_data as facts_data
from tests.mutants.cases import Places, Trial, trials
from tests.mutants.content import Change

CACHE_BYTES = 64 * 1024 * 1024


class _Logic(Engine):
    """Without durable-rules: hundreds of its hosts fill the memory, and other tests show that both evaluators agree."""

    def _run_durable(self, plan: Any, known: Any, outcomes: Any) -> tuple[frozenset[str], tuple[str, ...]]:
        return frozenset(name for name, outcome in outcomes.items() if outcome.truth is True), ()


class _Noting(dict[str, Any]):
    """A mapping that notes which of its keys are looked up."""

    def __init__(self, content: Mapping[str, Any], kind: str, noted: set[str]) -> None:
        super().__init__(content)
        self._kind, self._noted = kind, noted

    def __getitem__(self, key: str) -> Any:
        self._noted.add(f"{self._kind} {key}")
        return super().__getitem__(key)


class House:
    """One place's knowledge as a service, and as one that gathers every fact whichever rules run."""

    # What no change touches is compiled once for all houses.
    _compiled: dict[tuple[int, ...], tuple[Any, Any]] = {}  # noqa: RUF012

    def __init__(self, knowledge: Knowledge, cache: ReadCache) -> None:
        with (
            patch.object(program, "Engine", _Logic),
            patch.object(program, "Recogniser", self._once(program.Recogniser, 4)),
            patch.object(program, "matchers", self._once(program.matchers, 2)),
            patch.object(program, "compile_cards", self._once(program.compile_cards, 1)),
            # The shipped cards can be worded, and a case that meets one that cannot notices it.
            patch.object(program, "card_problems", lambda *_: []),
        ):
            compiled = program.compile_program(knowledge)
        every = {key: replace(plan, gatherer=compiled.every_fact) for key, plan in compiled.plans.items()}
        self.service = Service(compiled, cache)
        self.observer = Service(replace(compiled, plans=every), cache)

    def _once(self, make: Callable[..., Any], sources: int) -> Callable[..., Any]:
        """Made once of its first arguments, which are kept beside it so that their ids stay their own."""

        def made(*given: Any) -> Any:
            key = tuple(map(id, given[:sources]))
            if key not in self._compiled:
                self._compiled[key] = (given, make(*given))
            return self._compiled[key][1]

        return made

    def note(self, noted: set[str]) -> None:
        """From now on, note which policies, regimens and tables of units are looked up."""
        knowledge = replace(self.service.knowledge, regimens=_Noting(self.service.knowledge.regimens, "regimen", noted))
        for each in (self.service, self.observer):
            each.program = replace(
                each.program,
                knowledge=knowledge,
                policies=_Noting(each.program.policies, "policy", noted),
                windows=_Noting(each.program.windows, "policy", noted),
                units=_Noting(each.program.units, "analyte", noted),
            )

    def meets(self, trial: Trial) -> bool:
        """Whether everything is as the case expects; an evaluation that fails is as noticeable as a wrong answer."""
        try:
            if trial.facts:
                seen = self.observer.assess(trial.call, trial.now)
                found = seen.orders[0].facts if seen else {}
                if not all(facts_data._holds(found[name], wanted) for name, wanted in trial.facts.items()):
                    return False
            return trial.fits is None or trial.fits(self.service.answer(trial.call, trial.now)["cards"])
        except Exception:
            return False


class Trials:
    """All whole cases, and what each of them touches. `unfit` are the names of those that already differ."""

    def __init__(self, folder: Path) -> None:
        places = Places(folder)
        self._all = list(trials(places))
        self.places: Mapping[str, Knowledge] = places.knowledge
        self.unfit: list[str] = []
        self._cache = ReadCache(CACHE_BYTES)
        self._touching = self._observe()
        self._tables = Tables(self.places["us"])

    def noticed(self, change: Change) -> str | None:
        """The name of the first case that differs after a change: of a rule's own, else of those that touch it."""
        shipped = self.places["us"]
        if rule := self._tables.notices(change.apply(shipped)) if change.touches.startswith("policy ") else "":
            return f"cases of {rule}"
        houses: dict[str, House | None] = {}
        near = self._touching.get(change.touches, set())
        for trial in sorted(self._all, key=lambda each: each.name not in near):
            before = self.places[trial.place]
            if trial.place not in houses:
                try:
                    after = change.apply(before)
                    houses[trial.place] = None if after is before else House(after, self._cache_for(change))
                except Exception as error:
                    return f"{trial.place} does not start: {error}"
            house = houses[trial.place]
            if house is not None and not house.meets(trial):
                return trial.name
        return None

    def _cache_for(self, change: Change) -> ReadCache:
        """Charts are parsed once for all changes; only converted quantities are remembered with them."""
        return ReadCache(CACHE_BYTES) if change.touches.startswith("analyte ") else self._cache

    def _observe(self) -> dict[str, set[str]]:
        """What a case touches -> the names of the cases: `policy fever`, `true crs-wait`, `unknown crs-wait`, ..."""
        touching: dict[str, set[str]] = {}
        noted: set[str] = set()
        houses = {place: House(knowledge, self._cache) for place, knowledge in self.places.items()}
        for house in houses.values():
            house.note(noted)
        for trial in tuple(self._all):
            noted.clear()
            house = houses[trial.place]
            if not house.meets(trial):
                self.unfit.append(trial.name)
                self._all.remove(trial)
                continue
            names = {*noted, f"site {self.places[trial.place].site.id}"}
            asked = (house.observer if trial.facts else house.service).assess(trial.call, trial.now)
            for seen in asked.orders if asked else ():
                names |= {f"{_word(found.truth)} {rule}" for rule, found in seen.findings.outcomes.items()}
            for name in names:
                touching.setdefault(name, set()).add(trial.name)
        return touching


def _word(truth: bool | None) -> str:
    return "unknown" if truth is None else str(truth).lower()
