"""Facts about measured values: the newest, its rise, fall or multiple of a limit, and the sum of amounts given."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta

from cds_service.chart.figures import rounded
from cds_service.chart.resource import Resource
from cds_service.chart.units import ONLY, Bounded, Converted, number_of
from cds_service.facts.exists import Find, unresolved_drugs
from cds_service.facts.model import Fact, Facts, Reading, refs, unknown
from cds_service.facts.quantity import bound_of, newest_first, quantity_of
from cds_service.facts.select import Selections
from cds_service.knowledge.model import Measured, MeasuredIn


class _Values:
    """The records of one `Measured`, resolved: of the value sets and the status, not in the future, newest first."""

    def __init__(self, measured: Measured, select: Selections) -> None:
        self.query = (measured.from_,)
        self.hours = select.windows[measured.within]
        self._matchers = select.matchers(measured.in_)
        self._status = measured.status

    def given(self, reading: Reading) -> Sequence[Resource]:
        """Records of the status, whenever they were."""
        return reading.in_status(self._status, *self.query, *self._matchers)

    def newest_first(self, reading: Reading) -> list[Resource]:
        """Records of the status that are not in the future."""
        return newest_first(r for r in self.given(reading) if reading.past(r))

    def unresolved(self, reading: Reading) -> tuple[str, ...]:
        """Records in time whose drug is not known."""
        return unresolved_drugs(reading, self.query, reach=tuple((query, self.hours) for query in self.query))

    def nothing(self, name: str, reading: Reading, bad: list[str], when: str = "") -> Fact:
        """Unknown, because no value can be used, the read has gaps, or none was recorded (in time)."""
        gaps = "; ".join(reading.chart.gaps(self.query))
        return unknown(name, f"no usable value{when}" if bad else gaps or f"none recorded{when}", unusable=tuple(bad))


def all_values(measured: MeasuredIn, reading: Reading) -> Iterator[tuple[Resource, Converted | Bounded | str]]:
    """Every value that `newest` may take, newest first: in the analyte's unit, only bounded, or why it is not used."""
    return _each(_Values(measured, reading.select), measured.analyte, reading)


def _each(values: _Values, analyte: str, reading: Reading) -> Iterator[tuple[Resource, Converted | Bounded | str]]:
    for resource in values.newest_first(reading):
        value = quantity_of(resource, reading, analyte)
        yield resource, (bound_of(resource, reading, analyte) or value) if isinstance(value, str) else value


def newest(name: str, measured: MeasuredIn, unit: str, select: Selections) -> Find:
    """The newest value in the analyte's unit; unknown where it is stale or cannot be used."""
    values = _Values(measured, select)

    def find(reading: Reading, known: Facts) -> Fact:
        bad: list[str] = []
        for resource, value in _each(values, measured.analyte, reading):
            if isinstance(value, Bounded) and reading.within(resource, values.hours):
                return _bounded(name, value, unit, resource, bad)
            if not isinstance(value, Converted):
                bad.append(f"{resource.ref}: {value.why if isinstance(value, Bounded) else value}")
                continue
            assert resource.when is not None
            notes = (f"converted from {value.written}",) if value.written else ()
            more = {"as_of": resource.when.start, "sources": (resource.ref,), "notes": notes, "unusable": tuple(bad)}
            if not reading.within(resource, values.hours):
                hours = resource.when.hours_before(reading.now)
                printed = reading.units[measured.analyte].printed(value.value)
                return unknown(name, f"newest value {printed} is {hours:.0f} h old (stale)", **more)
            return Fact(name, value.value, value.unit, **more)  # type: ignore[arg-type]
        return values.nothing(name, reading, bad)

    return find


def _bounded(name: str, bound: Bounded, unit: str, resource: Resource, bad: list[str]) -> Fact:
    """A number of which only the least or the most is known: rules that this decides are decided."""
    more = {"sources": (resource.ref,), "unusable": tuple(bad), "text": bound.why.removeprefix(ONLY)}
    at = resource.when.start if resource.when else None
    return unknown(name, bound.why, as_of=at, unit=unit, least=bound.least, most=bound.most, **more)


def times_upper_limit(name: str, measured: Measured, unit: str, select: Selections) -> Find:
    """The newest value as a multiple of the upper limit that its own reference range states.

    Unknown where the newest value is stale, or where its range has no upper limit in the same unit.
    """
    values = _Values(measured, select)

    def find(reading: Reading, known: Facts) -> Fact:
        found = values.newest_first(reading)
        bad: list[str] = []
        for resource in found:
            share = _share(resource)
            if isinstance(share, str):
                bound = _bounded_share(resource)
                if bound is not None and reading.within(resource, values.hours):
                    return _bounded(name, bound, unit, resource, bad)
                bad.append(f"{resource.ref}: {share}")
                continue
            assert resource.when is not None
            if not reading.within(resource, values.hours):
                break
            # Of several at the newest time the highest counts: it is the safer reading of an enzyme.
            same = [s for r in found if r.when == resource.when and not isinstance(s := _share(r), str)]
            sources = tuple(r.ref for r in found if r.when == resource.when)
            return Fact(name, max(same), unit, resource.when.start, sources, unusable=tuple(bad))
        return values.nothing(name, reading, bad, " in time")

    return find


