"""The daily maximum of a drug for this patient's age and weight, and the drafted anakinra compared with it."""

from __future__ import annotations

import math
from collections.abc import Iterator

from cds_service.facts.model import Fact, Facts, Reading, unknown
from cds_service.facts.order import Draft

KIND = "anakinra"
TOLERANCE_MG = 1e-6  # binary fractions of a milligram are no overdose


def facts(reading: Reading, known: Facts) -> Iterator[Fact]:
    """What the drafts themselves say, and the daily maximum; needs `child` and `weight`."""
    ours = ("", reading.chart.patient_id)
    foreign = [d.resource.ref for d in reading.order.drafts if d.resource.patient_id not in ours]
    why = "its subject is not the patient of this call"
    yield Fact("draft-of-another-patient", bool(foreign), sources=tuple(foreign), text=why if foreign else "")
    lost = reading.order.unresolved
    told = "its Medication is only referred to, and was neither sent nor could be read"
    yield Fact("draft-unresolved", bool(lost), sources=lost, text=told if lost else "")
    drafts = tuple(d for d in reading.order.of_kind(KIND) if d.resource.patient_id in ours)
    sources = tuple(d.resource.ref for d in drafts)
    yield Fact("anakinra-drafted", bool(drafts), sources=sources)
    yield _exceeds(reading, known, drafts, sources)


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


def _exceeds(reading: Reading, known: Facts, drafts: tuple[Draft, ...], sources: tuple[str, ...]) -> Fact:
    name = "draft-exceeds-maximum"
    bound = sum(d.dosage.bound_mg for d in drafts)
    fixed = reading.policies["anakinra-daily-maximum"]
    maximum = daily_maximum(KIND, reading, known)
    if bound > (fixed if maximum is None else maximum) + TOLERANCE_MG:
        limit = fixed if maximum is None else maximum
        asked = f"{bound:g} mg/day" if math.isfinite(bound) else "more than can be computed"
        return Fact(name, True, sources=sources, text=f"{asked} > {limit:g} mg/day")
    if reading.order.unresolved:
        return unknown(name, f"drug not resolved in the draft {', '.join(reading.order.unresolved)}", sources=sources)
    if maximum is None and bound > 0:
        return unknown(name, "the daily maximum needs the patient's age and, under 18, a current weight")
    return Fact(name, False, sources=sources)
