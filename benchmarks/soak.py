"""`make soak`: very many evaluations in one process; every answer, the memory and the open files stay the same."""

from __future__ import annotations

import gc
import itertools
import random
import sys
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from benchmarks.cases import DEFAULT_SITE, Case, canonical, cases, differences, sites
from benchmarks.process import open_files, require_proc, resident_mb
from cds_service import knowledge
from cds_service.chart.read import ReadCache
from cds_service.contract import SERVICES
from cds_service.engine import Engine, Scalar
from cds_service.knowledge import Knowledge
from cds_service.service import Service

MOST_GROWTH_MB = 10.0
_UNSEEN = 0.1
# Small enough that charts leave the cache all the time, large enough for all cases: its default would fill for hours.
_CACHE_BYTES = 64 * 1024 * 1024
_FILLED_BYTES = 12 * 1024 * 1024  # of JSON: half as much again as the cache holds
_FILLING = 9_000_000
"""Where the numbers of charts that fill the cache begin: none of the run's own."""
_FAULTS_SHOWN = 20


@dataclass(slots=True)
class Soak:
    """One run. `faults` says what went wrong, the first ones in words."""

    services: Mapping[str, Service]
    cases: list[Case]
    expected: list[bytes]
    facts: RandomFacts
    engine: Engine
    random: random.Random
    faults: list[str] = field(default_factory=list)
    count: int = 0
    """Faults in all."""

    def fault(self, what: str) -> None:
        """Note a fault."""
        self.count += 1
        if len(self.faults) < _FAULTS_SHOWN:
            self.faults.append(what)

    def evaluate(self, number: int) -> None:
        """One whole answer, at times to a chart never seen before, and one evaluation of random facts."""
        which = number % len(self.cases)
        case = self.cases[which]
        unseen = self.random.random() < _UNSEEN
        try:
            call = case.unseen(number) if unseen else case.again(str(uuid.UUID(int=number, version=4)))
            answer = self.services[case.site].answer(call, case.now)
            if case.known(call, answer) != self.expected[which]:
                self.fault(f"evaluation {number}, {case.name}: another answer than the first time")
            self._random(number)
        except Exception as error:  # a soak goes on, and tells at the end
            self.fault(f"evaluation {number}, {case.name}: {type(error).__name__}: {error}")

    def _random(self, number: int) -> None:
        hook, kind, values = self.facts.next()
        found = self.engine.run(hook, kind, values)
        if found.failure or found.disagreements:
            self.fault(f"random facts {number}: {found.failure} {found.disagreements} on {values}")

    def fill(self) -> Iterator[int]:
        """Charts never seen before until the cache of every service has dropped some; yields the bytes of each."""
        numbers = itertools.count(_FILLING)
        for site, service in self.services.items():
            filled = 0
            for case in itertools.cycle([case for case in self.cases if case.site == site]):
                service.answer(case.unseen(next(numbers)), case.now)
                filled += len(case.body)
                yield len(case.body)
                if filled > _FILLED_BYTES:
                    break


class RandomFacts:
    """Facts at random: any may be unknown, numbers lie on, just beside and between what rules compare them with."""

    def __init__(self, loaded: Knowledge, engine: Engine, draw: random.Random) -> None:
        self._random = draw
        kinds = [(hook, kind) for hook in SERVICES.values() for kind in loaded.orders.kinds]
        self._kinds = [kind for kind in kinds if engine.rules(*kind)]
        bounds: dict[str, set[float]] = {}
        for rule in loaded.rules:
            for condition in (*rule.when, *rule.unless, *(c for option in rule.any for c in option)):
                operand = loaded.operand(condition)
                if condition.fact and isinstance(operand, int | float) and not isinstance(operand, bool):
                    bounds.setdefault(condition.fact, set()).add(operand)
        self._choices = {
            name: _choices(fact.type, fact.values, sorted(bounds.get(name, {1.0})))
            for name, fact in loaded.catalogue.facts.items()
        }

    def next(self) -> tuple[str, str, dict[str, Scalar]]:
        """(hook, order kind, known facts)."""
        draw = self._random
        share = draw.random()
        hook, kind = draw.choice(self._kinds)
        return hook, kind, {n: draw.choice(choices) for n, choices in self._choices.items() if draw.random() > share}


def _choices(kind: str, values: tuple[str, ...], bounds: list[float]) -> tuple[Scalar, ...]:
    if kind == "boolean":
        return (True, False)
    if kind == "code":
        return values or ("any",)
    if kind == "integer":
        return tuple(sorted({int(bound) + step for bound in bounds for step in (-1, 0, 1)}))
    return tuple(sorted({bound + step for bound in bounds for step in (-1.0, -0.0001, 0.0, 0.0001, 1.0)}))


# ---------------------------------------------------------------- a run


