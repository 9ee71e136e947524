"""The daily maximum of a drug for this patient's age and weight, and what the unsigned orders say of drug and dose."""

from __future__ import annotations

import math

from cds_service.facts.exists import Find
from cds_service.facts.model import Fact, Facts, Reading, refs, unknown
from cds_service.facts.order import Draft
from cds_service.facts.select import Selections
from cds_service.knowledge.model import DraftDose

TOLERANCE_MG = 1e-6  # binary fractions of a milligram are no overdose


def drafted(name: str, value_set: str, select: Selections) -> Find:
    """A drug of the value set among the unsigned orders of this session."""
    matcher = select.terms[value_set]

    def find(reading: Reading, known: Facts) -> Fact:
        found = [d.resource for d in reading.order.drafts if d.resource.matches(matcher)]
        if not found and reading.order.unresolved:
            return unknown(name, f"drug not resolved in the draft {', '.join(reading.order.unresolved)}")
        text = "; ".join(dict.fromkeys(r.concept.label for r in found))
        return Fact(name, bool(found), sources=refs(found), text=text)

    return find


def drafts_of(name: str, kind: str) -> Find:
    """Whether there is a draft of this kind for the patient of the call."""

    def find(reading: Reading, known: Facts) -> Fact:
        sources = tuple(d.resource.ref for d in _own(kind, reading))
        return Fact(name, bool(sources), sources=sources)

    return find


def drafts(name: str, which: str) -> Find:
    """Whether a draft is of another patient (`another-patient`), or of a drug that nothing names."""

    def of_another(reading: Reading, known: Facts) -> Fact:
        ours = ("", reading.chart.patient_id)
        foreign = [d.resource.ref for d in reading.order.drafts if d.resource.patient_id not in ours]
        why = "its subject is not the patient of this call"
        return Fact(name, bool(foreign), sources=tuple(foreign), text=why if foreign else "")

    def unresolved(reading: Reading, known: Facts) -> Fact:
        lost = reading.order.unresolved
        told = "its Medication is only referred to, and was neither sent nor could be read"
        return Fact(name, bool(lost), sources=lost, text=told if lost else "")

    return of_another if which == "another-patient" else unresolved


def draft_daily_dose(name: str, kind: str, unit: str) -> Find:
    """mg a day over the drafts of a kind, as far as they say; unknown where none says."""

    def find(reading: Reading, known: Facts) -> Fact:
        of_kind = reading.order.of_kind(kind)
        sources = tuple(d.resource.ref for d in of_kind)
        says = [d.dosage.bound_mg for d in of_kind if d.dosage.bound_mg > 0]
        if not says or not math.isfinite(sum(says)):
            why = next((d.dosage.why for d in of_kind if d.dosage.daily_mg is None), "no such draft")
            return unknown(name, why, sources=sources)
        return Fact(name, sum(says), unit, sources=sources)

    return find


def draft_dose_computable(name: str, kind: str) -> Find:
    """Whether every draft of a kind says a certain daily dose."""

    def find(reading: Reading, known: Facts) -> Fact:
        of_kind = reading.order.of_kind(kind)
        lacking = [f"{d.resource.ref}: {d.dosage.why}" for d in of_kind if d.dosage.daily_mg is None]
        sources = tuple(d.resource.ref for d in of_kind)
        return Fact(name, not lacking, sources=sources, text="; ".join(lacking))

    return find


def daily_maximum(kind: str, reading: Reading, known: Facts) -> float | None:
    """mg a day of a drug: its fixed maximum, under the adult age the lower of it and the maximum by weight.

    None where a child's weight or the age is unknown, or the service does not dose that kind of order.
    """
    dosing = reading.orders.kinds[kind].dosing
    child, weight = known["child"].value, known["weight"].value
    if dosing is None or child is None:
        return None
    fixed = reading.policies[dosing.daily_maximum]
    if child is False:
        return fixed
    return None if weight is None else min(fixed, reading.policies[dosing.child_daily_maximum] * float(weight))


def exceeds_maximum(name: str, dose: DraftDose) -> Find:
    """Whether the drafts of a kind exceed the daily maximum; the fixed one where age or weight are not known."""

    def find(reading: Reading, known: Facts) -> Fact:
        own = _own(dose.orders, reading)
        sources, bound = tuple(d.resource.ref for d in own), sum(d.dosage.bound_mg for d in own)
        dosing = reading.orders.kinds[dose.orders].dosing
        assert dosing is not None  # checked at load
        maximum = daily_maximum(dose.orders, reading, known)
        limit = reading.policies[dosing.daily_maximum] if maximum is None else maximum
        if bound > limit + TOLERANCE_MG:
            asked = f"{bound:g} mg/day" if math.isfinite(bound) else "more than can be computed"
            return Fact(name, True, sources=sources, text=f"{asked} > {limit:g} mg/day")
        if reading.order.unresolved:
            why = f"drug not resolved in the draft {', '.join(reading.order.unresolved)}"
            return unknown(name, why, sources=sources)
        if maximum is None and bound > 0:
            return unknown(name, "the daily maximum needs the patient's age and, under 18, a current weight")
        return Fact(name, False, sources=sources)

    return find


def _own(kind: str, reading: Reading) -> tuple[Draft, ...]:
    ours = ("", reading.chart.patient_id)
    return tuple(d for d in reading.order.of_kind(kind) if d.resource.patient_id in ours)
