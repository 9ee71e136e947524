"""Facts that need no code of their own: the catalogue names a source kind and a value set.

Each function takes the fact's name, its definition and the reading, and gives exactly one Fact.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime

from cds_service.chart.resource import Resource
from cds_service.chart.times import When, hours_after
from cds_service.chart.units import Converted, number_of
from cds_service.facts.dosage import dosage_of
from cds_service.facts.model import Fact, Reading, refs, unknown, usable
from cds_service.knowledge.model import FactDefinition

FINAL = {"final", "amended", "corrected", "preliminary"}
GIVEN = {"completed", "in-progress"}
ENDED = {"resolved", "inactive", "remission"}
DISPROVEN = {"refuted", "entered-in-error"}
UNCONFIRMED = {"provisional", "differential", "unconfirmed"}


def boolean(
    name: str, found: Sequence[Resource], gaps: Iterable[str], bad: tuple[str, ...] = (), **more: object
) -> Fact:
    """True with its sources; false only where nothing was found in reads that were complete; else unknown."""
    if found:
        dates = [r.when.start for r in found if r.when]
        text = "; ".join(dict.fromkeys(r.concept.label for r in found))
        fact = Fact(name, True, as_of=max(dates, default=None), sources=refs(found), text=text, unusable=bad)
    elif bad:
        fact = unknown(name, "a record that may say so could not be used", unusable=bad)
    elif reasons := tuple(gaps):
        fact = unknown(name, "; ".join(reasons))
    else:
        fact = Fact(name, False)
    return fact


def active_condition(name: str, definition: FactDefinition, reading: Reading) -> Fact:
    """A Condition of the value set that is active (or says no clinical status) and not refuted or unconfirmed."""
    matched = reading.chart.matching(("conditions",), reading.terms[definition.source.target])
    found, bad = usable(r for r in matched if is_active(r, reading.now) and _verified(r))
    return boolean(name, found, reading.chart.gaps(definition.reads), bad)


def is_active(condition: Resource, now: datetime) -> bool:
    """Active at `now`: status not ended, not disproven, and no abatement in the past. No status counts as active."""
    if condition.code("clinicalStatus") in ENDED or condition.code("verificationStatus") in DISPROVEN:
        return False
    ended = abatement(condition)
    return ended is None or ended.start > now


def abatement(condition: Resource) -> When | None:
    """When the condition ended, where it says a time."""
    ended = condition.time("abatementDateTime") or condition.time("abatementPeriod")
    onset = condition.time("onsetDateTime") or condition.time("onsetPeriod")
    # One that ended before it began did not say when it ended.
    return None if ended is not None and onset is not None and ended.end < onset.start else ended


def _verified(condition: Resource) -> bool:
    return condition.code("verificationStatus") not in UNCONFIRMED


def active_medication(name: str, definition: FactDefinition, reading: Reading) -> Fact:
    """An active order, a statement of current use, or a dose given within the fact's `maxAge` window."""
    matcher = reading.terms[definition.source.target]
    chart = reading.chart
    hours = reading.windows[definition.max_age]
    found = orders_now(definition.source.target, reading)
    found += [r for r in chart.matching(("statements",), matcher) if _stated_now(r, reading)]
    given = [r for r in chart.matching(("administrations",), matcher) if r.status in GIVEN]
    found += [r for r in given if r.when is None or reading.within(r, hours)]
    good, bad = usable(found)
    unclear = [r.ref for r in chart.matching(("requests",), matcher) if r.status == "unknown"]
    gaps = chart.gaps(definition.reads) + unresolved_drugs(reading, definition.reads)
    return boolean(name, good, (*gaps, *(f"{ref} has the status unknown" for ref in unclear)), bad)


def orders_now(value_set: str, reading: Reading) -> list[Resource]:
    """Active orders of a value set, without the drafts of this session (a re-signed order may already be active)."""
    drafts = {d.resource.ref for d in reading.order.drafts}
    matched = reading.chart.matching(("requests",), reading.terms[value_set])
    return [r for r in matched if r.ref not in drafts and ordered_now(r, reading)]


