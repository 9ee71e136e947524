"""The distinct doses of a drug in this episode, and how the grade answered to the last one.

A dose is an administration that took place after the infusion by a route that counts; orders are never doses, records
close together are one. Statements count only where no administration is visible, and then a person is asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from msgspec.structs import replace

from cds_service.chart.resource import Resource
from cds_service.chart.times import ago, hours_after
from cds_service.facts.crs import grade_then, grades_of
from cds_service.facts.dose_records import by_route, doubtfully_given, is_dose, not_given
from cds_service.facts.exists import unresolved_drugs
from cds_service.facts.first_sign import since_first_sign
from cds_service.facts.graded import Dose, Graded, change_since, documented
from cds_service.facts.model import Fact, Facts, LeftOut, Reading, refs, unknown, usable
from cds_service.facts.puzzles import not_understood
from cds_service.facts.since import last_at
from cds_service.knowledge.model import DistinctDoses


@dataclass(frozen=True, slots=True)
class Doses:
    """Distinct doses, oldest first, as (start, end): `every` one of the episode, and the `times` of those that count
    towards failure; what makes the count uncertain (`unplaced`: for failure alone, as the caps of an order count every
    dose), and what was not counted."""

    every: tuple[tuple[datetime, datetime], ...]
    times: tuple[tuple[datetime, datetime], ...]
    records: tuple[Resource, ...]
    stated_only: bool
    doubts: tuple[str, ...]
    unplaced: tuple[str, ...]
    notes: tuple[str, ...]
    unusable: tuple[str, ...]
    left_out: tuple[LeftOut, ...]


def facts(given: DistinctDoses, reading: Reading, known: Facts) -> Iterator[Fact]:
    """`doses`, `recent`, `stated-only`, `hours-since`, `cap-reached`, `hours-until`, `change` and
    `receding`."""
    doses = count(given, reading, known)
    sources = refs(doses.records)
    text = ", ".join(ago(reading.hours_since(start)) for start, _ in doses.times)
    doubts = (*doses.doubts, *doses.unplaced)
    if doubts:
        why = f"{len(doses.times)} seen, but {'; '.join(doubts)}"
        counted = unknown("doses", why, sources=sources, unusable=doses.unusable)
    else:
        more = {"text": text, "notes": doses.notes, "unusable": doses.unusable}
        counted = Fact("doses", len(doses.times), "{dose}", _last(doses), sources, **more)  # type: ignore[arg-type]
    yield replace(counted, left_out=doses.left_out)
    yield _recent(given, reading, known)
    yield _stated_only(given, doses, reading, sources)
    yield _hours(doses, reading, sources)
    yield _cap(given, doses, reading, sources)
    yield _next(given, doses, reading, sources)
    yield _change(given, doses, reading, known, sources)
    yield _receding(given, doses, reading, known)


def _last(doses: Doses) -> datetime | None:
    return doses.times[-1][0] if doses.times else None


def count(given: DistinctDoses, reading: Reading, known: Facts) -> Doses:
    """The distinct doses of this episode."""
    return reading.once(("doses", given.in_), lambda: _count(given, reading, known))


def _count(given: DistinctDoses, reading: Reading, known: Facts) -> Doses:
    query = given.administrations
    by_our_route, left_out, doubts = by_route(given, reading, known, query)
    start = episode_start(given, reading)
    candidates, none = _given(given, by_our_route, reading)
    good, bad = usable(candidates)
    doubts += [f"{r.ref} has no usable time" for r in good if r.when is None]
    doubts += [f"{line} (unusable)" for line in bad]
    doubts += [f"{r.ref} has the status {r.status}" for r in good if reading.is_(given.unsure, r)]
    doubts += filter(None, (doubtfully_given(given, r, reading) for r in good))
    # A drug that nobody can name is no dose of this episode where it was given before it.
    reach = ((query, reading.hours_since(start)),) if start is not None else ()
    doubts += (*reading.chart.gaps((query,)), *unresolved_drugs(reading, (query,), reach=reach))
    counted, notes = _counted(given, good, reading, start)
    stated: list[Resource] = []
    if not counted:
        stated, undated = _stated(given, reading, known, start)
        doubts += undated + _unseen(given, reading, known, start, bool(stated))
    records = tuple(sorted(counted or stated, key=lambda r: r.when.start if r.when else reading.now))
    every, joined = _merge(given, records, reading)
    counting = since_first_sign(given, every, records, start, reading, notes)
    enough = reading.policies[given.enough]
    if len(counting.times) < enough:
        doubts += _strange(given, reading, start)
    placed_enough = len(counting.times) - counting.unplaced >= enough
    unplaced = () if placed_enough else counting.reasons
    kept = {id(r) for r in counted}
    outside = [r for r in good if r.when and id(r) not in kept and is_dose(given, r, reading)]
    outside = [r for r in outside if not doubtfully_given(given, r, reading)]
    left_out += [*none, *(LeftOut(r.ref, _outside(given, r, reading)) for r in outside), *joined, *counting.early]
    said = (tuple(doubts), unplaced, tuple(notes), bad, tuple(left_out))
    return Doses(every, counting.times, records, bool(stated), *said)


def _given(given: DistinctDoses, records: Sequence[Resource], reading: Reading) -> tuple[list[Resource], list[LeftOut]]:
    """Those that may be whole doses, and why each other one is none."""
    kept: list[Resource] = []
    left_out: list[LeftOut] = []
    for record in records:
        why = not_given(given, record, reading)
        if not why and not (is_dose(given, record, reading) or reading.is_(given.unsure, record)):
            why = "not completed"
        if why:
            left_out.append(LeftOut(record.ref, why))
        else:
            kept.append(record)
    return kept, left_out


def _counted(
    given: DistinctDoses, records: Sequence[Resource], reading: Reading, start: datetime | None
) -> tuple[list[Resource], list[str]]:
    running = timedelta(hours=reading.windows[given.in_progress])
    counted, notes = [], []
    for record in records:
        when = record.when
        if when is None or when.start > reading.horizon or (start is not None and when.end < start):
            continue
        if reading.is_(given.under_way, record):
            if when.start > reading.now - running:
                continue
            notes.append(f"{record.ref} is still in progress and counted as a dose")
        if not reading.is_(given.unsure, record) and not doubtfully_given(given, record, reading):
            counted.append(record)
    return counted, notes


def _outside(given: DistinctDoses, record: Resource, reading: Reading) -> str:
    """Why a dose that is given or being given does not count here and now."""
    assert record.when is not None
    if record.when.start > reading.horizon:
        return "dated in the future"
    just_begun = record.when.start > reading.now - timedelta(hours=reading.windows[given.in_progress])
    return "just begun" if just_begun and reading.is_(given.under_way, record) else "not in this episode"


def _stated(
    given: DistinctDoses, reading: Reading, known: Facts, start: datetime | None
) -> tuple[list[Resource], list[str]]:
    """Statements of doses in the episode, and a doubt for each that cannot be placed."""
    good, bad = usable(by_route(given, reading, known, given.statements)[0])
    live = [r for r in good if reading.is_(given.stated, r)]
    doubts = [f"{r.ref} has no usable time" for r in live if r.when is None] + [f"{line} (unusable)" for line in bad]
    dated = [r for r in live if r.when and r.when.start <= reading.horizon]
    return [r for r in dated if start is None or (r.when and r.when.end >= start)], doubts


def _unseen(given: DistinctDoses, reading: Reading, known: Facts, start: datetime | None, stated: bool) -> list[str]:
    """Why "no dose" cannot be concluded although no administration is visible."""
    if stated:
        return []
    doubts = list(reading.chart.gaps((given.statements, given.requests)))
    ordered = [r for r in by_route(given, reading, known, given.requests)[0] if reading.is_(given.ordered, r)]
    ordered = [r for r in ordered if r.when is None or start is None or r.when.end >= start]
    if ordered:
        doubts.append(f"{given.in_} was ordered ({', '.join(refs(ordered))}) and no administration is visible")
    return doubts


def _strange(given: DistinctDoses, reading: Reading, start: datetime | None) -> list[str]:
    """Drugs given in the episode that nobody understood: each may be a dose."""
    found = not_understood(given.administrations, reading, reading.terms[given.in_])
    return [line for record, line in found if _may_be_one(given, record, reading, start)]


def _may_be_one(given: DistinctDoses, record: Resource, reading: Reading, start: datetime | None) -> bool:
    if not_given(given, record, reading) or not (is_dose(given, record, reading) or reading.is_(given.unsure, record)):
        return False
    when = record.when
    return when is None or (when.start <= reading.horizon and (start is None or when.end >= start))


def _merge(
    given: DistinctDoses, records: Sequence[Resource], reading: Reading
) -> tuple[tuple[tuple[datetime, datetime], ...], list[LeftOut]]:
    """Records that begin soon after the first of their group are one dose; those after it are named as parts of it."""
    gap = timedelta(hours=reading.windows[given.merge])
    merged: list[tuple[datetime, datetime]] = []
    joined: list[LeftOut] = []
    for record in records:
        assert record.when is not None
        if merged and record.when.start - merged[-1][0] < gap:
            merged[-1] = (merged[-1][0], max(merged[-1][1], record.when.end))
            joined.append(LeftOut(record.ref, "of the same dose"))
        else:
            merged.append((record.when.start, record.when.end))
    return tuple(merged), joined


def episode_start(given: DistinctDoses, reading: Reading) -> datetime | None:
    """Doses before the end of an earlier episode belong to that episode."""
    since = last_at(given.infusions, reading)
    told = documented(given.scale, grades_of(given.grades, reading).conditions, reading)
    series = (*told.grades, *told.doubted)
    gap = timedelta(hours=reading.windows[given.episode_gap])
    ordered = sorted((g for g in series if since is None or g.start >= since), key=lambda g: g.start)
    start = since
    reached: datetime | None = None
    for grade in ordered:
        if reached is not None and grade.start - reached > gap:
            start = reached
        reached = _later(reached, grade, reading.now)
    if reached is not None and reading.now - reached > gap:
        start = reached  # What there is now began after that episode had ended.
    return start


def _later(reached: datetime | None, grade: Graded, now: datetime) -> datetime:
    end = min(grade.end or (grade.recorded if grade.once else now), now)
    return end if reached is None else max(reached, end)


def _recent(given: DistinctDoses, reading: Reading, known: Facts) -> Fact:
    """Whether a dose was given lately, whatever the episode; what stands in its way makes a "no" unknown."""
    name, query = "recent", given.administrations
    ours, _, doubts = by_route(given, reading, known, query)
    good, bad = usable(r for r in ours if not not_given(given, r, reading))
    sure = [r for r in good if is_dose(given, r, reading) and not doubtfully_given(given, r, reading)]
    found = [r for r in sure if reading.within(r, reading.windows[given.recent])]
    if found:
        dates = [r.when.start for r in found if r.when]
        return Fact(name, True, as_of=max(dates), sources=refs(found), text=f"{len(found)} records")
    doubts += [*bad, *reading.chart.gaps((query,)), *unresolved_drugs(reading, (query,))]
    return unknown(name, "; ".join(doubts), unusable=bad) if doubts else Fact(name, False)


def _stated_only(given: DistinctDoses, doses: Doses, reading: Reading, sources: tuple[str, ...]) -> Fact:
    name = "stated-only"
    if doses.stated_only:
        return Fact(name, True, sources=sources)
    if not doses.every and (gaps := reading.chart.gaps((given.administrations, given.statements))):
        return unknown(name, "; ".join(gaps))
    return Fact(name, False)


def _hours(doses: Doses, reading: Reading, sources: tuple[str, ...]) -> Fact:
    if not doses.times:
        return unknown("hours-since", "; ".join(doses.doubts) or "no dose in this episode")
    # To the end of the last record: a long infusion or a date without a time must not make the wait look over.
    hours = max(reading.hours_since(doses.times[-1][1]), 0.0)
    return Fact("hours-since", hours, "h", doses.times[-1][0], sources)


def _cap(given: DistinctDoses, doses: Doses, reading: Reading, sources: tuple[str, ...]) -> Fact:
    name = "cap-reached"
    day = [start for start, _ in doses.every if start > reading.now - timedelta(hours=24)]
    total = len(doses.every)
    reached = len(day) >= reading.policies[given.max_per_day] or total >= reading.policies[given.max_total]
    if not reached and doses.doubts:
        return unknown(name, "; ".join(doses.doubts))
    return Fact(name, reached, sources=sources, text=f"{len(day)} in 24 h, {total} in this episode")


def _next(given: DistinctDoses, doses: Doses, reading: Reading, sources: tuple[str, ...]) -> Fact:
    """Hours until the next dose would be allowed: after the interval, and inside the number for a day and in all.

    As for an order every record counts, also where several are one dose.
    """
    name, starts = "hours-until", [r.when.start for r in doses.records if r.when]
    if doses.doubts:
        return unknown(name, "; ".join(doses.doubts), sources=sources)
    most, per_day = reading.policies[given.max_total], int(reading.policies[given.max_per_day])
    if len(starts) >= most:
        return unknown(name, f"no further dose: {len(starts)} of {most:g} were given", sources=sources)
    moments = [reading.now]
    if doses.every:
        moments.append(hours_after(doses.every[-1][1], reading.windows[given.interval]))
    if len(starts) >= per_day:
        moments.append(starts[-per_day] + timedelta(hours=24))
    wait = (max(moments) - reading.now).total_seconds() / 3600
    return Fact(name, wait, "h", sources=sources, text="now" if wait <= 0 else f"in {wait:.1f} h")


def _change(given: DistinctDoses, doses: Doses, reading: Reading, known: Facts, sources: tuple[str, ...]) -> Fact:
    """Against the grade at the last dose; `not-shown` where that grade is not known."""
    if not doses.times:
        return unknown("change", "; ".join(doses.doubts) or "no dose in this episode")
    lost = "improvement cannot be shown"
    last = Dose(doses.times[-1][0], "at the last dose", sources, lost)
    grades, child = grades_of(given.grades, reading), known[given.child]
    return change_since("change", last, known[given.grade], lambda at: grade_then(grades, at, reading, child))


def _receding(given: DistinctDoses, doses: Doses, reading: Reading, known: Facts) -> Fact:
    """Whether both grades are proven to be below that at the last dose; false where that cannot be shown."""
    told, derived = known[given.documented].value, known[given.derived].value
    if not doses.times or told is None or derived is None:
        return Fact("receding", False)
    then = grade_then(grades_of(given.grades, reading), doses.times[-1][0], reading, known[given.child])
    below = then is not None and then.certain and int(told) < then.grade and int(derived) < then.grade
    return Fact("receding", below and float(derived) <= reading.policies[given.mild], sources=refs(doses.records))
