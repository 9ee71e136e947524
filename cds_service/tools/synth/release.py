"""Cytokine release as a plot tells it: grades, what is given for them, how they are written down, who orders."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from random import Random

from cds_service.tools.synth.course import Ask, Grading, Running, Stretch
from cds_service.tools.synth.draws import between, minutes
from cds_service.tools.synth.figure_parts import Plot
from cds_service.tools.synth.figures import Figures


@dataclass(frozen=True, slots=True)
class Release:
    """What a plot became for one person: grades, the moments at which a drug is first given, and orders."""

    stretches: tuple[Stretch, ...]
    gives: tuple[tuple[int, str], ...]
    asks: tuple[Ask, ...]
    last: int

    def grade_at(self, at: int) -> int:
        """The true grade at a time."""
        return next((s.grade for s in self.stretches if s.begins <= at < s.ends), 0)

    @property
    def worst(self) -> Stretch | None:
        """The stretch with the highest grade."""
        return max(self.stretches, key=lambda stretch: stretch.grade, default=None)


def play(draw: Random, figures: Figures, plot: Plot) -> Release:
    """One way in which the plot may go."""
    at, changes, gives, asks = 0, [], [], []
    for step in plot.steps:
        at += minutes(draw, step.after)
        if step.grade is not None:
            changes.append((at, step.grade))
        elif step.give:
            gives.append((at, step.give))
        else:
            asks.append(Ask(at, draw.choice(step.ask)))
    stretches = tuple(_stretches(draw, figures, changes))
    return Release(stretches, tuple(gives), tuple(asks), at)


def _stretches(draw: Random, figures: Figures, changes: list[tuple[int, int]]) -> Iterator[Stretch]:
    for (begins, grade), (ends, _) in pairwise(changes):
        support = draw.choice([support for support in figures.supports if support.grade == grade])
        flow = float(round(between(draw, support.flow))) if support.flow else 0.0
        yield Stretch(begins, ends, grade, support.name, flow)


def running(figures: Figures, stretches: Iterable[Stretch]) -> tuple[Running, ...]:
    """The vasopressors of all stretches; what goes on into the next stretch is one infusion."""
    found: list[Running] = []
    for stretch in stretches:
        for drug in figures.support(stretch.support).pressors:
            before = next((r for r in found if r.drug == drug and r.ends == stretch.begins), None)
            if before is not None:
                found.remove(before)
            found.append(Running(drug, before.begins if before else stretch.begins, stretch.ends))
    return tuple(sorted(found, key=lambda each: each.begins))


def gradings(draw: Random, figures: Figures, stretches: tuple[Stretch, ...]) -> tuple[Grading, ...]:
    """How the grades were written down: late by minutes, again every few hours, sometimes not again."""
    figure, written = figures.grading, []
    for stretch in stretches:
        at = stretch.begins + minutes(draw, figure.lag)
        written.append((at, stretch))
        forgotten = draw.random() < figure.forgotten_share
        while not forgotten and (at := at + minutes(draw, figure.again)) < stretch.ends:
            written.append((at, stretch))
    over = [at for at, _ in written[1:]] + [stretch.ends + minutes(draw, figure.lag) for stretch in stretches[-1:]]
    return tuple(
        Grading(at, stretch.grade, stretch.begins, end) for (at, stretch), end in zip(written, over, strict=True)
    )
