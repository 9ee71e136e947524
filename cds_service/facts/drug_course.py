"""The course of a drug: since when it is given, and how the grade changed since its first dose."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from cds_service.chart.resource import Resource
from cds_service.facts.crs import grade_then, grades_of
from cds_service.facts.exists import unresolved_drugs
from cds_service.facts.graded import Dose, change_since, documented
from cds_service.facts.model import Fact, Facts, Reading, refs, unknown, usable
from cds_service.knowledge.model import CrsGrade, DrugCourse


def facts(given: DrugCourse, reading: Reading, known: Facts) -> Iterator[Fact]:
    """`hours` and `change`."""
    doses, doubts = _course(given, reading)
    hours = _hours(doses, doubts, reading)
    yield hours
    yield _change(given, doses, hours, known, reading)


def _change(given: DrugCourse, doses: list[Resource], hours: Fact, known: Facts, reading: Reading) -> Fact:
    """Against the grade at the first dose, or where that is not known the first one documented on the drug;
    `not-shown` where no course runs or neither is known."""
    if hours.value is None:
        return unknown("change", hours.why)
    if not doses or doses[0].when is None:
        return Fact("change", "not-shown", text="no course is running")
    lost = "the grade at the first dose is not known"
    first, start = refs(doses[:1]), doses[0].when.start
    grades, child = grades_of(given.grades, reading), known[given.child]
    since = Dose(start, "at the first dose", first, lost)
    if grade_then(grades, start, reading, child) is None and (later := _first_after(grades, start, reading)):
        after = (later - start).total_seconds() / 3600
        since = Dose(later, f"{after:.0f} h after the first dose", first, lost)
    return change_since("change", since, known[given.grade], lambda at: grade_then(grades, at, reading, child))


def _first_after(grades: CrsGrade, start: datetime, reading: Reading) -> datetime | None:
    """When the first grade after a moment was documented, where another one has followed it."""
    series = documented(grades.scale, grades.conditions, reading).grades
    times = sorted({grade.start for grade in series if start < grade.start <= reading.now})
    return times[0] if len(times) > 1 else None


def _course(given: DrugCourse, reading: Reading) -> tuple[list[Resource], tuple[str, ...]]:
    """The doses of the course that is running, oldest first, and why there may be more."""
    records = reading.chart.matching((given.administrations,), reading.terms[given.in_])
    good, bad = usable(r for r in records if reading.is_(given.given, r))
    dated = sorted((r for r in good if reading.past(r)), key=lambda r: r.when.start if r.when else reading.now)
    gap = timedelta(hours=reading.windows[given.gap])
    course: list[Resource] = []
    for dose in dated:
        last = course[-1].when if course else None
        if last is not None and dose.when is not None and dose.when.start - last.end > gap:
            course = []
        course.append(dose)
    if course and course[-1].when is not None and reading.now - course[-1].when.end > gap:
        course = []
    undated = tuple(f"{r.ref} has no usable time" for r in good if r.when is None)
    gaps = reading.chart.gaps((given.administrations,)) + unresolved_drugs(reading, (given.administrations,))
    return course, (*gaps, *bad, *undated)


def _hours(doses: list[Resource], doubts: tuple[str, ...], reading: Reading) -> Fact:
    name = "hours"
    if not doses and doubts:
        return unknown(name, "; ".join(doubts))
    if not doses:
        return Fact(name, 0.0, "h", text="no dose of a running course was given")
    first = doses[0].when
    assert first is not None
    hours = max(reading.hours_since(first.start), 0.0)
    if doubts:
        # There may be an earlier dose: what is seen is the least, and rules ask how long it is at least.
        why = f"at least {hours:.0f} h, but {'; '.join(doubts)}"
        return unknown(name, why, as_of=first.start, sources=refs(doses))
    return Fact(name, hours, "h", first.start, refs(doses), text=f"{len(doses)} records of doses since")
