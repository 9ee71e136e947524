"""For how long an order says that it runs: a bound of each instruction, or one of the whole order; never guessed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from cds_service.chart.times import parse_when
from cds_service.chart.units import number_of
from cds_service.facts.dosage import PERIOD_HOURS, per_day
from cds_service.facts.exists import Find
from cds_service.facts.model import Fact, Facts, Reading, unknown

Json = Mapping[str, Any]
# A unit in words, where the UCUM code was left out.
_WORDS = {"hour": "h", "day": "d", "week": "wk", "month": "mo"}


def days(name: str, drug: str, unit: str) -> Find:
    """Days until the last draft of the drug ends; unknown where one of them states no end."""

    def find(reading: Reading, known: Facts) -> Fact:
        drafts = reading.order.of_kind(drug)
        sources = tuple(d.resource.ref for d in drafts)
        ends = [_days(d.resource.raw, reading.now) for d in drafts]
        open_ = tuple(d.resource.ref for d, end in zip(drafts, ends, strict=True) if end is None)
        if not drafts or open_:
            return unknown(name, "no end is stated" if drafts else "no such draft", sources=open_)
        return Fact(name, max(end for end in ends if end is not None), unit, sources=sources)

    return find


def _days(request: Json, now: datetime) -> float | None:
    """Days until an order ends: where its instructions say so, all of them, the last; else as the order says."""
    written = request.get("dosageInstruction")
    instructions = [i for i in written if isinstance(i, Mapping)] if isinstance(written, list) else []
    ends = [_of_instruction(instruction, now) for instruction in instructions]
    stated = [end for end in ends if end is not None]
    if stated and len(stated) == len(ends):
        return max(stated)
    dispense = _member(request, "dispenseRequest")
    whole = (_duration(dispense.get("expectedSupplyDuration")), _until(dispense.get("validityPeriod"), now))
    return max((end for end in whole if end is not None), default=None)


def _of_instruction(instruction: Json, now: datetime) -> float | None:
    """FHIR R4 Timing.repeat: bounds[x], or how often it is done in all."""
    timing = instruction.get("timing")
    repeat = _member(timing, "repeat") if isinstance(timing, Mapping) else {}
    return next((end for end in _bounds(repeat, timing, now) if end is not None), None)


def _bounds(repeat: Json, timing: object, now: datetime) -> Iterator[float | None]:
    yield _duration(repeat.get("boundsDuration"))
    yield _duration(_member(repeat, "boundsRange").get("high"))
    yield _until(repeat.get("boundsPeriod"), now)
    count, often = number_of(repeat.get("countMax") or repeat.get("count")), per_day(timing)
    yield count / often if count and count > 0 and often else None


def _duration(value: object) -> float | None:
    """A Quantity of time in days."""
    if not isinstance(value, Mapping):
        return None
    number, written = number_of(value.get("value")), str(value.get("code") or value.get("unit"))
    unit = _WORDS.get(written.lower().removesuffix("s"), written)
    return number * PERIOD_HOURS[unit] / 24 if number and number > 0 and unit in PERIOD_HOURS else None


def _until(period: object, now: datetime) -> float | None:
    """From now to the end of a Period; what has ended already ends now."""
    end = period.get("end") if isinstance(period, Mapping) else None
    when = parse_when(end) if isinstance(end, str) else None
    return max((when.end - now).total_seconds() / 86400, 0.0) if when else None


def _member(owner: Json, name: str) -> Json:
    value = owner.get(name)
    return value if isinstance(value, Mapping) else {}
