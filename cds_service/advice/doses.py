"""Regimens as doses for this patient, and whether a draft is one that the pathway permits."""

from __future__ import annotations

import math

from cds_service.advice.model import DosePlan, DraftedDose
from cds_service.facts.draft_dose import TOLERANCE_MG, daily_maximum
from cds_service.facts.draft_read import DraftRead
from cds_service.facts.model import Facts, Reading
from cds_service.knowledge.model import Dose, Pack, Regimen


def plan(dose: Dose, regimen: Regimen, facts: Facts) -> DosePlan | None:
    """The dose for this patient; None where it needs a weight that is not known."""
    if dose.mg is not None:
        return DosePlan(dose.mg, dose.interval_hours, regimen.route, regimen.duration_days)
    weight = facts["weight"].value
    if weight is None or dose.mg_per_kg is None or dose.cap_mg is None:
        return None
    # Down to a whole milligram, and never above the cap: rounding must not add drug.
    mg = min(math.floor(dose.mg_per_kg * float(weight) + TOLERANCE_MG), math.floor(dose.cap_mg))
    return DosePlan(float(mg), dose.interval_hours, regimen.route, regimen.duration_days, dose.mg_per_kg, float(weight))


def plans(doses: tuple[Dose, ...], regimen: Regimen, facts: Facts, maximum: float | None) -> tuple[DosePlan, ...]:
    """Those doses that can be computed and stay within the daily maximum."""
    made = (plan(d, regimen, facts) for d in doses)
    return tuple(p for p in made if p is not None and maximum is not None and p.daily_mg <= maximum + TOLERANCE_MG)


def highest(offers: tuple[DosePlan, ...]) -> tuple[DosePlan, ...]:
    """The offers with the highest daily dose: what comes nearest to an order that exceeded the maximum."""
    top = max((p.daily_mg for p in offers), default=0.0)
    return tuple(p for p in offers if p.daily_mg >= top - TOLERANCE_MG)


def permitted(draft: DraftRead, regimen: Regimen, facts: Facts, reading: Reading) -> bool:
    """Whether a complete draft is one of the regimen's permitted pairs (or less, where the regimen says so).

    A route that it names must be one of ours, and where the regimen's routes are narrower, one of those; which of
    several fits better is said on the card.
    """
    routes = regimen.permitted_routes or reading.orders.routes
    if (draft.names_route or regimen.permitted_routes) and draft.route not in routes:
        return False
    dose, interval = draft.dose_mg, draft.interval_h
    if dose is None or interval is None or draft.daily_mg is None:
        return False
    made = [p for p in (plan(d, regimen, facts) for d in regimen.permitted) if p is not None]
    if regimen.permitted_up_to and made:
        # Its dose or less, at any interval between the shortest and the longest of the pairs. What is offered is
        # rounded down; an order of the same dose per kilogram is not more.
        intervals = [p.interval_h for p in made]
        most = min(max(map(_unrounded, made)), max(d.cap_mg or math.inf for d in regimen.permitted))
        return 0 < dose <= most + TOLERANCE_MG and min(intervals) <= interval <= max(intervals)
    pairs = any(abs(p.interval_h - interval) <= 1e-9 and abs(p.dose_mg - dose) <= TOLERANCE_MG for p in made)
    return pairs or _by_protocol(draft.daily_mg, interval, made, regimen, facts, reading)


def _by_protocol(
    daily: float, interval: float, made: list[DosePlan], regimen: Regimen, facts: Facts, reading: Reading
) -> bool:
    """Whether a site's high-dose protocol permits what is more than any of the pairs."""
    if not reading.site.high_dose_protocol or interval not in regimen.by_protocol:
        return False
    maximum = daily_maximum(regimen.order_kind, reading, facts)
    above = daily > max((p.daily_mg for p in made), default=0.0)
    return maximum is not None and above and daily <= maximum + TOLERANCE_MG


def _unrounded(plan: DosePlan) -> float:
    """The milligrams of a plan before they are rounded down, and before any cap."""
    return plan.dose_mg if plan.mg_per_kg is None else plan.mg_per_kg * (plan.weight_kg or 0.0)


def drafted(draft: DraftRead) -> DraftedDose | None:
    """What a complete draft says; None where its dose or interval is not one."""
    if draft.dose_mg is None or draft.interval_h is None or draft.daily_mg is None:
        return None
    return DraftedDose(draft.dose_mg, draft.interval_h, draft.daily_mg, draft.route)


def packs(plan: DosePlan, pack: Pack) -> int:
    """How many single-use units the whole course needs: what is left in one after a dose is thrown away."""
    doses = math.ceil(plan.duration_days * 24 / plan.interval_h)
    return doses * math.ceil(plan.dose_mg / pack.mg)
