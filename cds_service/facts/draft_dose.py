"""What the drafts of a drug say of dose and route, against what its drug.yaml allows in a day or at once."""

from __future__ import annotations

import math
from collections.abc import Mapping

from cds_service.chart.figures import rounded
from cds_service.chart.vocabulary import Concept, concept
from cds_service.facts.dosage import ANY_WEIGHT, instructions_of, unread_doses
from cds_service.facts.dosage_words import shown, written
from cds_service.facts.dose_told import AtOnce, at_once
from cds_service.facts.exists import Find
from cds_service.facts.model import Fact, Facts, Reading, unknown
from cds_service.facts.order import Draft
from cds_service.facts.routes import route_of, says_route
from cds_service.knowledge.model import DosedDrafts, DoseMaximum

TOLERANCE_MG = 1e-6  # binary fractions of a milligram are no overdose


def kilograms(weight: Fact) -> float | None:
    """A body weight; None where it is not known."""
    return None if weight.value is None else float(weight.value)


def judged(name: str, drug: str) -> Find:
    """Whether there is a draft of the drug by a product and route for which its dose is judged."""

    def find(reading: Reading, known: Facts) -> Fact:
        sources = tuple(d.resource.ref for d in _judged(drug, reading))
        return Fact(name, bool(sources), sources=sources)

    return find


def route_permitted(name: str, drug: str) -> Find:
    """Whether no draft of the drug names a route that is none of those that it may be given by."""

    def find(reading: Reading, known: Facts) -> Fact:
        routes = reading.orders.drugs[drug].routes
        named = [(d, said) for d in _own(drug, reading) for said in _routes(d)]
        other = [(d, said) for d, said in named if route_of(said, reading) not in routes]
        text = "; ".join(dict.fromkeys(said.label for _, said in other))
        return Fact(name, not other, sources=tuple(d.resource.ref for d, _ in other), text=text)

    return find


def computable(name: str, dosed: DosedDrafts) -> Find:
    """Whether every draft that is judged says the dose that the drug goes by: in a day, or at once."""

    drug = dosed.orders

    def find(reading: Reading, known: Facts) -> Fact:
        weight = kilograms(known[dosed.weight])
        drafts = _judged(drug, reading) if reading.orders.drugs[drug].judged else reading.order.of_kind(drug)
        if reading.orders.drugs[drug].maximum.daily:
            says = [(d, d.dosage(weight)) for d in drafts]
            # A dose that cannot be computed comes before a route that is open.
            whys = [(d, dosage.why if dosage.daily_mg is None else route_otherwise(d, reading)) for d, dosage in says]
            lacking = [f"{d.resource.ref}: {why}" for d, why in whys if why]
        else:
            doses = [(d, [told.mg for told in _told(d, weight, reading)]) for d in drafts]
            lacking = [f"{d.resource.ref}: no dose given" for d, said in doses if not said or None in said]
        sources = tuple(d.resource.ref for d in drafts)
        return Fact(name, not lacking, sources=sources, text="; ".join(lacking))

    return find


def readable(name: str, drug: str) -> Find:
    """Whether no draft of the drug writes an amount that cannot be read; one that writes none has nothing to read."""

    def find(reading: Reading, known: Facts) -> Fact:
        if reading.orders.drugs[drug].maximum.daily:
            told = [(d, unread_doses(d.resource.raw, d.amounts)) for d in reading.order.of_kind(drug)]
        else:
            told = [(d, tuple(s.why for s in _told(d, ANY_WEIGHT, reading) if s.why)) for d in _judged(drug, reading)]
        text = "; ".join(dict.fromkeys(why for _, whys in told for why in whys))
        return Fact(name, not text, sources=tuple(d.resource.ref for d, whys in told if whys), text=text)

    return find


def daily_dose(name: str, dosed: DosedDrafts, unit: str) -> Find:
    """mg a day over the drafts of the drug, as far as they say; unknown where none says."""

    def find(reading: Reading, known: Facts) -> Fact:
        drafts = reading.order.of_kind(dosed.orders)
        sources = tuple(d.resource.ref for d in drafts)
        dosages = [d.dosage(kilograms(known[dosed.weight])) for d in drafts]
        says = [dosage.bound_mg for dosage in dosages if dosage.bound_mg > 0]
        if not says or not math.isfinite(sum(says)):
            why = next((dosage.why for dosage in dosages if dosage.daily_mg is None), "no such draft")
            return unknown(name, why, sources=sources)
        return Fact(name, sum(says), unit, sources=sources)

    return find


def exceeds_maximum(name: str, drug: str) -> Find:
    """Whether the drafts of the drug exceed its maximum: in a day together, or at once one of them."""

    def find(reading: Reading, known: Facts) -> Fact:
        drafts = _judged(drug, reading)
        sources = tuple(d.resource.ref for d in drafts)
        at_once = reading.orders.drugs[drug].maximum.dose
        told = _at_once(at_once, drafts, reading, known) if at_once else _in_a_day(drug, drafts, reading, known)
        if told:
            return Fact(name, True, sources=sources, text=told)
        if reading.order.unresolved:
            why = f"drug not resolved in the draft {', '.join(reading.order.unresolved)}"
            return unknown(name, why, sources=sources)
        if why := _undecided(at_once, drug, drafts, reading, known):
            return unknown(name, why)
        return Fact(name, False, sources=sources)

    return find


