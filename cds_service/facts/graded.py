"""Grades that clinicians document, and how a grade changed since a dose.

A grade stands in the code or words of a Condition, its stage or severity, or in an Observation of its own. The grade
at a moment is that of the Condition whose onset (else recordedDate) to abatement covers it, or of the Observation
before it, newest first; of two for the same time the higher. Its age counts from when it was written down.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cds_service.chart.resource import Resource
from cds_service.facts.exists import Find
from cds_service.facts.grade_told import grade_of, is_other, is_unread, row_grade
from cds_service.facts.model import Fact, Reading, refs, unknown
from cds_service.facts.observed import is_taken
from cds_service.facts.status import abatement
from cds_service.knowledge.model import GradeRow, GradeSource, Scale


@dataclass(frozen=True, slots=True)
class Graded:
    """One documented grade: from `start` until `end` (None: still open), written down at `recorded`.

    `once`: an Observation, which says nothing of how long the condition lasted. `doubted`: nobody was sure of it.
    `undated`: nobody wrote down when, and `recorded` is now.
    """

    grade: int
    start: datetime
    end: datetime | None
    recorded: datetime
    resource: Resource
    once: bool = False
    doubted: bool = False
    undated: bool = False

    def covers(self, moment: datetime) -> bool:
        """Whether the grade held at a moment (its start included, its end not)."""
        return self.start <= moment and (self.end is None or moment < self.end)


@dataclass(frozen=True, slots=True)
class Series:
    """Every documented grade of a scale, those in doubt, a line for each record that could not be used, the active
    records whose grade is one of another scale, and the records whose grade nobody can read."""

    grades: tuple[Graded, ...]
    doubted: tuple[Graded, ...]
    unusable: tuple[str, ...]
    others: tuple[Resource, ...]
    unread: tuple[Resource, ...]


def documented(scale: str, query: str, reading: Reading) -> Series:
    """What is documented of a scale."""
    return reading.once(("documented", scale), lambda: _documented(_scale(scale, reading), query, reading))


def _scale(name: str, reading: Reading) -> Scale:
    return reading.select.catalogue.scales[name]


def _documented(scale: Scale, query: str, reading: Reading) -> Series:
    found: list[Graded] = []
    bad: list[str] = []
    others: list[Resource] = []
    unread: list[Resource] = []
    sets = (*(reading.terms[g.in_] for g in scale.grades), reading.terms[scale.ungraded])
    for resource in reading.chart.found(query, sets):
        if reading.is_(scale.disproven, resource):
            continue
        if is_other(scale, resource, reading):
            others += [resource] if reading.is_(scale.active, resource) else []
            continue
        told = grade_of(scale, resource, reading)
        if not told:
            unread += [resource] if reading.is_(scale.active, resource) and is_unread(scale, resource, reading) else []
            continue
        onset = resource.time("onsetDateTime") or resource.time("onsetPeriod")
        recorded = resource.time("recordedDate")
        start = onset or recorded
        if resource.problem or start is None:
            bad.append(f"{resource.ref}: {resource.problem or 'neither onset nor recordedDate'}")
            if reading.is_(scale.active, resource):
                # A grade that somebody wrote down stands, though nobody can tell since when.
                at = min((recorded or start).end, reading.now) if start else reading.now
                found += (Graded(g, at, None, at, resource, doubted=True, undated=start is None) for g, _ in told)
        elif start.start > reading.horizon or (recorded and recorded.start > reading.horizon):
            bad.append(f"{resource.ref}: dated in the future")
        else:
            written = (recorded or start).end
            ended = _end(resource, written, scale, reading)
            recorded_at = min(written, reading.now)
            found += (
                Graded(grade, start.start, ended, recorded_at, resource, doubted=not sure) for grade, sure in told
            )
    if scale.rows is not None:
        _rows(scale, scale.rows, reading, found, bad, others, unread)
    sure, doubted = tuple(g for g in found if not g.doubted), tuple(g for g in found if g.doubted)
    return Series(sure, doubted, tuple(bad), tuple(others), tuple(unread))


def _rows(
    scale: Scale,
    rows: GradeRow,
    reading: Reading,
    found: list[Graded],
    bad: list[str],
    others: list[Resource],
    unread: list[Resource],
) -> None:
    """The grades that Observations hold: each from its time on."""
    for resource in reading.chart.found(rows.from_, (reading.terms[rows.in_],)):
        if not reading.is_(rows.status, resource) or (resource.when and resource.when.start > reading.horizon):
            continue
        if is_other(scale, resource, reading):
            others.append(resource)
            continue
        told = row_grade(scale, resource, reading)
        if resource.problem or resource.when is None or not told:
            why = resource.problem or ("no grade" if resource.when else "no usable time")
            bad.append(f"{resource.ref}: {why}")
            unread += [resource] if is_taken(resource) else []
        else:
            at = resource.when
            end = min(at.end, reading.now)
            found += (Graded(g, at.start, None, end, resource, once=True, doubted=not sure) for g, sure in told)


def _end(resource: Resource, written: datetime, scale: Scale, reading: Reading) -> datetime | None:
    ended = abatement(resource)
    if ended is not None:
        return ended.start
    # Ended without saying when: it held at most until it was written down.
    return written if reading.is_(scale.ended, resource) else None


def grade_at(moment: datetime, series: Sequence[Graded]) -> Graded | None:
    """The documented grade that held at a moment."""
    covering = [g for g in series if g.covers(moment)]
    return max(covering, key=lambda g: (_told_at(g, moment), g.grade), default=None)


def in_doubt(moment: datetime, series: Series) -> Graded | None:
    """A grade in doubt at a moment, where no certain one is as high, or was told since."""
    doubt, told = grade_at(moment, series.doubted), grade_at(moment, series.grades)
    if doubt is None or told is None:
        return doubt
    stands = told.grade >= doubt.grade or _told_at(told, moment) > _told_at(doubt, moment)
    return None if stands else doubt


def _told_at(graded: Graded, moment: datetime) -> datetime:
    """When a grade was last known to be told by a moment: an Observation is newer than a problem written before it."""
    return graded.recorded if graded.recorded <= moment else graded.start


def unread_since(
    moment: datetime, series: Series, reach: timedelta, remembered: timedelta
) -> list[tuple[Resource, datetime]]:
    """The records of a grade that nobody can read, with their time, no older than what is documented then; where
    nothing is, Observations of the last hours, and problems as long as their grade would be remembered."""
    told = grade_at(moment, series.grades)
    found = []
    for row in series.unread:
        written = row.time("recordedDate") or row.when
        back = remembered if row.type == "Condition" else reach
        since = _told_at(told, moment) if told is not None else moment - back
        if written is None or (since <= min(written.end, moment) and written.start <= moment):
            found.append((row, min(written.end, moment) if written else moment))
    return found


def documented_grade(name: str, source: GradeSource) -> Find:
    """The documented grade now; unknown where none is documented."""
    return lambda reading, known: current_grade(name, source.scale, source.from_, reading, source.within, nothing=None)


def current_grade(name: str, scale: str, query: str, reading: Reading, max_age: str, nothing: int | None) -> Fact:
    """The documented grade now; `nothing` is what a complete read without any grade means (None: unknown)."""
    told = documented(scale, query, reading)
    series, bad = told.grades, told.unusable
    gaps = reading.chart.gaps((query,))
    current = grade_at(reading.now, series)
    if current is None and bad:
        return unknown(name, "a documented grade could not be used", unusable=bad)
    if doubt := in_doubt(reading.now, told):
        why = f"grade {doubt.grade} is documented {'without a date' if doubt.undated else 'in doubt'}"
        as_of = None if doubt.undated else doubt.recorded
        return unknown(name, why, as_of=as_of, sources=(doubt.resource.ref,), unusable=bad)
    if current is not None:
        return _if_fresh(name, current, reading, max_age, bad)
    if gaps:
        return unknown(name, "; ".join(gaps))
    if told.others:
        return unknown(name, "graded by another scale", sources=refs(told.others))
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
    """The moment that a change is told from: when, in words (`at the last dose`), its records, and what is said where
    the grade at that time is not known."""

    at: datetime
    words: str
    sources: tuple[str, ...]
    not_shown: str


@dataclass(frozen=True, slots=True)
class Past:
    """A grade at an earlier moment; `certain` where it was recorded in time or is proven."""

    grade: int
    certain: bool


def change_since(name: str, dose: Dose, now: Fact, grade_then: Callable[[datetime], Past | None]) -> Fact:
    """How a grade changed since a dose: `rose`, `same`, `fell`; `not-shown` where the grade then is not known. Nothing
    improved since a grade that is not certain."""
    if now.value is None:
        return unknown(name, now.why)
    then = grade_then(dose.at)
    if then is None or (int(now.value) < then.grade and not then.certain):
        return Fact(name, "not-shown", sources=dose.sources, text=dose.not_shown)
    value = "rose" if int(now.value) > then.grade else "fell" if int(now.value) < then.grade else "same"
    text = f"grade {then.grade} {dose.words}, {now.value} now"
    return Fact(name, value, sources=(*dose.sources, *now.sources), text=text)
