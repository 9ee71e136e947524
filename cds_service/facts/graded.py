"""Grades that clinicians document, and how a grade changed since a dose.

A grade stands in the code or words of a Condition, its stage or severity, or in an Observation of its own. The grade
at a moment is that of the Condition whose onset (else recordedDate) to abatement covers it, or of the Observation
before it, newest first; of two for the same time the higher. Its age counts from when it was written down.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cds_service.chart.resource import Resource
from cds_service.chart.units import number_of
from cds_service.chart.vocabulary import Concept, concept
from cds_service.chart.words import fold, words_of
from cds_service.facts.exists import Find
from cds_service.facts.model import Fact, Reading, refs, unknown
from cds_service.facts.observed import how_of, is_taken, value_of
from cds_service.facts.status import abatement
from cds_service.knowledge.model import Grade, GradeRow, GradeSource, Scale

_REMARK = re.compile(r"[(\[,;:–—-]")
_BOUND = re.compile(r"[<>≤≥~/]")


@dataclass(frozen=True, slots=True)
class Graded:
    """One documented grade: from `start` until `end` (None: still open), written down at `recorded`.

    `once`: an Observation, which says nothing of how long the condition lasted.
    """

    grade: int
    start: datetime
    end: datetime | None
    recorded: datetime
    resource: Resource
    once: bool = False

    def covers(self, moment: datetime) -> bool:
        """Whether the grade held at a moment (its start included, its end not)."""
        return self.start <= moment and (self.end is None or moment < self.end)


@dataclass(frozen=True, slots=True)
class Series:
    """Every documented grade of a scale, a line for each record that could not be used, the active records whose grade
    is one of another scale, and the Observations whose grade nobody can read."""

    grades: tuple[Graded, ...]
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
        if _is_other(scale, (resource.concept, *_stages(resource)), reading):
            others += [resource] if reading.is_(scale.active, resource) else []
            continue
        grade = _grade_of(scale, resource, reading)
        if grade is None:
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
    if scale.rows is not None:
        _rows(scale, scale.rows, reading, found, bad, others, unread)
    return Series(tuple(found), tuple(bad), tuple(others), tuple(unread))


def _grade_of(scale: Scale, condition: Resource, reading: Reading) -> int | None:
    """The grade of a Condition: of its code or words, else of its stage or severity."""
    told = _in(scale.grades, condition.concept, reading)
    if told is not None or not scale.bare:
        return told
    named = [_in((*scale.grades, *scale.bare), said, reading) for said in _stages(condition)]
    own = {g.in_ for g in scale.bare} | {scale.ungraded, scale.others}
    # "CRS, now grade 3" is a grade of CRS; "CRS after lymphoma grade 3" may be another one.
    if set(reading.terms[scale.ungraded].recognised(condition.concept).meanings) <= own:
        named.append(_in(scale.bare, condition.concept, reading))
    return max((grade for grade in named if grade is not None), default=None)


def _in(grades: Iterable[Grade], found: Concept, reading: Reading) -> int | None:
    return max((g.grade for g in grades if reading.terms[g.in_].matches(found)), default=None)


def _stages(condition: Resource) -> tuple[Concept, ...]:
    """The severity, and the summary and type of each stage."""
    written = condition.raw.get("stage")
    stages = [stage for stage in written if isinstance(stage, Mapping)] if isinstance(written, list) else []
    told = (condition.raw.get("severity"), *(stage.get(e) for stage in stages for e in ("summary", "type")))
    return tuple(c for c in map(concept, told) if not c.empty)


def _is_other(scale: Scale, said: Iterable[Concept], reading: Reading) -> bool:
    return scale.others is not None and any(reading.terms[scale.others].matches(c) for c in said)


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
        value = value_of(resource)
        if _is_other(scale, (resource.concept, value, *how_of(resource)), reading):
            others.append(resource)
            continue
        grade = _row_grade(scale, resource, value, reading)
        if resource.problem or resource.when is None or grade is None:
            why = resource.problem or ("no grade" if resource.when else "no usable time")
            bad.append(f"{resource.ref}: {why}")
            unread += [resource] if is_taken(resource) else []
        else:
            at = resource.when
            found.append(Graded(grade, at.start, None, min(at.end, reading.now), resource, once=True))


def _row_grade(scale: Scale, row: Resource, value: Concept, reading: Reading) -> int | None:
    quantity = row.raw.get("valueQuantity")
    number = number_of(quantity.get("value") if isinstance(quantity, Mapping) else row.raw.get("valueInteger"))
    if number is None and value.text.isdecimal():
        number = number_of(int(value.text[:3]))
    if number is not None:
        highest = max(g.grade for g in scale.grades)
        return int(number) if number == int(number) and 0 <= number <= highest else None
    told = _in((*scale.grades, *scale.bare), value, reading)
    return told if told is not None else _numeral(scale, value)


def _numeral(scale: Scale, value: Concept) -> int | None:
    """The grade of a value that is only its number, in digits or letters, with or without a remark, as in "4 (severe)".
    A remark with a number of its own may be a range or the grade before."""
    written = value.written.text or next((shown for _, _, shown in value.written.codings if shown), "")
    head, *rest = _REMARK.split(fold(written), maxsplit=1)
    spelled = {words_of(fold(text)): numeral.grade for numeral in scale.numerals for text in numeral.text}
    remark = words_of(rest[0]) if rest else ()
    if _BOUND.search(written) or any((word,) in spelled or word.isdecimal() for word in remark):
        return None
    return spelled.get(words_of(head))


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


def _told_at(graded: Graded, moment: datetime) -> datetime:
    """When a grade was last known to be told by a moment: an Observation is newer than a problem written before it."""
    return graded.recorded if graded.recorded <= moment else graded.start


def unread_since(moment: datetime, series: Series, reach: timedelta) -> list[Resource]:
    """The Observations of a grade that nobody can read, no older than what is documented then; where nothing is, those
    of the last hours."""
    told = grade_at(moment, series.grades)
    since = _told_at(told, moment) if told is not None else moment - reach
    return [row for row in series.unread if row.when is None or since <= row.when.end <= moment]


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
