"""Whether a further dose of a drug would come too soon, or be one too many: here every record of a dose counts.

Unlike the count of distinct doses, it is meant to be cautious: a dose that was stopped, or whose status is unknown, has
been given as far as anybody can tell.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from cds_service.chart.resource import Resource
from cds_service.chart.times import ago
from cds_service.facts.distinct_doses import episode_start
from cds_service.facts.dose_records import by_route, not_given
from cds_service.facts.exists import unresolved_drugs
from cds_service.facts.model import Fact, Facts, Reading, refs, unknown, usable
from cds_service.knowledge.model import DistinctDoses, DoseSpacing


def facts(given: DoseSpacing, reading: Reading, known: Facts) -> Iterator[Fact]:
    """`too-soon` and `limit-reached`."""
    doses = reading.select.catalogue.computed[given.of]
    assert isinstance(doses, DistinctDoses)  # checked at load
    candidates, _, doubts = by_route(doses, reading, known, doses.administrations)
    records = [r for r in candidates if reading.is_(given.counts, r) and not not_given(doses, r, reading)]
    good, bad = usable(records)
    dated = [r for r in good if reading.past(r)]
    doubts += [f"{r.ref} has no usable time" for r in good if r.when is None] + [f"{line} (unusable)" for line in bad]
    doubts += (*reading.chart.gaps((doses.administrations,)), *unresolved_drugs(reading, (doses.administrations,)))
    yield _too_soon(given, dated, doubts, reading)
    yield _limit(given, doses, dated, doubts, reading, known)


def _too_soon(given: DoseSpacing, dated: list[Resource], doubts: list[str], reading: Reading) -> Fact:
    """Against the end of the last record: a long infusion or a date without a time must not make the wait look over."""
    name = "too-soon"
    since = [max(reading.hours_since(r.when.end), 0.0) for r in dated if r.when]
    if since and min(since) < reading.windows[given.interval]:
        last = [r for r in dated if r.when and max(reading.hours_since(r.when.end), 0.0) == min(since)]
        return Fact(name, True, sources=refs(last), text=f"last dose on record {ago(min(since))}")
    return unknown(name, "; ".join(doubts)) if doubts else Fact(name, False, sources=refs(dated))


def _limit(
    given: DoseSpacing,
    doses: DistinctDoses,
    dated: list[Resource],
    doubts: list[str],
    reading: Reading,
    known: Facts,
) -> Fact:
    """In 24 h whatever the drug is for; in all only in an episode after an infusion in scope."""
    name, scope = "limit-reached", known[given.scope]
    day = [r for r in dated if r.when and r.when.end > reading.now - timedelta(hours=24)]
    start = episode_start(doses, reading) if scope.value is True else None
    episode = [r for r in dated if r.when and start is not None and r.when.end >= start]
    reached = len(day) >= reading.policies[given.per_day] or len(episode) >= reading.policies[given.in_all]
    text = f"{len(day)} in 24 h" + (f", {len(episode)} in this episode" if start is not None else "")
    if reached:
        return Fact(name, True, sources=refs((*day, *episode)), text=text)
    if scope.value is None and len(dated) >= reading.policies[given.in_all]:
        doubts = [*doubts, scope.why]
    return unknown(name, "; ".join(doubts)) if doubts else Fact(name, False, sources=refs(dated), text=text)
