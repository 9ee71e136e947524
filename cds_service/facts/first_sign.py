"""Which doses were given before the first sign of the toxicity that it treats."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cds_service.chart.resource import Resource
from cds_service.facts.crs import grades_of
from cds_service.facts.graded import documented
from cds_service.facts.model import LeftOut, Reading
from cds_service.facts.support import values_of
from cds_service.knowledge.model import CrsGrade, DistinctDoses


@dataclass(frozen=True, slots=True)
class Counted:
    """The doses that count towards failure, those of them that nobody could place because a query was not read
    (`unplaced`, with what was not read), and the records of those that do not count."""

    times: tuple[tuple[datetime, datetime], ...]
    unplaced: int
    not_read: tuple[str, ...]
    early: tuple[LeftOut, ...]


def since_first_sign(
    given: DistinctDoses,
    every: Sequence[tuple[datetime, datetime]],
    records: Sequence[Resource],
    since: datetime | None,
    reading: Reading,
    notes: list[str],
) -> Counted:
    """One before the first sign of CRS does not count. Where the chart does not tell, it counts, and a note says so;
    where what would tell was not read, it is `unplaced` too."""
    counted: list[tuple[datetime, datetime]] = []
    early: list[LeftOut] = []
    unplaced = 0
    for start, end in every:
        before = _was_before(given, start, since, reading)
        if before:
            early += [LeftOut(r.ref, "before CRS began") for r in records if r.when and r.when.start == start]
            continue
        counted.append((start, end))
        if before is None:
            unplaced += 1
            ago = f"dose {reading.hours_since(start):.0f} h ago"
            notes.append(f"{ago} counts: first sign of CRS not read")
    grades = grades_of(given.grades, reading)
    not_read = reading.chart.gaps((grades.conditions, grades.vitals)) if unplaced else ()
    return Counted(tuple(counted), unplaced if not_read else 0, tuple(not_read), tuple(early))


def _was_before(given: DistinctDoses, at: datetime, since: datetime | None, reading: Reading) -> bool | None:
    """True where nobody documented CRS from the start of the episode (`since`) until a while after the dose, and the
    temperatures before it were read and show no fever; None where these are not known."""
    grades, sign = grades_of(given.grades, reading), given.first_sign
    signed = _documented(given, grades, at + timedelta(hours=reading.windows[sign.documented_within]), since, reading)
    if signed:
        return False
    low = at - timedelta(hours=reading.windows[sign.temperatures_within])
    vitals = [
        r
        for r in reading.chart.of(grades.vitals)
        if reading.is_(grades.final, r) and r.when is not None and r.when.end >= low and r.when.start <= at
    ]
    bad: list[str] = []
    values = [v.value for v in values_of(vitals, grades.temperature, reading, [], bad)]
    if any(value >= reading.policies[grades.fever] for value in values):
        return False
    whole = signed is False and values and not bad and not reading.chart.gaps((grades.vitals,))
    return True if whole else None


def _documented(
    given: DistinctDoses, grades: CrsGrade, until: datetime, since: datetime | None, reading: Reading
) -> bool | None:
    """Whether CRS was documented by a moment, with a grade or without; None where that cannot be told."""
    told = documented(given.scale, grades.conditions, reading)
    if any(
        g.grade >= 1 and g.start <= until and (g.end is None or since is None or g.end > since)
        for g in (*told.grades, *told.doubted)
    ):
        return True
    scale = reading.select.catalogue.scales[given.scale]
    named = reading.chart.matching((grades.conditions,), reading.terms[scale.ungraded])
    if any(not reading.is_(scale.disproven, r) and (r.when is None or r.when.start <= until) for r in named):
        return True
    return None if told.unusable or reading.chart.gaps((grades.conditions,)) else False