def drafted_medication(name: str, definition: FactDefinition, reading: Reading) -> Fact:
    """A drug of the value set among the unsigned orders of this session."""
    matcher = reading.terms[definition.source.target]
    found = [d.resource for d in reading.order.drafts if d.resource.matches(matcher)]
    if not found and reading.order.unresolved:
        return unknown(name, f"drug not resolved in the draft {', '.join(reading.order.unresolved)}")
    text = "; ".join(dict.fromkeys(r.concept.label for r in found))
    return Fact(name, bool(found), sources=refs(found), text=text)


def ordered_now(request: Resource, reading: Reading) -> bool:
    """An active order that has not run out by its own dates."""
    if request.status != "active" or request.raw.get("doNotPerform") is True:
        return False
    if request.text("intent") == "proposal":
        return False
    return bool(running_instructions(request, reading))


def running_instructions(request: Resource, reading: Reading) -> list[object]:
    """The dosage instructions that have not run out; an order without any counts as one that has not."""
    written = request.raw.get("dosageInstruction")
    instructions: list[object] = written if isinstance(written, list) and written else [None]
    return [i for i in instructions if not _over(i, request, reading.now)]


def _over(instruction: object, request: Resource, now: datetime) -> bool:
    timing = instruction.get("timing") if isinstance(instruction, Mapping) else None
    repeat = timing.get("repeat") if isinstance(timing, Mapping) else None
    end = _bound_end(repeat, request) if isinstance(repeat, Mapping) else None
    return end is not None and end < now


def _bound_end(repeat: Mapping[str, object], request: Resource) -> datetime | None:
    if end := Resource(repeat).end("boundsPeriod"):
        # An order that ends before it begins says nothing of its end.
        return None if request.when is not None and end.end < request.when.start else end.end
    duration = repeat.get("boundsDuration")
    hours = {"h": 1.0, "d": 24.0, "wk": 168.0}
    if isinstance(duration, Mapping) and request.when is not None:
        value, unit = number_of(duration.get("value")), str(duration.get("code") or duration.get("unit"))
        if value is not None and value >= 0 and unit in hours:
            return hours_after(request.when.end, value * hours[unit])
    return None


def _stated_now(statement: Resource, reading: Reading) -> bool:
    if statement.status != "active":
        return False
    return statement.end("effectivePeriod") is None or statement.when is None or statement.when.end >= reading.now


def unresolved_drugs(reading: Reading, queries: Iterable[str]) -> tuple[str, ...]:
    """Drugs that are named only by a reference which nothing in the chart resolves: they may be anything."""
    named = tuple(queries)
    lost = [
        r.ref
        for q in named
        if q in ("requests", "administrations", "statements")
        for r in reading.chart.of(q)
        if r.concept.empty and r.status in ("active", "completed", "in-progress")
    ]
    return (f"drug not resolved in {', '.join(lost[:5])}", *reading.chart.lost_drugs(named)) if lost else ()


def active_daily_dose(name: str, definition: FactDefinition, reading: Reading) -> Fact:
    """mg a day over the active orders of a value set; unknown where one of them does not say."""
    orders = orders_now(definition.source.target, reading)
    if gaps := reading.chart.gaps(definition.reads):
        return unknown(name, "; ".join(gaps))
    table = reading.units["drug-amount"]
    ordered = [dosage_of({"dosageInstruction": running_instructions(r, reading)}, table) for r in orders]
    for order, dose in zip(orders, ordered, strict=True):
        if dose.daily_mg is None:
            return unknown(name, f"{order.ref}: {dose.why}", sources=refs(orders))
    matcher, hours = reading.terms[definition.source.target], reading.windows[definition.max_age]
    stated = [r for r in reading.chart.matching(("statements",), matcher) if _stated_now(r, reading)]
    doses = [r for r in reading.chart.matching(("administrations",), matcher) if r.status in GIVEN]
    given = [*stated, *(r for r in doses if r.when is None or reading.within(r, hours))]
    if given and not orders:
        return unknown(name, "given or stated, and no active order says the dose", sources=refs(given))
    return Fact(name, sum(d.daily_mg or 0.0 for d in ordered), definition.unit, sources=refs(orders))


def draft_daily_dose(name: str, definition: FactDefinition, reading: Reading) -> Fact:
    """mg a day over the drafts of a kind, as far as they say; unknown where none says."""
    drafts = reading.order.of_kind(definition.source.target)
    sources = tuple(d.resource.ref for d in drafts)
    says = [d.dosage.bound_mg for d in drafts if d.dosage.bound_mg > 0]
    if not says or not math.isfinite(sum(says)):
        why = next((d.dosage.why for d in drafts if d.dosage.daily_mg is None), "no such draft")
        return unknown(name, why, sources=sources)
    return Fact(name, sum(says), definition.unit, sources=sources)