def daily_maximum(drug: str, reading: Reading, known: Facts) -> float | None:
    """mg a day of a drug: its fixed maximum, under the adult age the lower of it and the maximum by weight.

    For an adult at a site that names a high-dose protocol it is what that allows.

    None where a child's weight or the age is unknown, or the drug does not go by the day.
    """
    daily = reading.orders.drugs[drug].maximum.daily if drug in reading.orders.drugs else None
    child, weight = known["child"].value, known["weight"].value
    if daily is None or child is None:
        return None
    fixed = reading.policies[daily.adult]
    if child is False:
        by_protocol = daily.adult_by_protocol if reading.site.high_dose_protocol else ""
        return max(fixed, reading.policies[by_protocol]) if by_protocol else fixed
    return None if weight is None else min(fixed, reading.policies[daily.child_per_kg] * float(weight))


def _in_a_day(drug: str, drafts: tuple[Draft, ...], reading: Reading, known: Facts) -> str:
    """What is too much a day, in words; without age or weight only the fixed maximum is known."""
    daily = reading.orders.drugs[drug].maximum.daily
    said = [d.dosage(kilograms(known["weight"])) for d in drafts]
    bound = sum(dosage.bound_mg for dosage in said)
    maximum = daily_maximum(drug, reading, known)
    if maximum is None and daily is not None:
        maximum = reading.policies[daily.adult]
    too_much = maximum is not None and bound > maximum + TOLERANCE_MG
    asked = f"{rounded(bound, [maximum or 0.0])} mg/day" if math.isfinite(bound) else "more than can be computed"
    by_words = ", as its words say" if any(dosage.by_words for dosage in said) else ""
    return f"{asked} > {rounded(maximum or 0.0)} mg/day{by_words}" if too_much else ""


def _at_once(most: DoseMaximum, drafts: tuple[Draft, ...], reading: Reading, known: Facts) -> str:
    """What is too much at once, in words."""
    weight = kilograms(known["weight"])
    dose, whatever = _highest(drafts, weight, reading), reading.policies[most.whatever_weight]
    if dose > whatever + TOLERANCE_MG:
        return f"{rounded(dose, [whatever])} mg > {rounded(whatever)} mg"
    if weight is None:
        return ""
    light = weight < reading.policies[most.light_below]
    per_kg = reading.policies[most.per_kg_light if light else most.per_kg]
    limit = per_kg * weight
    allowed = limit * (1 + reading.policies[most.tolerance] / 100)
    too_much = dose > allowed + TOLERANCE_MG
    return (
        f"{rounded(dose, [limit])} mg > {rounded(limit)} mg ({per_kg:g} mg/kg for {rounded(weight)} kg)"
        if too_much
        else ""
    )


def _undecided(
    at_once: DoseMaximum | None, drug: str, drafts: tuple[Draft, ...], reading: Reading, known: Facts
) -> str:
    """Why it cannot be said that a stated dose is within the maximum."""
    if at_once:
        lacks = known["weight"].value is None and _highest(drafts, ANY_WEIGHT, reading) > 0
        return "the dose by weight needs a current weight" if lacks else ""
    stated = any(d.dosage(ANY_WEIGHT).bound_mg > 0 for d in drafts)
    lacks = stated and daily_maximum(drug, reading, known) is None
    return "the daily maximum needs the patient's age and, under 18, a current weight" if lacks else ""


def _highest(drafts: tuple[Draft, ...], weight: float | None, reading: Reading) -> float:
    doses = (told.mg for draft in drafts for told in _told(draft, weight, reading))
    return max((dose for dose in doses if dose is not None), default=0.0)


def _told(draft: Draft, weight: float | None, reading: Reading) -> list[AtOnce]:
    """What each instruction of a draft says at once, of a drug that goes by the single dose."""
    most = reading.orders.drugs[draft.kind].maximum.dose
    whatever = reading.policies[most.whatever_weight] if most else math.inf
    return list(at_once(draft.resource.raw, draft.resource.concept, draft.amounts, weight, whatever))


def _judged(drug: str, reading: Reading) -> tuple[Draft, ...]:
    """The drafts of the drug that its maximum is for: all, or those by some routes and products."""
    told = reading.orders.drugs[drug].judged
    if told is None:
        return _own(drug, reading)
    others = [reading.terms[name] for name in told.not_in]
    kept = [d for d in _own(drug, reading) if not any(d.resource.matches(other) for other in others)]
    named = [(d, [route_of(said, reading) for said in _routes(d)]) for d in kept]
    # A route that is not named, or not understood, may be one of them.
    return tuple(d for d, routes in named if not routes or any(r is None or r in told.routes for r in routes))


def _routes(draft: Draft) -> list[Concept]:
    """What the dosage instructions name as route."""
    written = draft.resource.raw.get("dosageInstruction")
    instructions = [i for i in written if isinstance(i, Mapping)] if isinstance(written, list) else []
    return [concept(i["route"]) for i in instructions if isinstance(i.get("route"), Mapping)]


def route_otherwise(draft: Draft, reading: Reading) -> str:
    """Why it is open by which of our routes a draft is given: its words name another one than its structure."""
    ours = reading.orders.routes
    for instruction in instructions_of(draft.resource.raw):
        route, text = instruction.get("route"), written(instruction)
        if not isinstance(route, Mapping) or not text:
            continue
        told, said = route_of(concept(route), reading), concept({"text": text})
        named = [name for name in ours if says_route(f"route-{name}", said, reading)]
        if told and named and told not in named:
            return f"its words say another route: {shown(text)}"
    return ""


def _own(drug: str, reading: Reading) -> tuple[Draft, ...]:
    ours = ("", reading.chart.patient_id)
    return tuple(d for d in reading.order.of_kind(drug) if d.resource.patient_id in ours)
