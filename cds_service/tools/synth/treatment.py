"""What is given and ordered: the drugs of a plot, what goes before the cells, and what everybody gets."""

from __future__ import annotations

import math
from collections.abc import Iterator
from random import Random
from typing import Final

from cds_service.tools.synth.course import DAY, HOUR, Dose, Order, Person
from cds_service.tools.synth.draws import between, minutes
from cds_service.tools.synth.figure_parts import Drug
from cds_service.tools.synth.figures import Figures
from cds_service.tools.synth.release import Release

ANAKINRA: Final = "anakinra"
_SEVERE: Final = 3


def mg_of(drug: Drug, person: Person) -> float:
    """One dose for this person; of a child by weight, rounded down to whole mg."""
    if drug.mg_per_kg is not None:
        light = drug.light_mg_per_kg is not None and person.weight < drug.light_below_kg
        return _most(drug, (drug.light_mg_per_kg or 0) * person.weight if light else drug.mg_per_kg * person.weight)
    if person.child and drug.child_mg_per_kg is not None:
        return _most(drug, drug.child_mg_per_kg * person.weight)
    return drug.mg or 0.0


def _most(drug: Drug, mg: float) -> float:
    return float(math.floor(mg if drug.most_mg is None else min(mg, drug.most_mg)) or 1)


def doses_and_orders(
    draw: Random, figures: Figures, person: Person, release: Release, until: int
) -> tuple[tuple[Dose, ...], tuple[Order, ...]]:
    """Everything given and ordered until the discharge, first to last."""
    doses: list[Dose] = []
    orders: list[Order] = []
    before = figures.before_cells
    for name in before.drugs if person.product else ():
        doses += (_dose(figures, person, name, day * DAY + 2 * HOUR) for day in before.days)
    for at, name in release.gives:
        drug = figures.drugs[name]
        if drug.days is None:
            doses.append(_dose(figures, person, name, at))
            continue
        ends = min(at + minutes(draw, drug.days) * 24, until)
        every, route = _regimen(draw, figures, person, release.grade_at(at), name)
        doses += (_dose(figures, person, name, each, route) for each in range(at, ends, every))
        orders.append(Order(name, at - figures.ordered_before_minutes, ends, "crs"))
    doses += _against_fever(draw, figures, person, release, until)
    treated, for_fever = _antibiotics(draw, figures, person, release, until)
    orders += for_fever
    orders += (Order(each.drug, person.admitted + 6 * HOUR, until, each.reason) for each in figures.preventive)
    return tuple(sorted([*doses, *treated], key=lambda dose: dose.at)), tuple(sorted(orders, key=lambda o: o.at))


def _regimen(draw: Random, figures: Figures, person: Person, grade: int, name: str) -> tuple[int, str]:
    """Minutes between two doses, and the route."""
    drug = figures.drugs[name]
    if name != ANAKINRA:
        return round(between(draw, drug.every or (24, 24))) * HOUR, drug.route
    often = person.child or grade >= _SEVERE
    every = figures.severe_anakinra_every if often else figures.mild_anakinra_every
    return round(every * HOUR), "intravenous" if grade >= _SEVERE else drug.route


def _dose(figures: Figures, person: Person, name: str, at: int, route: str = "") -> Dose:
    drug = figures.drugs[name]
    return Dose(name, at, at + drug.lasts_minutes, mg_of(drug, person), route or drug.route)


def _against_fever(draw: Random, figures: Figures, person: Person, release: Release, until: int) -> Iterator[Dose]:
    if not release.stretches or draw.random() >= figures.antipyretic_share:
        return
    every = round(between(draw, figures.drugs["acetaminophen"].every or (6, 8)) * HOUR)
    first, ends = release.stretches[0].begins + 30, min(release.stretches[-1].ends, until)
    for at in range(first, ends, every):
        yield _dose(figures, person, "acetaminophen", at)


def _antibiotics(
    draw: Random, figures: Figures, person: Person, release: Release, until: int
) -> tuple[list[Dose], list[Order]]:
    told = figures.antibiotic_at_fever
    drug = figures.drugs[told.drug]
    if not release.stretches or drug.every is None or drug.days is None or draw.random() >= told.share:
        return [], []
    begins = release.stretches[0].begins + minutes(draw, told.after)
    ends = min(begins + minutes(draw, drug.days) * 24, until)
    every = round(between(draw, drug.every)) * HOUR
    doses = [_dose(figures, person, told.drug, at) for at in range(begins, ends, every)]
    return doses, [Order(told.drug, begins - figures.ordered_before_minutes, ends, told.reason)]
