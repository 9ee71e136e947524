"""A run of `anakinra-cds replay` that walks episodes: from its options to what it prints and writes."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import click

from cds_service.errors import CdsError
from cds_service.knowledge import load
from cds_service.program import compile_program
from cds_service.tools.replay import bundles, outputs
from cds_service.tools.replay.asking import Asked, Respondents
from cds_service.tools.replay.episode import Course, Step, steps
from cds_service.tools.replay.kept import Kept
from cds_service.tools.replay.page import page
from cds_service.tools.replay.report import count
from cds_service.tools.replay.totals import Totals, totals
from cds_service.tools.replay.walk import Walk

_NOTE_EVERY_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class Options:
    """How to walk. `every` None with `by_order`: at every order; with neither, once. `at` is that one time, or the end
    of the episode. `truths` are the steps of patients of whom is known what is right: only they are asked about. `now`
    bounds what may be an event.
    """

    hook: str
    now: datetime
    every: timedelta | None = None
    by_order: bool = False
    days: float = 14
    at: datetime | None = None
    truths: Mapping[str, Sequence[Step]] = field(default_factory=dict)

    def steps(self, chart: bundles.Chart) -> Sequence[Step]:
        """The questions about one patient."""
        if self.truths:
            return self.truths[chart.patient_id]
        if self.every is not None or self.by_order:
            last, exactly = self.at or self.now, self.at is not None
            return tuple(steps(Course(chart), self.hook, self.every, self.days, last, exactly=exactly))
        return (Step(self.at, self.hook),)

    def wants(self, patient: str) -> bool:
        """Whether a patient is asked about."""
        return not self.truths or patient in self.truths


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be written, and where."""

    state: Path | None = None
    html: Path | None = None
    junit: Path | None = None
    as_json: bool = False


def walked(
    paths: Sequence[Path],
    asked: Respondents,
    against: Asked | None,
    options: Options,
    wanted: Wanted,
    run: dict[str, Any],
) -> bool:
    """Walk, print and write; True where nothing differs, is wrong or failed. `run` names the run in the file of state.
    Raises CdsError."""
    drawn_by = None
    if wanted.html is not None:
        drawn_by = asked.ours.program if asked.ours else compile_program(load())
    for service in filter(None, (*asked.services, against)):
        service.discover()
        for key, why in service.left_out.items():
            click.echo(f"note: {service.name}: prefetch {key} is not sent: {why}", err=True)
    with ExitStack() as stack:
        state = wanted.state
        if state is None:
            state = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="replay-"))) / "state.jsonl"
        kept = Kept(state, run | {"pictures": drawn_by is not None})
        stack.callback(kept.close)
        if kept.resumed:
            click.echo(f"going on with {state}", err=True)
        _walk(paths, Walk(asked, against, drawn_by), options, kept)
        _missing(options, kept)
        return _tell(asked, against, wanted, kept)


def _walk(paths: Sequence[Path], walk: Walk, options: Options, kept: Kept) -> None:
    found, problems = bundles.sources(paths)
    for problem in problems:
        kept.problem(problem.where, problem.what)
    progress = _Progress(len(found))
    for source in found:
        if not kept.is_done(source.name):
            for item in bundles.read(source):
                if isinstance(item, bundles.Problem):
                    kept.problem(item.where, item.what)
                elif options.wants(item.patient_id) and not kept.has(item.source, item.patient_id):
                    _patient(item, walk, options, kept)
                    progress.patient()
            kept.done(source.name)
        progress.source()
    progress.end()


def _patient(chart: bundles.Chart, walk: Walk, options: Options, kept: Kept) -> None:
    try:
        kept.patient(walk.patient(chart, options.steps(chart)))
    except CdsError as error:
        kept.problem(f"{chart.source}: Patient/{chart.patient_id}", str(error))


def _missing(options: Options, kept: Kept) -> None:
    """Patients of whom a truth tells and whom no source holds."""
    if options.truths:
        seen = {line["patient"] for line in kept.patients()}
        for patient in options.truths:
            if patient not in seen:
                kept.problem(f"Patient/{patient}", "expected, but no source holds this patient")


def _tell(asked: Respondents, against: Asked | None, wanted: Wanted, kept: Kept) -> bool:
    problems = list(kept.problems())
    found = totals(kept.patients(), len(problems), compared=against is not None)
    for where, what in problems:
        click.echo(f"error: {where}: {what}", err=True)
    names = {"asked": asked.name, "against": against.name if against else ""}
    if wanted.as_json:
        sys.stdout.writelines(outputs.as_json(kept.patients(), problems, found, names))
    else:
        for line in outputs.table(kept.patients()):
            click.echo(line)
        click.echo(f"\n{outputs.summary(found)}")
    if wanted.junit is not None:
        outputs.written(wanted.junit, outputs.junit(kept.patients(), problems, found))
    if wanted.html is not None:
        outputs.written(wanted.html, _page(asked, against, kept, problems, found))
    return found.is_well


def _page(
    asked: Respondents, against: Asked | None, kept: Kept, problems: list[tuple[str, str]], found: Totals
) -> Iterator[str]:
    names = {"Service": asked.name, "Compared with": against.name if against else ""}
    return page(kept.patients, problems, found, names, asked.ours.program.knowledge if asked.ours else None)


class _Progress:
    """A line every few seconds on stderr: sources, patients."""

    def __init__(self, sources: int) -> None:
        self._sources, self._seen, self._patients = sources, 0, 0
        self._last = time.monotonic()

    def source(self) -> None:
        """One more source is done."""
        self._seen += 1

    def patient(self) -> None:
        """One more patient is done."""
        self._patients += 1
        if time.monotonic() - self._last >= _NOTE_EVERY_SECONDS:
            self._last = time.monotonic()
            self._note("\r" if sys.stderr.isatty() else "\n")

    def _note(self, end: str) -> None:
        said = f"replaying: {self._seen} of {self._sources} sources, {count(self._patients, 'patient')} so far"
        click.echo(f"{said}{end}", nl=False, err=True)

    def end(self) -> None:
        """The last word, where one is being said."""
        if sys.stderr.isatty() and self._patients:
            self._note("\n")
