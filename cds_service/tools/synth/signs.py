"""Vital signs, set by set, as the true state of a patient gives them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Final, Literal

from cds_service.tools.synth.course import HOUR, Person, SignSet, Stretch
from cds_service.tools.synth.draws import between, by_age, minutes
from cds_service.tools.synth.figure_findings import ByAge, Signs
from cds_service.tools.synth.figure_parts import Range, Support
from cds_service.tools.synth.figures import Figures

_AFTER_CELLS: Final = 15
_PLAIN: Final = Support(name="", grade=0, source="")
_GRADES: Final[tuple[Literal["0", "1", "2", "3", "4"], ...]] = ("0", "1", "2", "3", "4")


@dataclass(frozen=True, slots=True)
class State:
    """What vital signs follow from: grades over time, and since when fever may be masked."""

    stretches: tuple[Stretch, ...]
    masked_since: int | None

    def at(self, at: int) -> Stretch | None:
        """The stretch of a time."""
        return next((s for s in self.stretches if s.begins <= at < s.ends), None)

    def next_change(self, at: int) -> int | None:
        """When the next stretch begins or ends."""
        times = [time for s in self.stretches for time in (s.begins, s.ends) if time > at]
        return min(times, default=None)


def sign_sets(
    draw: Random, figures: Figures, person: Person, state: State, stays: tuple[tuple[int, int], ...]
) -> Iterator[SignSet]:
    """The sets of all stays, first to last. Whatever changes is measured within the hour."""
    for admitted, discharged in stays:
        at = admitted + minutes(draw, (0.3, 1.5))
        while at < discharged:
            yield _set(draw, figures, person, state, at)
            at = _next(draw, figures.signs, state, at)


def _next(draw: Random, signs: Signs, state: State, at: int) -> int:
    stretch = state.at(at)
    if at < 0:
        return min(at + round(signs.before_cells_every * HOUR), _AFTER_CELLS)
    quiet = stretch is None and at > signs.quiet_after * HOUR
    planned = at + minutes(draw, signs.quiet_every if quiet else signs.every[_GRADES[stretch.grade if stretch else 0]])
    change = state.next_change(at)
    return planned if change is None or planned <= change else change + 5 + int(draw.random() * 30)


def _set(draw: Random, figures: Figures, person: Person, state: State, at: int) -> SignSet:
    signs, stretch = figures.signs, state.at(at)
    support = figures.support(stretch.support) if stretch else _PLAIN
    systolic = round(_systolic(draw, signs, person, support))
    return SignSet(
        at=at,
        temperature=round(between(draw, _temperature(signs, state, at)), 1),
        systolic=systolic,
        diastolic=round(systolic * between(draw, signs.diastolic_share)),
        saturation=round(between(draw, signs.saturation_on_oxygen if support.device else signs.saturation)),
        device=support.device,
        flow=stretch.flow if stretch else 0.0,
    )


def _temperature(signs: Signs, state: State, at: int) -> Range:
    if state.at(at) is None:
        return signs.afebrile
    return signs.masked if state.masked_since is not None and at > state.masked_since else signs.fever


def _systolic(draw: Random, signs: Signs, person: Person, support: Support) -> float:
    child: dict[str, ByAge] = {
        "normal": signs.child_systolic, "low": signs.child_systolic_low, "held": signs.child_systolic_held,
    }  # fmt: skip
    adult: dict[str, Range] = {"normal": signs.systolic, "low": signs.systolic_low, "held": signs.systolic_held}
    if person.child:
        return by_age(draw, child[support.pressure], person.age)
    return between(draw, adult[support.pressure])
