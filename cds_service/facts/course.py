"""The course of CRS: its grade at every moment at which the chart says something new."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from cds_service.facts.crs_derived import Derived, derive, is_child, is_proven
from cds_service.facts.distinct_doses import count
from cds_service.facts.graded import documented, grade_at
from cds_service.facts.model import Facts, Reading
from cds_service.facts.since import last_at
from cds_service.knowledge.model import CrsGrade, DistinctDoses


@dataclass(frozen=True, slots=True)
class Step:
    """One moment: the documented grade (None: none), the derived one and whether it is proven, and what happened."""

    at: datetime
    documented: int | None
    derived: Derived
    proven: bool
    event: str


def course(reading: Reading, facts: Facts) -> list[Step]:
    """From the infusion until now, oldest first; empty where no infusion in scope is known."""
    given = reading.select.only(CrsGrade)
    scope = facts.get("car-t-in-scope")
    if given is None or scope is None or scope.value is not True:
        return []
    since = last_at(given.infusions, reading)
    if since is None:
        return []
    child = is_child(facts[given.child])
    series = documented(given.scale, given.conditions, reading).grades
    events: dict[datetime, list[str]] = {}
    for at, event in _events(given, reading, facts, since):
        if since <= at <= reading.now:
            events.setdefault(at, []).append(event)
    steps = []
    for at, said in sorted(events.items()):
        told, derived = grade_at(at, series), derive(given, at, reading, since, child)
        words = "; ".join(dict.fromkeys(e for e in said if e))
        steps.append(Step(at, told.grade if told else None, derived, is_proven(given, derived, child), words))
    return steps


def _events(given: CrsGrade, reading: Reading, facts: Facts, since: datetime) -> Iterator[tuple[datetime, str]]:
    """Every moment at which the grade may change, with what happened then ("" for a measurement)."""
    yield since, "CAR-T infusion"
    yield reading.now, "now"
    drug = reading.select.only(DistinctDoses)
    for number, (start, _) in enumerate(count(drug, reading, facts).every if drug else (), 1):
        yield start, f"{drug.in_ if drug else ''} dose {number}"
    for grade in documented(given.scale, given.conditions, reading).grades:
        yield grade.start, f"grade {grade.grade} documented"
        if grade.end is not None:
            yield grade.end, f"grade {grade.grade} ended"
    for resource in reading.chart.of(given.vitals):
        if resource.when is not None:
            yield resource.when.start, ""