def _bounded_share(resource: Resource) -> Bounded | None:
    """What a value with a comparator says of its multiple of the upper limit."""
    value = resource.raw.get("valueQuantity")
    sign = value.get("comparator") if isinstance(value, Mapping) else None
    if not isinstance(value, Mapping) or sign not in ("<", "<=", ">", ">="):
        return None
    exact = {k: v for k, v in value.items() if k != "comparator"}
    share = _share(Resource({**resource.raw, "valueQuantity": exact}))
    if isinstance(share, str):
        return None
    why = f"{ONLY}{sign}{share:.3g} times its upper limit"
    return Bounded(why, least=share) if sign[0] == ">" else Bounded(why, most=share)


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


def rise(name: str, measured: MeasuredIn, unit: str, select: Selections) -> Find:
    """The newest value over the lowest one in the window before it; unknown with fewer than two values."""
    return _against(name, measured, unit, select, min, lambda latest, lowest: latest / lowest)


def increase(name: str, measured: MeasuredIn, unit: str, select: Selections) -> Find:
    """The newest value less the lowest one in the window before it; unknown with fewer than two values."""
    return _against(name, measured, unit, select, min, lambda latest, lowest: latest - lowest)


def fall(name: str, measured: MeasuredIn, unit: str, select: Selections) -> Find:
    """By how many per cent the newest value lies below the highest one in the window before it, at least 0; unknown
    with fewer than two values."""
    return _against(name, measured, unit, select, max, lambda latest, highest: max(1 - latest / highest, 0.0) * 100)


def _against(
    name: str,
    measured: MeasuredIn,
    unit: str,
    select: Selections,
    extreme: Callable[..., tuple[Resource, float]],
    compare: Callable[[float, float], float],
) -> Find:
    values = _Values(measured, select)
    window = timedelta(hours=values.hours)

    def find(reading: Reading, known: Facts) -> Fact:
        usable, bad = _usable(values.newest_first(reading), reading, measured.analyte)
        if not usable or usable[0][0].when is None or not reading.within(usable[0][0], values.hours):
            return values.nothing(name, reading, bad, " in time" if not bad else "")
        when = usable[0][0].when
        # Of several at the newest time the one that lies farthest from what was before.
        latest = (max if extreme is min else min)(value for r, value in usable if r.when == when)
        before = [(r, v) for r, v in usable if r.when and r.when != when and r.when.end >= when.start - window]
        if not before:
            return unknown(name, "no earlier value in the window", as_of=when.start, unusable=tuple(bad))
        resource, other = extreme(before, key=lambda pair: pair[1])
        sources = (usable[0][0].ref, resource.ref)
        text = f"from {rounded(other)} to {rounded(latest)} {reading.units[measured.analyte].analyte.unit}"
        # 0.9 to 1.2 is a rise of 0.3, whatever binary fractions make of it.
        change = round(compare(latest, other), 9)
        return Fact(name, change, unit, when.start, sources, text=text, unusable=tuple(bad))

    return find


def _usable(found: list[Resource], reading: Reading, analyte: str) -> tuple[list[tuple[Resource, float]], list[str]]:
    values: list[tuple[Resource, float]] = []
    bad: list[str] = []
    for resource in found:
        value = quantity_of(resource, reading, analyte)
        if isinstance(value, str):
            bad.append(f"{resource.ref}: {value}")
        elif value.value > 0:
            values.append((resource, value.value))
    return values, bad


def total(name: str, measured: MeasuredIn, unit: str, select: Selections) -> Find:
    """The sum of what was given within the window; unknown where one record does not say how much, or when."""
    values = _Values(measured, select)

    def find(reading: Reading, known: Facts) -> Fact:
        found = [r for r in values.given(reading) if r.when is None or reading.within(r, values.hours)]
        if gaps := reading.chart.gaps(values.query) + values.unresolved(reading):
            return unknown(name, "; ".join(gaps))
        amounts = 0.0
        for record in found:
            dosage = record.raw.get("dosage")
            amount = dosage.get("dose") if isinstance(dosage, Mapping) else None
            converted = reading.units[measured.analyte].convert(amount) if isinstance(amount, Mapping) else None
            if record.problem or record.when is None or not isinstance(converted, Converted):
                return unknown(name, f"{record.ref}: no usable amount or time", sources=refs(found))
            amounts += converted.value
        return Fact(name, amounts, unit, sources=refs(found), text=f"{len(found)} records")

    return find
