"""Grades that clinicians document as Conditions with one code per grade (CRS D89.831-5, ICANS G92.01-5).

The grade at a moment is that of the Condition whose onset (else recordedDate) to abatement covers it, newest first;
of two for the same time the higher. Its age counts from recordedDate, else onset.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from cds_service.chart.resource import Resource
from cds_service.facts.declared import DISPROVEN, ENDED, abatement, is_active
from cds_service.facts.model import Fact, Reading, refs, unknown


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


def documented(grades: Sequence[tuple[int, str]], reading: Reading) -> tuple[list[Graded], tuple[str, ...]]:
    """Every documented grade, and a line for each record that could not be used."""
    return reading.once(("documented", grades), lambda: _documented(grades, reading))


def _documented(grades: Sequence[tuple[int, str]], reading: Reading) -> tuple[list[Graded], tuple[str, ...]]:
    found: list[Graded] = []
    bad: list[str] = []
    for resource in reading.chart.matching(("conditions",), *(reading.terms[name] for _, name in grades)):
        grade = max(n for n, name in grades if resource.matches(reading.terms[name]))
        if resource.code("verificationStatus") in DISPROVEN:
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
            found.append(Graded(grade, start.start, _end(resource, written), min(written, reading.now), resource))
    return found, tuple(bad)


def _end(resource: Resource, written: datetime) -> datetime | None:
    ended = abatement(resource)
    if ended is not None:
        return ended.start
    # Ended without saying when: it held at most until it was written down.
    return written if resource.code("clinicalStatus") in ENDED else None


def grade_at(moment: datetime, series: Sequence[Graded]) -> Graded | None:
    """The documented grade that held at a moment."""
    covering = [g for g in series if g.covers(moment)]
    return max(covering, key=lambda g: (g.start, g.grade), default=None)


def current_grade(
    name: str, grades: Sequence[tuple[int, str]], ungraded: str, reading: Reading, max_age: str, nothing: int | None
) -> Fact:
    """The documented grade now; `nothing` is what a complete read without any grade means (None: unknown)."""
    series, bad = documented(grades, reading)
    gaps = reading.chart.gaps(("conditions",))
    current = grade_at(reading.now, series)
    if current is None and bad:
        return unknown(name, "a documented grade could not be used", unusable=bad)
    if current is not None:
        return _if_fresh(name, current, reading, max_age, bad)
    if gaps:
        return unknown(name, "; ".join(gaps))
    if open_ended := _ungraded(ungraded, reading):
        return unknown(name, "documented without a grade", sources=refs(open_ended))
    ended = max((g for g in series if g.end is not None), key=lambda g: g.end or g.start, default=None)
    if ended is not None and ended.end and reading.hours_since(ended.end) <= reading.windows[max_age]:
        return Fact(name, 0, "{grade}", ended.end, (ended.resource.ref,), notes=("documented as ended",))
    return (
        unknown(name, "no grade documented")
        if nothing is None
        else Fact(name, nothing, "{grade}", text="none documented")
    )


def _if_fresh(name: str, current: Graded, reading: Reading, max_age: str, bad: tuple[str, ...]) -> Fact:
    age = reading.hours_since(current.recorded)
    sources = (current.resource.ref,)
    if age > reading.windows[max_age]:
        why = f"documented grade {current.grade} is {age:.0f} h old (limit {reading.windows[max_age]:g} h)"
        return unknown(name, why, as_of=current.recorded, sources=sources, unusable=bad)
    return Fact(name, current.grade, "{grade}", current.recorded, sources, unusable=bad)


def _ungraded(name: str, reading: Reading) -> list[Resource]:
    matched = reading.chart.matching(("conditions",), reading.terms[name])
    return [r for r in matched if is_active(r, reading.now)]
