"""The course of CRS: its grade at every moment at which the chart says something new."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from cds_service.facts.car_t import infused_at
from cds_service.facts.crs import GRADES, Derived, derive, is_proven
from cds_service.facts.graded import documented, grade_at
from cds_service.facts.model import Facts, Reading
from cds_service.facts.tocilizumab import count


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
    since = infused_at(reading)
    scope = facts.get("car-t-in-scope")
    if since is None or scope is None or scope.value is not True:
        return []
    child = facts["child"].value is not False
    series, _ = documented(GRADES, reading)
    events: dict[datetime, list[str]] = {}
    for at, event in _events(reading, since):
        if since <= at <= reading.now:
            events.setdefault(at, []).append(event)
    steps = []
    for at, said in sorted(events.items()):
        told, derived = grade_at(at, series), derive(at, reading, since, child)
        words = "; ".join(dict.fromkeys(e for e in said if e))
        steps.append(Step(at, told.grade if told else None, derived, is_proven(derived, child), words))
    return steps


def _events(reading: Reading, since: datetime) -> Iterator[tuple[datetime, str]]:
    """Every moment at which the grade may change, with what happened then ("" for a measurement)."""
    yield since, "CAR-T infusion"
    yield reading.now, "now"
    for number, (start, _) in enumerate(count(reading, since).times, 1):
        yield start, f"tocilizumab dose {number}"
    for grade in documented(GRADES, reading)[0]:
        yield grade.start, f"grade {grade.grade} documented"
        if grade.end is not None:
            yield grade.end, f"grade {grade.grade} ended"
    for resource in reading.chart.of("vitals"):
        if resource.when is not None:
            yield resource.when.start, ""
