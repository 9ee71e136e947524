"""Who a synthetic patient is."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta, tzinfo
from itertools import pairwise
from random import Random
from typing import Final

from cds_service.tools.synth.course import DAY, Person
from cds_service.tools.synth.draws import between, pick, whole
from cds_service.tools.synth.figure_parts import Plot, Range
from cds_service.tools.synth.figures import Figures

_YEAR_DAYS: Final = 365.25


def person(
    draw: Random, figures: Figures, plot: Plot, patient_id: str, number: int, *, child: bool, zone: tzinfo
) -> Person:
    """One person, infused on a day of the calendar at an hour of `zone`. `child` is drawn before: some plots are of
    adults only."""
    kind = "child" if child else "adult"
    age = whole(draw, next(people.age for people in figures.people if people.name == kind))
    female = draw.random() < figures.female_share
    weights = figures.weights
    factor = between(draw, weights.child_factor if child else weights.factor)
    typical = _on_line(weights.female if female else weights.male, age)
    product = pick(draw, [each for each in figures.products if kind in each.people])
    calendar = figures.calendar
    day = calendar.first + timedelta(days=int(draw.random() * calendar.days))
    hour = between(draw, calendar.infusion_hour)
    zero = datetime.combine(day, time(tzinfo=zone)) + timedelta(minutes=round(hour * 60))
    return Person(
        id=patient_id,
        number=number,
        child=child,
        age=age,
        # Never near a birthday: an age in years stays the same through the whole course.
        born=_born(day, age, 40 + int(draw.random() * 200)),
        female=female,
        weight=round(typical * factor, 1),
        product=product.name if plot.cells else "",
        disease=product.disease if plot.cells else "lymphoma",
        zero=zero,
        admitted=-round(between(draw, calendar.admitted_days_before) * DAY),
    )


def _born(day: date, age: int, days_before: int) -> date:
    return day - timedelta(days=round(age * _YEAR_DAYS) + days_before)


def _on_line(points: tuple[Range, ...], age: float) -> float:
    for (x, y), (next_x, next_y) in pairwise(points):
        if age <= next_x:
            return y + (next_y - y) * (age - x) / (next_x - x)
    return points[-1][1]
