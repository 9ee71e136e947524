"""Tocilizumab in this CRS episode, and how CRS answered to it.

A dose is a completed intravenous administration after the infusion; orders are never doses, subcutaneous ones do not
count, records within an hour are one. Statements count only where no administration is visible, and then a person is
asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cds_service.chart.resource import Resource
from cds_service.chart.times import hours_after
from cds_service.chart.vocabulary import Concept, concept
from cds_service.facts.car_t import infused_at
from cds_service.facts.crs import GRADES, grade_then
from cds_service.facts.declared import unresolved_drugs
from cds_service.facts.graded import Graded, documented
from cds_service.facts.model import Fact, Facts, Reading, refs, unknown, usable


@dataclass(frozen=True, slots=True)
class Doses:
    """Distinct doses, oldest first, as (start, end, records); and what makes the count uncertain."""

    times: tuple[tuple[datetime, datetime], ...]
    records: tuple[Resource, ...]
    stated_only: bool
    doubts: tuple[str, ...]
    notes: tuple[str, ...]
    unusable: tuple[str, ...]


def facts(reading: Reading, known: Facts) -> Iterator[Fact]:
    """The tocilizumab facts; needs `child`, the CAR-T facts and `crs-grade`."""
    since = infused_at(reading)
    doses = count(reading, since)
    sources = refs(doses.records)
    text = ", ".join(f"{reading.hours_since(start):.1f} h ago" for start, _ in doses.times)
    if doses.doubts:
        why = f"{len(doses.times)} seen, but {'; '.join(doses.doubts)}"
        yield unknown("tocilizumab-doses", why, sources=sources, unusable=doses.unusable)
    else:
        more = {"text": text, "notes": doses.notes, "unusable": doses.unusable}
        yield Fact("tocilizumab-doses", len(doses.times), "{dose}", _last(doses), sources, **more)  # type: ignore[arg-type]
    yield _stated_only(doses, reading, sources)
    yield _hours(doses, reading, sources)
    yield _cap(doses, reading, sources)
    yield _next(doses, reading, sources)
    yield _change(doses, reading, known, since, sources)


def _last(doses: Doses) -> datetime | None:
    return doses.times[-1][0] if doses.times else None


def count(reading: Reading, since: datetime | None) -> Doses:
    """The distinct doses of this episode."""
    given = _intravenous(reading, "administrations")
    start = _episode_start(reading, since)
    good, bad = usable(r for r in given if r.status in ("completed", "in-progress", "unknown"))
    doubts = [f"{r.ref} has no usable time" for r in good if r.when is None]
    doubts += [f"{line} (unusable)" for line in bad]
    doubts += [f"{r.ref} has the status unknown" for r in good if r.status == "unknown"]
    doubts += (*reading.chart.gaps(("administrations",)), *unresolved_drugs(reading, ("administrations",)))
    counted, notes = _counted(good, reading, start)
    stated: list[Resource] = []
    if not counted:
        stated, undated = _stated(reading, start)
        doubts += undated + _unseen(reading, start, bool(stated))
    records = tuple(sorted(counted or stated, key=lambda r: r.when.start if r.when else reading.now))
    times = _merge(records, reading)
    return Doses(times, records, bool(stated), tuple(doubts), tuple(notes), bad)


def _intravenous(reading: Reading, query: str) -> list[Resource]:
    terms = reading.terms
    found = reading.chart.matching((query,), terms["tocilizumab"])
    return [r for r in found if not r.matches(terms["tocilizumab-subcutaneous"]) and not _subcutaneous(r, reading)]


def _subcutaneous(resource: Resource, reading: Reading) -> bool:
    routes = resource.remember("routes", _routes)
    said = (*routes, concept({"text": resource.concept.text}))
    return any(reading.terms["route-subcutaneous"].matches(r) for r in said)


def _routes(resource: Resource) -> list[Concept]:
    dosage = resource.raw.get("dosage") or resource.raw.get("dosageInstruction")
    parts = dosage if isinstance(dosage, list) else [dosage]
    return [concept(p.get("route")) for p in parts if isinstance(p, dict)]


def _counted(records: Sequence[Resource], reading: Reading, start: datetime | None) -> tuple[list[Resource], list[str]]:
    running = timedelta(hours=reading.windows["tocilizumab-in-progress"])
    counted, notes = [], []
    for record in records:
        when = record.when
        if when is None or when.start > reading.horizon or (start is not None and when.end < start):
            continue
        if record.status == "in-progress":
            if when.start > reading.now - running:
                continue
            notes.append(f"{record.ref} is still in progress and counted as a dose")
        if record.status != "unknown":
            counted.append(record)
    return counted, notes


def _stated(reading: Reading, start: datetime | None) -> tuple[list[Resource], list[str]]:
    """Statements of doses in the episode, and a doubt for each that cannot be placed."""
    good, bad = usable(_intravenous(reading, "statements"))
    live = [r for r in good if r.status in ("completed", "active")]
    doubts = [f"{r.ref} has no usable time" for r in live if r.when is None] + [f"{line} (unusable)" for line in bad]
    dated = [r for r in live if r.when and r.when.start <= reading.horizon]
    return [r for r in dated if start is None or (r.when and r.when.end >= start)], doubts


def _unseen(reading: Reading, start: datetime | None, stated: bool) -> list[str]:
    """Why "no dose" cannot be concluded although no administration is visible."""
    if stated:
        return []
    doubts = list(reading.chart.gaps(("statements",)))
    ordered = [r for r in _intravenous(reading, "requests") if r.status in ("active", "completed")]
    ordered = [r for r in ordered if r.when is None or start is None or r.when.end >= start]
    if ordered:
        doubts.append(f"tocilizumab was ordered ({', '.join(refs(ordered))}) and no administration is visible")
    return doubts


def _merge(records: Sequence[Resource], reading: Reading) -> tuple[tuple[datetime, datetime], ...]:
    gap = timedelta(hours=reading.windows["tocilizumab-merge"])
    merged: list[tuple[datetime, datetime]] = []
    for record in records:
        assert record.when is not None
        if merged and record.when.start - merged[-1][0] <= gap:
            merged[-1] = (merged[-1][0], max(merged[-1][1], record.when.end))
        else:
            merged.append((record.when.start, record.when.end))
    return tuple(merged)


def _episode_start(reading: Reading, since: datetime | None) -> datetime | None:
    """Doses before the end of an earlier CRS episode belong to that episode."""
    series, _ = documented(GRADES, reading)
    gap = timedelta(hours=reading.windows["crs-episode-gap"])
    ordered = sorted((g for g in series if since is None or g.start >= since), key=lambda g: g.start)
    start = since
    reached: datetime | None = None
    for grade in ordered:
        if reached is not None and grade.start - reached > gap:
            start = reached
        reached = _later(reached, grade, reading.now)
    if reached is not None and reading.hours_since(reached) > reading.windows["crs-episode-gap"]:
        start = reached  # What CRS there is now began after that episode had ended.
    return start


def _later(reached: datetime | None, grade: Graded, now: datetime) -> datetime:
    end = min(grade.end or now, now)
    return end if reached is None else max(reached, end)


def _stated_only(doses: Doses, reading: Reading, sources: tuple[str, ...]) -> Fact:
    name = "tocilizumab-doses-stated-only"
    if doses.stated_only:
        return Fact(name, True, sources=sources)
    if not doses.times and (gaps := reading.chart.gaps(("administrations", "statements"))):
        return unknown(name, "; ".join(gaps))
    return Fact(name, False)


def _hours(doses: Doses, reading: Reading, sources: tuple[str, ...]) -> Fact:
    if not doses.times:
        return unknown("hours-since-tocilizumab", "; ".join(doses.doubts) or "no dose in this episode")
    # To the end of the last record: a long infusion or a date without a time must not make the wait look over.
    hours = max(reading.hours_since(doses.times[-1][1]), 0.0)
    return Fact("hours-since-tocilizumab", hours, "h", doses.times[-1][0], sources)


def _cap(doses: Doses, reading: Reading, sources: tuple[str, ...]) -> Fact:
    name = "tocilizumab-cap-reached"
    day = [start for start, _ in doses.times if start > reading.now - timedelta(hours=24)]
    total = len(doses.times)
    reached = (
        len(day) >= reading.policies["tocilizumab-max-per-day"] or total >= reading.policies["tocilizumab-max-total"]
    )
    if not reached and doses.doubts:
        return unknown(name, "; ".join(doses.doubts))
    return Fact(name, reached, sources=sources, text=f"{len(day)} in 24 h, {total} in this episode")


def _next(doses: Doses, reading: Reading, sources: tuple[str, ...]) -> Fact:
    """Hours until the next dose would be allowed: after the interval, and inside the number for a day and in all."""
    name, starts = "hours-until-tocilizumab", [start for start, _ in doses.times]
    if doses.doubts:
        return unknown(name, "; ".join(doses.doubts), sources=sources)
    most, per_day = reading.policies["tocilizumab-max-total"], int(reading.policies["tocilizumab-max-per-day"])
    if len(starts) >= most:
        return unknown(name, f"no further dose: {len(starts)} of {most:g} were given", sources=sources)
    moments = [reading.now]
    if doses.times:
        moments.append(hours_after(doses.times[-1][1], reading.windows["tocilizumab-interval"]))
    if len(starts) >= per_day:
        moments.append(starts[-per_day] + timedelta(hours=24))
    wait = (max(moments) - reading.now).total_seconds() / 3600
    return Fact(name, wait, "h", sources=sources, text="now" if wait <= 0 else f"in {wait:.1f} h")


def _change(doses: Doses, reading: Reading, known: Facts, since: datetime | None, sources: tuple[str, ...]) -> Fact:
    """Against the grade at the last dose; `not-shown` where that grade is not known."""
    name = "crs-change-since-tocilizumab"
    now = known["crs-grade"]
    if not doses.times:
        return unknown(name, "; ".join(doses.doubts) or "no dose in this episode")
    if now.value is None:
        return unknown(name, now.why)
    then = grade_then(doses.times[-1][0], reading, since, known["child"].value is True)
    if then is None:
        return Fact(
            name,
            "not-shown",
            sources=sources,
            text="improvement cannot be shown: the grade at the last dose is unknown",
        )
    value = "rose" if int(now.value) > then else "fell" if int(now.value) < then else "same"
    return Fact(name, value, sources=sources + now.sources, text=f"grade {then} at the last dose, {now.value} now")
