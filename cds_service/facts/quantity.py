"""Numbers of Observations: in the unit of their analyte, newest first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from cds_service.chart.resource import Resource
from cds_service.chart.units import Bounded, Converted, number_of
from cds_service.facts.model import Reading


def newest_first(resources: Iterable[Resource]) -> list[Resource]:
    """By time, newest first. Of two at the same time the lower value comes first: it is the safer reading of a
    count, a weight or a clearance; without values the reference decides, so the order of a Bundle never does."""
    return sorted(resources, key=lambda resource: resource.remember("newest first", _place))


def _place(resource: Resource) -> tuple[float, float, str]:
    start = resource.when.start.timestamp() if resource.when else 0.0
    quantity = resource.raw.get("valueQuantity")
    value = quantity.get("value") if isinstance(quantity, Mapping) else None
    return -start, number_of(value) or 0.0, resource.ref


def quantity_of(resource: Resource, reading: Reading, analyte: str, *, adult: bool | None = None) -> Converted | str:
    """An Observation's value in its analyte's unit, or why it cannot be used."""
    return resource.remember(("quantity", analyte, adult), lambda r: _quantity(r, reading, analyte, adult))


def bound_of(resource: Resource, reading: Reading, analyte: str) -> Bounded | None:
    """What an Observation says of a value that it does not state: by a comparator, or in words such as "<60"."""
    return resource.remember(("bound", analyte), lambda r: _bound(r, reading, analyte))


def _bound(resource: Resource, reading: Reading, analyte: str) -> Bounded | None:
    if resource.problem:
        return None
    quantity = resource.raw.get("valueQuantity")
    if not isinstance(quantity, Mapping):
        return reading.units[analyte].bound_of(resource.text("valueString"))
    found = reading.units[analyte].convert(quantity)
    return found if isinstance(found, Bounded) else None


def _quantity(resource: Resource, reading: Reading, analyte: str, adult: bool | None) -> Converted | str:
    if resource.problem:
        return resource.problem
    quantity = resource.raw.get("valueQuantity")
    if not isinstance(quantity, Mapping):
        bound = bound_of(resource, reading, analyte)
        return bound.why if bound is not None else "no valueQuantity"
    converted = reading.units[analyte].convert(quantity, adult=adult)
    return converted if isinstance(converted, Converted) else converted.why
