"""Vital signs and organ support at a moment: what an ASTCT grade is derived from.

Everything is the worst of the window before the moment; what was not observed stays unobserved.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from cds_service.chart.resource import Resource
from cds_service.chart.units import Bounded, Converted
from cds_service.facts.infusions import Running, running_at
from cds_service.facts.model import Reading
from cds_service.facts.observed import parts_of
from cds_service.facts.oxygen import Breathing, breathing
from cds_service.facts.quantity import bound_of, quantity_of
from cds_service.knowledge.model import CrsGrade, Quantity

# The value that one which is only bounded stands for; None where it stands for none.
FromBound = Callable[[Bounded], float | None]


@dataclass(frozen=True, slots=True)
class Support:
    """The worst of the window. None means not observed.

    `oxygen_observed` is whether the whole oxygen need is known, `hypoxic` whether saturation is low without support;
    `unusable` are records that could not be used.
    """

    temperature: float | None
    systolic: float | None
    oxygen: Breathing
    oxygen_observed: bool
    hypoxic: bool
    drugs: Running
    fever_masked: bool
    sources: tuple[str, ...]
    unusable: tuple[str, ...]

    @property
    def pressors(self) -> bool:
        """Whether any vasopressor runs, counted or not."""
        return bool(self.drugs.vasopressors or self.drugs.uncounted)


@dataclass(frozen=True, slots=True)
class Value:
    """One measured value in the unit of its analyte, when it was measured, and the record that holds it."""

    value: float
    at: datetime
    ref: str


def support_at(given: CrsGrade, moment: datetime, reading: Reading, since: datetime | None) -> Support:
    """Vital signs and support in the window that ends at `moment`; `since` is the infusion."""
    low = moment - timedelta(hours=reading.windows[given.within])
    # Clocks differ: what is dated a little later belongs to the moment.
    high = moment + timedelta(hours=reading.windows[given.vasopressors.clock_tolerance])
    vitals = [r for r in reading.in_status(given.final, given.vitals) if between(r, low, high)]
    bad: list[str] = []
    used: list[str] = []

    def values(what: Quantity, bound: FromBound = _nothing) -> list[Value]:
        return values_of(vitals, what, reading, used, bad, bound)

    temperature = max((v.value for v in values(given.temperature)), default=None)
    systolic = _pressure(given, values(given.systolic, _lower_of(reading.policies[given.hypotension])), reading)
    saturation = [v.value for v in values(given.saturation)]
    oxygen = breathing(given, low, high, reading)
    # Hypoxia with no support recorded: the oxygen need is not known.
    hypoxic = bool(saturation) and min(saturation) < reading.policies[given.hypoxia] and not oxygen.grade
    drugs = running_at(given, moment, reading)
    sources = (*used, *oxygen.sources, *drugs.sources)
    return Support(
        temperature=temperature,
        systolic=systolic,
        oxygen=oxygen,
        oxygen_observed=(bool(saturation) or oxygen.observed) and not (hypoxic or oxygen.puzzles or oxygen.at_least),
        hypoxic=hypoxic,
        drugs=drugs,
        fever_masked=_fever_masked(given, moment, reading),
        sources=tuple(dict.fromkeys(sources)),
        unusable=(*bad, *(str(p) for p in oxygen.puzzles), *drugs.doubtful),
    )


def between(resource: Resource, low: datetime, high: datetime) -> bool:
    """Dated, and possibly no earlier and no later than these."""
    when = resource.when
    return when is not None and when.end >= low and when.start <= high


def _lower_of(limit: float) -> FromBound:
    """The value that a bound stands for where being lower is worse: the bound itself where it decides."""

    def value(bound: Bounded) -> float | None:
        if bound.most is not None and bound.most < limit:
            return bound.most
        return bound.least if bound.least is not None and bound.least >= limit else None

    return value


def _nothing(bound: Bounded) -> float | None:
    return None


def values_of(
    vitals: Iterable[Resource],
    what: Quantity,
    reading: Reading,
    used: list[str],
    bad: list[str],
    bound: FromBound = _nothing,
) -> list[Value]:
    """Usable values of the Observations and of their components; `bound` gives those that are only bounded."""
    found = []
    matcher = reading.terms[what.in_]
    for resource in vitals:
        for part in parts_of(resource):
            if not part.matches(matcher) or (part is resource and _is_panel(resource)):
                continue
            value = resource.problem or quantity_of(part, reading, what.analyte)
            limits = bound_of(part, reading, what.analyte) if isinstance(value, str) else None
            number = value.value if isinstance(value, Converted) else bound(limits) if limits else None
            if number is None:
                bad.append(f"{resource.ref}: {value}")
            elif resource.when is not None:
                used.append(resource.ref)
                found.append(Value(number, resource.when.start, resource.ref))
    return found


def _is_panel(resource: Resource) -> bool:
    """A record whose values stand in its components only."""
    return "component" in resource.raw and "valueQuantity" not in resource.raw


def _pressure(given: CrsGrade, values: list[Value], reading: Reading) -> float | None:
    """The lowest pressure, however it was measured; a single low one that the next minutes contradict is none."""
    limit = reading.policies[given.hypotension]
    reach = timedelta(hours=reading.windows[given.contradicted_within])
    low = [v for v in values if v.value < limit]
    if len(low) == 1 and any(v.value >= limit and low[0].at < v.at <= low[0].at + reach for v in values):
        values = [v for v in values if v is not low[0]]
    return min((v.value for v in values), default=None)


def _fever_masked(given: CrsGrade, moment: datetime, reading: Reading) -> bool:
    """A drug that lowers fever was given, and may still do so: fever is no longer required."""
    return any(
        reading.is_(mask.status, drug)
        and drug.when.start <= moment
        and drug.when.end >= moment - timedelta(hours=hours)
        for mask in given.fever_masked_by
        for hours in (reading.windows[mask.within],)
        for drug in reading.chart.matching((given.administrations,), *(reading.terms[name] for name in mask.in_))
        if drug.when is not None
    )
