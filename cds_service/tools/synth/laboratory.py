"""Laboratory values, once a day, and weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Final, Literal

from cds_service.tools.synth.course import DAY, HOUR, Lab, Person
from cds_service.tools.synth.draws import between, minutes, whole
from cds_service.tools.synth.figure_findings import Count, Labs, Marker
from cds_service.tools.synth.figures import Figures
from cds_service.tools.synth.release import Release

_Worst = Literal["0", "1", "2", "3", "4"]
_GRADES: Final[tuple[_Worst, ...]] = ("0", "1", "2", "3", "4")
_MARKERS: Final = ("ferritin", "crp", "fibrinogen", "alt", "ast")
_COUNTS: Final = ("neutrophils", "platelets")
Course = Callable[[float], float]
"""A value by the minute of the course."""


@dataclass(frozen=True, slots=True)
class Kidney:
    """A patient's creatinine in mg/dL: plain, and how many times that from one time until another.

    `failing`: severely reduced for long."""

    plain: float
    failing: bool = False
    factor: float = 1.0
    begins: int = 0
    ends: int = 0

    def at(self, at: float) -> float:
        """Creatinine at a time."""
        return self.plain * (self.factor if self.begins <= at < self.ends else 1)


def kidney(draw: Random, figures: Figures, person: Person, release: Release) -> Kidney:
    """Kidneys of one person: plain, failing already, or injured with severe cytokine release."""
    kidneys = figures.kidneys
    if person.child:
        return Kidney(between(draw, kidneys.child_creatinine))
    severe = draw.random() < kidneys.severe_share
    clearance = between(draw, kidneys.severe if severe else kidneys.plain)
    formula = kidneys.cockcroft_gault
    plain = (formula.years - person.age) * person.weight / (formula.divisor * clearance)
    plain *= formula.female if person.female else 1
    worst = release.worst
    if severe or worst is None or worst.grade < kidneys.injury_from_grade or draw.random() >= kidneys.injury_share:
        return Kidney(plain, severe)
    return Kidney(
        plain,
        severe,
        between(draw, kidneys.injury_factor),
        worst.begins,
        worst.ends + round(kidneys.injury_lasts_hours * HOUR),
    )


def labs(
    draw: Random,
    figures: Figures,
    person: Person,
    release: Release,
    creatinine: Kidney,
    iec_hs: int | None,
    stays: tuple[tuple[int, int], ...],
) -> Iterator[Lab]:
    """The values of each day of all stays, first to last. `iec_hs` is when that was confirmed."""
    figure = figures.labs
    courses: dict[str, Course] = {name: _marker(draw, figure, getattr(figure, name), release) for name in _MARKERS}
    courses |= {name: _count(draw, getattr(figure, name), bool(person.product)) for name in _COUNTS}
    courses["creatinine"] = creatinine.at
    digits = {name: getattr(figure, name).digits for name in courses if name != "creatinine"} | {"creatinine": 2}
    striking = _striking(draw, figures)
    before, after = figures.iec_hs.lasts_days
    lasts = None if iec_hs is None else (iec_hs - before * DAY, iec_hs + after * DAY)
    morning = -(person.zero.hour * HOUR + person.zero.minute)
    for at in _mornings(draw, figure, morning, stays):
        for name, course in courses.items():
            if draw.random() < figure.missed_share:
                continue
            told = striking.get(name) if lasts is not None and lasts[0] < at < lasts[1] else None
            yield Lab(name, at, round(course(at) if told is None else told, digits[name]))


def _mornings(draw: Random, labs: Labs, midnight: int, stays: tuple[tuple[int, int], ...]) -> Iterator[int]:
    for admitted, discharged in stays:
        first = max(admitted, labs.first_day * DAY)
        for at in range(midnight + (first - midnight) // DAY * DAY, discharged, DAY):
            drawn = at + minutes(draw, labs.hour)
            if first <= drawn < discharged:
                yield drawn


def _marker(draw: Random, labs: Labs, marker: Marker, release: Release) -> Course:
    plain, worst = between(draw, marker.plain), release.worst
    if worst is None:
        return lambda at: plain
    peak = between(draw, marker.peak[_GRADES[worst.grade]])
    onset, top = release.stretches[0].begins, worst.begins + labs.rise_hours * HOUR

    def course(at: float) -> float:
        if at <= onset:
            return plain
        if at <= top:
            return plain + (peak - plain) * (at - onset) / (top - onset)
        return plain + (peak - plain) * float(0.5 ** ((at - top) / (labs.halved_hours * HOUR)))

    return course


def _count(draw: Random, count: Count, depleted: bool) -> Course:
    plain, lowest = between(draw, count.plain), between(draw, count.lowest)
    down, up = whole(draw, count.lowest_days) * DAY, whole(draw, count.recovered_days) * DAY
    began = -4 * DAY

    def course(at: float) -> float:
        if not depleted or at <= began:
            return plain
        if at <= down:
            return plain + (lowest - plain) * (at - began) / (down - began)
        return lowest + (plain - lowest) * min(1.0, (at - down) / max(up - down, DAY))

    return course


def _striking(draw: Random, figures: Figures) -> dict[str, float]:
    """The values of IEC-HS."""
    told = figures.iec_hs
    enzyme = between(draw, told.transaminase)
    return {
        "ferritin": between(draw, told.ferritin),
        "fibrinogen": between(draw, told.fibrinogen),
        "alt": enzyme,
        "ast": enzyme * 1.2,
    }


def weights(draw: Random, figures: Figures, person: Person, stays: tuple[tuple[int, int], ...]) -> Iterator[Lab]:
    """Weights in kg every few days; of some children the last was days ago."""
    figure = figures.weighing
    missed = person.child and draw.random() < figure.child_missed_share
    if missed:
        yield Lab("weight", -minutes(draw, figure.missed_before) * 24, person.weight)
        return
    for admitted, discharged in stays:
        for at in range(admitted + HOUR, discharged, figure.every_days * DAY):
            kg = person.weight * (1 + figure.drift * (2 * draw.random() - 1))
            yield Lab("weight", at, round(kg, 1))
