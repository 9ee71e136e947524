"""Declared facts from a patient's history: an allergy, a recent vaccine, an order on hold, an amount that was given."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from cds_service.chart.units import Converted
from cds_service.facts.allergy import is_ended, substances_of
from cds_service.facts.declared import DISPROVEN, GIVEN, boolean, is_active, unresolved_drugs
from cds_service.facts.model import Fact, Reading, refs, unknown, usable
from cds_service.knowledge.model import FactDefinition


def active_allergy(name: str, definition: FactDefinition, reading: Reading) -> Fact:
    """An allergy to something in the value set, or a Condition that says so; refuted and ended ones do not count."""
    matcher = reading.terms[definition.source.target]
    allergies = [r for r in reading.chart.of("allergies") if r.code("verificationStatus") not in DISPROVEN]
    found = [r for r in allergies if not is_ended(r) and any(matcher.matches(s) for s in substances_of(r))]
    if "conditions" in definition.reads:
        found += [r for r in reading.chart.matching(("conditions",), matcher) if is_active(r, reading.now)]
    good, bad = usable(found)
    return boolean(name, good, reading.chart.gaps(definition.reads), bad)


def recorded_condition(name: str, definition: FactDefinition, reading: Reading) -> Fact:
    """A Condition of the value set, whatever its status, unless it was disproven: in remission is on record too."""
    matched = reading.chart.matching(("conditions",), reading.terms[definition.source.target])
    good, bad = usable(r for r in matched if r.code("verificationStatus") not in DISPROVEN)
    return boolean(name, good, reading.chart.gaps(definition.reads), bad)


def immunized_within(name: str, definition: FactDefinition, reading: Reading) -> Fact:
    """A vaccine of the value set was given within the fact's `maxAge` window; an undated one may have been."""
    matcher = reading.terms[definition.source.target]
    hours = reading.windows[definition.max_age]
    matched = reading.chart.matching(definition.reads, matcher)
    done = [r for r in matched if r.status == "completed" and (r.when is None or reading.within(r, hours))]
    good, bad = usable(r for r in done if r.when is not None)
    undated = tuple(f"{r.ref} has no usable date" for r in done if r.when is None)
    return boolean(name, good, reading.chart.gaps(definition.reads), bad + undated)


def order_on_hold(name: str, definition: FactDefinition, reading: Reading) -> Fact:
    """An order of the value set that is on hold: it is no duplicate yet, and one click makes it one."""
    matched = reading.chart.matching(("requests",), reading.terms[definition.source.target])
    good, bad = usable(r for r in matched if r.status == "on-hold")
    held = [r.ref for q in definition.reads for r in reading.chart.of(q) if r.unresolved and r.status == "on-hold"]
    lost = (f"drug not resolved in {', '.join(held[:5])}",) if held else ()
    return boolean(name, good, (*reading.chart.gaps(definition.reads), *lost), bad)


def amount_given(name: str, definition: FactDefinition, reading: Reading) -> Fact:
    """mg of a drug given within the fact's `maxAge` window; unknown where one record does not say how much."""
    matched = reading.chart.matching(("administrations",), reading.terms[definition.source.target])
    hours = reading.windows[definition.max_age]
    found = [r for r in matched if r.status in GIVEN and (r.when is None or reading.within(r, hours))]
    if gaps := reading.chart.gaps(definition.reads) + unresolved_drugs(reading, definition.reads):
        return unknown(name, "; ".join(gaps))
    total = 0.0
    for record in found:
        dosage = record.raw.get("dosage")
        amount = dosage.get("dose") if isinstance(dosage, Mapping) else None
        converted = reading.units[definition.analyte].convert(amount) if isinstance(amount, Mapping) else None
        if record.problem or record.when is None or not isinstance(converted, Converted):
            return unknown(name, f"{record.ref}: no usable amount or time", sources=refs(found))
        total += converted.value
    return Fact(name, total, definition.unit, sources=refs(found), text=f"{len(found)} records")


HISTORY: Mapping[str, Callable[[str, FactDefinition, Reading], Fact]] = {
    "active_allergy": active_allergy,
    "recorded_condition": recorded_condition,
    "immunized_within": immunized_within,
    "order_on_hold": order_on_hold,
    "amount_given": amount_given,
}
