"""Declared facts about how laboratory values compare: with their own upper limit, and with the values before them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta

from cds_service.chart.resource import Resource
from cds_service.chart.units import number_of
from cds_service.facts.declared import FINAL, newest_first, quantity_of
from cds_service.facts.model import Fact, Reading, unknown
from cds_service.knowledge.model import FactDefinition


def times_upper_limit(name: str, definition: FactDefinition, reading: Reading) -> Fact:
    """The newest value of a value set as a multiple of the upper limit that its own reference range states.

    Unknown where the newest value is stale, or where its range has no upper limit in the same unit.
    """
    found = _newest_first(definition, reading)
    bad: list[str] = []
    for resource in found:
        share = _share(resource)
        if isinstance(share, str):
            bad.append(f"{resource.ref}: {share}")
            continue
        assert resource.when is not None
        if not reading.within(resource, reading.windows[definition.max_age]):
            break
        # Of several at the newest time the highest counts: it is the safer reading of an enzyme.
        same = [s for r in found if r.when == resource.when and not isinstance(s := _share(r), str)]
        refs = tuple(r.ref for r in found if r.when == resource.when)
        return Fact(name, max(same), definition.unit, resource.when.start, refs, unusable=tuple(bad))
    gaps = "; ".join(reading.chart.gaps(definition.reads))
    return unknown(name, "no usable value in time" if bad else gaps or "none recorded in time", unusable=tuple(bad))


def _share(resource: Resource) -> float | str:
    """Value over upper limit, or why it cannot be told."""
    if resource.problem:
        return resource.problem
    value, ranges = resource.raw.get("valueQuantity"), resource.raw.get("referenceRange")
    high = ranges[0].get("high") if isinstance(ranges, list) and ranges and isinstance(ranges[0], Mapping) else None
    if not isinstance(value, Mapping):
        return "no valueQuantity"
    if not isinstance(high, Mapping):
        return "its reference range names no upper limit"
    limit, number = _number(high), _number(value)
    if value.get("comparator") or high.get("comparator") or number is None or not limit:
        return "no exact number beside its upper limit"
    # A range often leaves out the unit: it is then that of the value.
    units = {str(q["code"] if q.get("code") else q["unit"]) for q in (value, high) if q.get("code") or q.get("unit")}
    return number / limit if len(units) == 1 else "value and upper limit are not in one unit"


def _number(quantity: Mapping[str, object]) -> float | None:
    value = number_of(quantity.get("value"))
    return value if value is not None and value >= 0 else None


def quantity_rise(name: str, definition: FactDefinition, reading: Reading) -> Fact:
    """The newest value over the lowest one in the `maxAge` window before it; unknown with fewer than two values."""
    window = timedelta(hours=reading.windows[definition.max_age])
    values: list[tuple[Resource, float]] = []
    bad: list[str] = []
    for resource in _newest_first(definition, reading):
        value = quantity_of(resource, reading, definition.analyte)
        if isinstance(value, str):
            bad.append(f"{resource.ref}: {value}")
        elif value.value > 0:
            values.append((resource, value.value))
    if not values or values[0][0].when is None or not reading.within(values[0][0], reading.windows[definition.max_age]):
        gaps = "; ".join(reading.chart.gaps(definition.reads))
        return unknown(name, "no usable value" if bad else gaps or "none recorded in time", unusable=tuple(bad))
    newest = values[0][0].when
    latest = max(value for r, value in values if r.when == newest)
    before = [(r, v) for r, v in values if r.when and r.when != newest and r.when.end >= newest.start - window]
    if not before:
        return unknown(name, "no earlier value in the window", as_of=newest.start, unusable=tuple(bad))
    resource, lowest = min(before, key=lambda pair: pair[1])
    sources = (values[0][0].ref, resource.ref)
    text = f"from {lowest:g} to {latest:g} {reading.units[definition.analyte].analyte.unit}"
    return Fact(name, latest / lowest, definition.unit, newest.start, sources, text=text, unusable=tuple(bad))


def _newest_first(definition: FactDefinition, reading: Reading) -> list[Resource]:
    """Final values of the value set, newest first."""
    matcher = reading.terms[definition.source.target]
    matched = reading.chart.matching(definition.reads, matcher)
    return newest_first(r for r in matched if r.status in FINAL and reading.past(r))


MEASURED: Mapping[str, Callable[[str, FactDefinition, Reading], Fact]] = {
    "times_upper_limit": times_upper_limit,
    "quantity_rise": quantity_rise,
}
