"""The course on anakinra: since when it is given, and how CRS changed since its first dose."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from cds_service.chart.resource import Resource
from cds_service.facts.car_t import infused_at
from cds_service.facts.crs import grade_then
from cds_service.facts.declared import GIVEN, unresolved_drugs
from cds_service.facts.model import Fact, Facts, Reading, refs, unknown, usable


def facts(reading: Reading, known: Facts) -> Iterator[Fact]:
    """`anakinra-course-hours` and `crs-change-since-anakinra`; needs `child` and `crs-grade`."""
    doses, doubts = _course(reading)
    hours = _hours(doses, doubts, reading)
    yield hours
    yield _change(doses, hours, known, reading)


def _course(reading: Reading) -> tuple[list[Resource], tuple[str, ...]]:
    """The doses of the course that is running, oldest first, and why there may be more."""
    given = reading.chart.matching(("administrations",), reading.terms["anakinra"])
    good, bad = usable(r for r in given if r.status in GIVEN)
    dated = sorted((r for r in good if reading.past(r)), key=lambda r: r.when.start if r.when else reading.now)
    gap = timedelta(hours=reading.windows["anakinra-course-gap"])
    course: list[Resource] = []
    for dose in dated:
        last = course[-1].when if course else None
        if last is not None and dose.when is not None and dose.when.start - last.end > gap:
            course = []
        course.append(dose)
    if course and course[-1].when is not None and reading.now - course[-1].when.end > gap:
        course = []
    undated = tuple(f"{r.ref} has no usable time" for r in good if r.when is None)
    gaps = reading.chart.gaps(("administrations",)) + unresolved_drugs(reading, ("administrations",))
    return course, (*gaps, *bad, *undated)


def _hours(doses: list[Resource], doubts: tuple[str, ...], reading: Reading) -> Fact:
    name = "anakinra-course-hours"
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


def _change(doses: list[Resource], hours: Fact, known: Facts, reading: Reading) -> Fact:
    """Against the grade at the first dose; `not-shown` where no course runs or that grade is not known."""
    name, now = "crs-change-since-anakinra", known["crs-grade"]
    if hours.value is None:
        return unknown(name, hours.why)
    if not doses or doses[0].when is None:
        return Fact(name, "not-shown", text="no course is running")
    if now.value is None:
        return unknown(name, now.why)
    then = grade_then(doses[0].when.start, reading, infused_at(reading), known["child"].value is not False)
    if then is None:
        return Fact(name, "not-shown", sources=refs(doses[:1]), text="the grade at the first dose is not known")
    value = "rose" if int(now.value) > then else "fell" if int(now.value) < then else "same"
    text = f"grade {then} at the first dose, {now.value} now"
    return Fact(name, value, sources=(doses[0].ref, *now.sources), text=text)
