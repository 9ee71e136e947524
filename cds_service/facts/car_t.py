"""When CAR-T cells were infused, and whether that is recent enough for a toxicity pathway to answer.

Evidence is a Procedure or a MedicationAdministration that took place; orders, plans and histories are none.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from cds_service.chart.resource import Resource
from cds_service.facts.declared import unresolved_drugs
from cds_service.facts.model import Fact, Facts, Reading, refs, unknown, usable

_DONE = {"completed", "in-progress"}
_NOT_DONE = {"not-done", "entered-in-error", "preparation", "stopped"}


def facts(reading: Reading, known: Facts) -> Iterator[Fact]:
    """`car-t-in-scope` and `car-t-day`."""
    dated, undated, bad = infusions(reading)
    scope = reading.windows["car-t-scope"]
    if dated:
        newest = dated[-1]
        assert newest.when is not None
        days = int((reading.now - newest.when.start).total_seconds() // 86400)
        in_scope = days * 24 <= scope
        latest = int((reading.now - min(newest.when.end, reading.now)).total_seconds() // 86400)
        if not in_scope and latest * 24 <= scope:
            why = f"the date of the CAR-T infusion ({newest.when.start:%Y-%m}) is too coarse to tell"
            yield unknown("car-t-in-scope", why, sources=refs(dated), unusable=bad)
            yield unknown("car-t-day", why, sources=refs(dated))
            return
        text = newest.concept.label
        if in_scope or not undated:
            fact = Fact("car-t-in-scope", in_scope, as_of=newest.when.start, sources=refs(dated), text=text)
            yield fact if in_scope else _unless_gaps(reading, fact, bad)
            yield Fact("car-t-day", max(days, 0), "d", newest.when.start, (newest.ref,))
            return
    if undated or bad:
        why = "a CAR-T infusion is recorded without a usable time" if undated else "a CAR-T record could not be used"
        yield unknown("car-t-in-scope", why, sources=refs(undated), unusable=bad)
    else:
        yield _unless_gaps(reading, Fact("car-t-in-scope", False), bad)
    yield unknown("car-t-day", "no dated CAR-T infusion")


def _unless_gaps(reading: Reading, fact: Fact, bad: tuple[str, ...]) -> Fact:
    """A "no" needs complete reads: the infusion may be on the page that was not read."""
    gaps = reading.chart.gaps(("procedures", "administrations")) + unresolved_drugs(reading, ("administrations",))
    if bad or gaps:
        return unknown(fact.name, "; ".join(gaps) or "a CAR-T record could not be used", unusable=bad)
    return fact


def infusions(reading: Reading) -> tuple[list[Resource], list[Resource], tuple[str, ...]]:
    """CAR-T infusions with a time (oldest first), those without, and what could not be used."""
    return reading.once("infusions", lambda: _infusions(reading))


def _infusions(reading: Reading) -> tuple[list[Resource], list[Resource], tuple[str, ...]]:
    terms = reading.terms
    sets = (terms["car-t-product"], terms["car-t-procedure"])
    queries = ("procedures", "administrations")
    matched = reading.chart.matching(queries, *sets)
    good, bad = usable(r for r in matched if r.status not in _NOT_DONE)
    dated = [r for r in good if r.status in _DONE and reading.past(r)]
    dated.sort(key=lambda r: r.when.start if r.when else reading.now)
    # A future time is a plan; no time, or an unknown status, leaves the question open.
    undated = [r for r in good if r.when is None or (r.status not in _DONE and reading.past(r))]
    return dated, undated, bad


def infused_at(reading: Reading) -> datetime | None:
    """The newest infusion's start."""
    dated, _, _ = infusions(reading)
    return dated[-1].when.start if dated and dated[-1].when else None