def prepare(seed: int, progress: Progress, each: int = 1) -> Soak:
    """Services of every site, and what each case is answered: by services of their own, in another order.

    With `each` 10, only every tenth case is used.
    """
    loaded = {site: knowledge.load(site=site) for site in sorted(sites())}
    all_cases = cases(loaded)[::each]
    needed = [loaded[site] for site in dict.fromkeys(case.site for case in all_cases)]
    services, others = _services(needed), _services(needed)
    engine, draw = Engine(loaded[DEFAULT_SITE]), random.Random(seed)
    expected = [b""] * len(all_cases)
    soak = Soak(services, all_cases, expected, RandomFacts(loaded[DEFAULT_SITE], engine, draw), engine, draw)
    task = progress.add_task("expected answers", total=len(all_cases))
    for which in reversed(range(len(all_cases))):
        case = all_cases[which]
        answer = others[case.site].answer(case.call, case.now)
        expected[which] = canonical(answer)
        wrong = differences(case, answer)
        if wrong:
            soak.fault(f"{case.name}: {wrong}")
        progress.advance(task)
    return soak


def _services(loaded: list[Knowledge]) -> dict[str, Service]:
    return {each.site.id: Service.start(each, ReadCache(_CACHE_BYTES)) for each in loaded}


@dataclass(frozen=True, slots=True)
class Moment:
    """The process after some evaluations."""

    evaluations: int
    resident_mb: float
    files: int


def look(evaluations: int) -> Moment:
    """The process now."""
    gc.collect()
    return Moment(evaluations, resident_mb(), open_files())


def run(evaluations: int, seed: int, console: Console, each: int = 1) -> tuple[Soak, list[Moment]]:
    """The run, and the process at its start, after each tenth, and at its end.

    `each`: see `prepare`; then the cache is not filled first.
    """
    columns = (
        TextColumn("{task.description:<18}"), BarColumn(), MofNCompleteColumn(), _Rate(), TimeRemainingColumn()
    )  # fmt: skip
    with Progress(*columns, console=console, transient=True) as bar:
        soak = prepare(seed, bar, each)
        moments = [look(0)]
        if each == 1:
            task = bar.add_task("fill the caches", total=len(soak.services) * _FILLED_BYTES)
            for size in soak.fill():
                bar.advance(task, size)
        tenth = max(1, evaluations // 10)
        task = bar.add_task("evaluations", total=evaluations)
        for number in range(1, evaluations + 1):
            soak.evaluate(number)
            if number % 50 == 0 or number == evaluations:
                bar.update(task, completed=number)
            if number % tenth == 0 or number == evaluations:
                moments.append(look(number))
    return soak, moments


class _Rate(ProgressColumn):
    """Steps a second."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:,.0f}/s" if task.speed else "")


def judge(soak: Soak, moments: list[Moment]) -> list[str]:
    """Everything that is wrong with a run; nothing where all stayed the same."""
    found = list(soak.faults)
    if soak.count > len(found):
        found.append(f"{soak.count - len(found)} more faults")
    for site, service in soak.services.items():
        if service.disagreements:
            found.append(
                f"site {site}: the evaluators disagreed or failed {service.disagreements} times; expected never"
            )
    grown = moments[-1].resident_mb - moments[1].resident_mb
    if grown > MOST_GROWTH_MB:
        found.append(f"memory grew by {grown:.1f} MB after the first tenth; expected at most {MOST_GROWTH_MB:g} MB")
    if len({moment.files for moment in moments[1:]}) > 1:
        found.append(f"open files: {[moment.files for moment in moments]}; expected a constant number")
    return found


@click.command()
@click.option("--evaluations", default=200_000, show_default=True, type=click.IntRange(10))
@click.option("--seed", default=1, show_default=True, help="Of what is random.")
def main(evaluations: int, seed: int) -> None:
    """Evaluate very often in one process, and fail where anything drifts.

    Each evaluation is one whole answer (chart, facts, both evaluators, decision, cards) to an example patient or an
    acceptance case, at one of four times, and beside it one run of both evaluators on random facts. One chart
    in ten is of a patient never seen before. Exit code 1: an answer changed or is not the expected one, the evaluators
    disagreed, memory grew by more than 10 MB after the first tenth, or files were left open. 200,000 take about
    seven minutes.
    """
    require_proc()
    console = Console()
    start = time.perf_counter()
    soak, moments = run(evaluations, seed, console)
    table = Table("evaluations", "memory MB", "open files", title="The process", title_justify="left")
    for moment in moments:
        table.add_row(f"{moment.evaluations:,}", f"{moment.resident_mb:.1f}", str(moment.files))
    console.print(table)
    found = judge(soak, moments)
    for each in found:
        console.print(f"[red]fault[/red] {each}", highlight=False, markup=True)
    taken = time.perf_counter() - start
    console.print(
        f"{evaluations:,} answers to {len(soak.cases)} cases and as many evaluations of random facts in {taken:.0f} s:"
        f" {'[red]faults, see above[/red]' if found else '[green]all the same[/green]'}",
        highlight=False,
    )
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
