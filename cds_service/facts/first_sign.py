"""Which doses were given before the first sign of the toxicity that it treats."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cds_service.chart.resource import Resource
from cds_service.facts.crs import grades_of
from cds_service.facts.graded import documented
from cds_service.facts.model import LeftOut, Reading
from cds_service.facts.support import between, values_of
from cds_service.knowledge.model import CrsGrade, DistinctDoses


@dataclass(frozen=True, slots=True)
class Counted:
    """The doses that count towards failure, how many of them nobody can place in this episode (`unplaced`, with the
    reasons), and the records of those that do not count."""

    times: tuple[tuple[datetime, datetime], ...]
    unplaced: int
    reasons: tuple[str, ...]
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
    where what would tell was not read, or CRS is on record only from so much later on that it may be another episode,
    it is `unplaced` too."""
    if not every:  # as in most charts: then nobody need know since when there is CRS
        return Counted((), 0, (), ())
    counted: list[tuple[datetime, datetime]] = []
    early: list[LeftOut] = []
    grades = grades_of(given.grades, reading)
    first = _first_known(given, grades, every, since, reading)
    gap = timedelta(hours=reading.windows[given.episode_gap])
    unread, apart = 0, []
    for start, end in every:
        before = _was_before(given, start, since, reading)
        if before:
            early += [LeftOut(r.ref, "before CRS began") for r in records if r.when and r.when.start == start]
            continue
        counted.append((start, end))
        ago = f"dose {reading.hours_since(start):.0f} h ago"
        if before is None and first is not None and first - start > gap:
            apart.append(f"{ago} may be of an earlier episode: CRS on record for {reading.hours_since(first):.0f} h")
        elif before is None:
            unread += 1
            notes.append(f"{ago} counts: first sign of CRS not read")
    not_read = reading.chart.gaps((grades.conditions, grades.vitals)) if unread else ()
    unplaced = len(apart) + (unread if not_read else 0)
    return Counted(tuple(counted), unplaced, (*not_read, *apart), tuple(early))


def _first_known(
    given: DistinctDoses,
    grades: CrsGrade,
    every: Sequence[tuple[datetime, datetime]],
    since: datetime | None,
    reading: Reading,
) -> datetime | None:
    """Since when CRS of this episode is documented, with a grade or without; where nobody documented any, since when
    signs followed each other up to now. None where what is documented does not say."""
    told = documented(given.scale, grades.conditions, reading)
    graded = (*told.grades, *told.doubted)
    starts = [g.start for g in graded if g.grade >= 1 and (g.end is None or since is None or g.end > since)]
    named = _ungraded(given, grades, reading)
    if told.unusable or any(r.when is None for r in named):
        return None
    starts += [r.when.start for r in named if r.when]
    return min(starts) if starts else _first_followed(given, grades, every, reading)


def _first_followed(
    given: DistinctDoses, grades: CrsGrade, every: Sequence[tuple[datetime, datetime]], reading: Reading
) -> datetime:
    """The first of the fevers and doses that followed each other up to now, none longer after the last than an episode
    is remembered: what vital signs say now is no sign of what was treated before that."""
    bad: list[str] = []
    vitals = [r for r in reading.in_status(grades.final, grades.vitals) if reading.past(r)]
    values = values_of(vitals, grades.temperature, reading, [], bad)
    fevers = [v.at for v in values if v.value >= reading.policies[grades.fever]]
    gap, first = timedelta(hours=reading.windows[given.episode_gap]), reading.now
    for at in sorted((*fevers, *(start for start, _ in every)), reverse=True):
        if first - at > gap:
            break
        first = min(first, at)
    return first


def _ungraded(given: DistinctDoses, grades: CrsGrade, reading: Reading) -> list[Resource]:
    """The records of CRS that name no grade."""
    scale = reading.select.catalogue.scales[given.scale]
    named = reading.chart.matching((grades.conditions,), reading.terms[scale.ungraded])
    return [r for r in named if not reading.is_(scale.disproven, r)]


def _was_before(given: DistinctDoses, at: datetime, since: datetime | None, reading: Reading) -> bool | None:
    """True where nobody documented CRS from the start of the episode (`since`) until a while after the dose, and the
    temperatures before it were read and show no fever; None where these are not known."""
    grades, sign = grades_of(given.grades, reading), given.first_sign
    signed = _documented(given, grades, at + timedelta(hours=reading.windows[sign.documented_within]), since, reading)
    if signed:
        return False
    low = at - timedelta(hours=reading.windows[sign.temperatures_within])
    vitals = [r for r in reading.in_status(grades.final, grades.vitals) if between(r, low, at)]
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
    if any(r.when is None or r.when.start <= until for r in _ungraded(given, grades, reading)):
        return True
    return None if told.unusable or reading.chart.gaps((grades.conditions,)) else False
