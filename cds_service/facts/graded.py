"""Grades that clinicians document as Conditions with one code per grade, and how a grade changed since a dose.

The grade at a moment is that of the Condition whose onset (else recordedDate) to abatement covers it, newest first;
of two for the same time the higher. Its age counts from recordedDate, else onset.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from cds_service.chart.resource import Resource
from cds_service.facts.exists import Find
from cds_service.facts.model import Fact, Reading, refs, unknown
from cds_service.facts.status import abatement
from cds_service.knowledge.model import GradeSource, Scale


@dataclass(frozen=True, slots=True)
class Graded:
    """One documented grade: from `start` until `end` (None: still open), written down at `recorded`."""

    grade: int
    start: datetime
    end: datetime | None
    recorded: datetime
    resource: Resource

    def covers(self, moment: datetime) -> bool:
        """Whether the grade held at a moment (its start included, its end not)."""
        return self.start <= moment and (self.end is None or moment < self.end)


def documented(scale: str, query: str, reading: Reading) -> tuple[list[Graded], tuple[str, ...]]:
    """Every documented grade of a scale, and a line for each record that could not be used."""
    return reading.once(("documented", scale), lambda: _documented(_scale(scale, reading), query, reading))


def _scale(name: str, reading: Reading) -> Scale:
    return reading.select.catalogue.scales[name]


def _documented(scale: Scale, query: str, reading: Reading) -> tuple[list[Graded], tuple[str, ...]]:
    found: list[Graded] = []
    bad: list[str] = []
    for resource in reading.chart.matching((query,), *(reading.terms[g.in_] for g in scale.grades)):
        grade = max(g.grade for g in scale.grades if resource.matches(reading.terms[g.in_]))
        if reading.is_(scale.disproven, resource):
            continue
        onset = resource.time("onsetDateTime") or resource.time("onsetPeriod")
        recorded = resource.time("recordedDate")
        start = onset or recorded
        if resource.problem or start is None:
            bad.append(f"{resource.ref}: {resource.problem or 'neither onset nor recordedDate'}")
        elif start.start > reading.horizon or (recorded and recorded.start > reading.horizon):
            bad.append(f"{resource.ref}: dated in the future")
        else:
            written = (recorded or start).end
            ended = _end(resource, written, scale, reading)
            found.append(Graded(grade, start.start, ended, min(written, reading.now), resource))
    return found, tuple(bad)


def _end(resource: Resource, written: datetime, scale: Scale, reading: Reading) -> datetime | None:
    ended = abatement(resource)
    if ended is not None:
        return ended.start
    # Ended without saying when: it held at most until it was written down.
    return written if reading.is_(scale.ended, resource) else None


def grade_at(moment: datetime, series: Sequence[Graded]) -> Graded | None:
    """The documented grade that held at a moment."""
    covering = [g for g in series if g.covers(moment)]
    return max(covering, key=lambda g: (g.start, g.grade), default=None)


def documented_grade(name: str, source: GradeSource) -> Find:
    """The documented grade now; unknown where none is documented."""
    return lambda reading, known: current_grade(name, source.scale, source.from_, reading, source.within, nothing=None)


def current_grade(name: str, scale: str, query: str, reading: Reading, max_age: str, nothing: int | None) -> Fact:
    """The documented grade now; `nothing` is what a complete read without any grade means (None: unknown)."""
    series, bad = documented(scale, query, reading)
    gaps = reading.chart.gaps((query,))
    current = grade_at(reading.now, series)
    if current is None and bad:
        return unknown(name, "a documented grade could not be used", unusable=bad)
    if current is not None:
        return _if_fresh(name, current, reading, max_age, bad)
    if gaps:
        return unknown(name, "; ".join(gaps))
    if open_ended := _ungraded(_scale(scale, reading), query, reading):
        return unknown(name, "documented without a grade", sources=refs(open_ended))
    ended = max((g for g in series if g.end is not None), key=lambda g: g.end or g.start, default=None)
    if ended is not None and ended.end and reading.hours_since(ended.end) <= reading.windows[max_age]:
        return Fact(name, 0, "{grade}", ended.end, (ended.resource.ref,), notes=("documented as ended",))
    if nothing is None:
        return unknown(name, "no grade documented")
    return Fact(name, nothing, "{grade}", text="none documented")


def _if_fresh(name: str, current: Graded, reading: Reading, max_age: str, bad: tuple[str, ...]) -> Fact:
    age = reading.hours_since(current.recorded)
    sources = (current.resource.ref,)
    if age > reading.windows[max_age]:
        why = f"documented grade {current.grade} is {age:.0f} h old (limit {reading.windows[max_age]:g} h)"
        return unknown(name, why, as_of=current.recorded, sources=sources, unusable=bad)
    return Fact(name, current.grade, "{grade}", current.recorded, sources, unusable=bad)


def _ungraded(scale: Scale, query: str, reading: Reading) -> list[Resource]:
    matched = reading.chart.matching((query,), reading.terms[scale.ungraded])
    return [r for r in matched if reading.is_(scale.active, r)]


@dataclass(frozen=True, slots=True)
class Dose:
    """The dose that a change is told from: when, which in words (`last`, `first`), its records, and what is said where
    the grade at that time is not known."""

    at: datetime
    which: str
    sources: tuple[str, ...]
    not_shown: str


def change_since(name: str, dose: Dose, now: Fact, grade_then: Callable[[datetime], int | None]) -> Fact:
    """How a grade changed since a dose: `rose`, `same`, `fell`; `not-shown` where the grade then is not known."""
    if now.value is None:
        return unknown(name, now.why)
    then = grade_then(dose.at)
    if then is None:
        return Fact(name, "not-shown", sources=dose.sources, text=dose.not_shown)
    value = "rose" if int(now.value) > then else "fell" if int(now.value) < then else "same"
    text = f"grade {then} at the {dose.which} dose, {now.value} now"
    return Fact(name, value, sources=(*dose.sources, *now.sources), text=text)