def draft_dose_computable(name: str, definition: FactDefinition, reading: Reading) -> Fact:
    """Whether every draft of a kind says a certain daily dose."""
    drafts = reading.order.of_kind(definition.source.target)
    lacking = [f"{d.resource.ref}: {d.dosage.why}" for d in drafts if d.dosage.daily_mg is None]
    sources = tuple(d.resource.ref for d in drafts)
    return Fact(name, not lacking, sources=sources, text="; ".join(lacking))


def given_within(name: str, definition: FactDefinition, reading: Reading) -> Fact:
    """A drug of the value set was given within the fact's `maxAge` window."""
    matcher = reading.terms[definition.source.target]
    hours = reading.windows[definition.max_age]
    matched = reading.chart.matching(("administrations",), matcher)
    found, bad = usable(r for r in matched if r.status in GIVEN and reading.within(r, hours))
    gaps = reading.chart.gaps(definition.reads) + unresolved_drugs(reading, definition.reads)
    return boolean(name, found, gaps, bad)


def newest_quantity(name: str, definition: FactDefinition, reading: Reading) -> Fact:
    """The newest final value of a value set, in the analyte's unit; unknown where it is stale or cannot be used."""
    matcher = reading.terms[definition.source.target]
    matched = reading.chart.matching(definition.reads, matcher)
    dated = newest_first(r for r in matched if r.status in FINAL and reading.past(r))
    bad: list[str] = []
    for resource in dated:
        value = quantity_of(resource, reading, definition.analyte)
        if isinstance(value, str):
            bad.append(f"{resource.ref}: {value}")
            continue
        assert resource.when is not None
        notes = (f"converted from {value.written}",) if value.written else ()
        more = {"as_of": resource.when.start, "sources": (resource.ref,), "notes": notes, "unusable": tuple(bad)}
        if definition.max_age and not reading.within(resource, reading.windows[definition.max_age]):
            hours = resource.when.hours_before(reading.now)
            return unknown(name, f"newest value {value.value:g} {value.unit} is {hours:.0f} h old (stale)", **more)
        return Fact(name, value.value, value.unit, **more)  # type: ignore[arg-type]
    gaps = reading.chart.gaps(definition.reads)
    why = "no usable value" if bad else "; ".join(gaps) or "none recorded"
    return unknown(name, why, unusable=tuple(bad))


def newest_first(resources: Iterable[Resource]) -> list[Resource]:
    """By time, newest first. Of two at the same time the lower value comes first: it is the safer reading of a
    count, a weight or a clearance; without values the reference decides, so the order of a Bundle never does."""

    def key(resource: Resource) -> tuple[float, float, str]:
        start = resource.when.start.timestamp() if resource.when else 0.0
        quantity = resource.raw.get("valueQuantity")
        value = quantity.get("value") if isinstance(quantity, Mapping) else None
        return -start, number_of(value) or 0.0, resource.ref

    return sorted(resources, key=key)


def quantity_of(resource: Resource, reading: Reading, analyte: str, *, adult: bool | None = None) -> Converted | str:
    """An Observation's value in its analyte's unit, or why it cannot be used."""
    return resource.remember(("quantity", analyte, adult), lambda r: _quantity(r, reading, analyte, adult))


def _quantity(resource: Resource, reading: Reading, analyte: str, adult: bool | None) -> Converted | str:
    if resource.problem:
        return resource.problem
    quantity = resource.raw.get("valueQuantity")
    if not isinstance(quantity, Mapping):
        return "no valueQuantity"
    converted = reading.units[analyte].convert(quantity, adult=adult)
    return converted if isinstance(converted, Converted) else converted.why


DECLARED: Mapping[str, Callable[[str, FactDefinition, Reading], Fact]] = {
    "newest_quantity": newest_quantity,
    "active_condition": active_condition,
    "active_medication": active_medication,
    "active_daily_dose": active_daily_dose,
    "drafted_medication": drafted_medication,
    "draft_daily_dose": draft_daily_dose,
    "draft_dose_computable": draft_dose_computable,
    "given_within": given_within,
}
