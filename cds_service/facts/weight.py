"""The newest body weight, and whether it is current enough: a child's weight is never estimated and never old."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta

from msgspec.structs import replace

from cds_service.chart.figures import rounded
from cds_service.chart.resource import Resource
from cds_service.chart.units import Converted
from cds_service.chart.vocabulary import Matcher, concept
from cds_service.facts.model import Fact, Facts, Reading, unknown
from cds_service.facts.observed import components_of, how_of, value_of
from cds_service.facts.quantity import newest_first, quantity_of
from cds_service.knowledge.model import BodyWeight


def facts(given: BodyWeight, reading: Reading, known: Facts) -> Iterator[Fact]:
    """`weight`, and `current`: whether it is current enough for a child's dose."""
    yield from _weight(given, reading, known[given.child])


def _weight(given: BodyWeight, reading: Reading, child: Fact) -> tuple[Fact, Fact]:
    """The newest usable weight, and whether it is current enough for a child's dose."""
    adult = child.value is False
    hours = reading.windows[given.adult_within if adult else given.child_within]
    weighed = reading.in_status(given.status, given.weights, reading.terms[given.in_])
    found = newest_first(r for r in weighed if reading.past(r))
    bad: list[str] = []
    for resource in found:
        value = _value(given, resource, reading, adult)
        if isinstance(value, str):
            bad.append(f"{resource.ref}: {value}")
            continue
        assert resource.when is not None
        if why := _jump(given, resource, value.value, found, reading, adult):
            jumped = unknown("weight", why, as_of=resource.when.start, sources=(resource.ref,), unusable=tuple(bad))
            return jumped, _current(child, False, resource, why)
        notes = (f"converted from {value.written}",) if value.written else ()
        if reading.within(resource, hours):
            fact = Fact(
                "weight", value.value, "kg", resource.when.start, (resource.ref,), notes=notes, unusable=tuple(bad)
            )
            until = resource.when.end + timedelta(hours=hours)
            return fact, replace(_current(child, True, resource, ""), until=None if adult else until)
        days = resource.when.hours_before(reading.now) / 24
        why = f"newest weight {rounded(value.value)} kg is {days:.0f} days old; a current weight is needed"
        stale = unknown("weight", why, as_of=resource.when.start, sources=(resource.ref,), unusable=tuple(bad))
        return stale, _current(child, False, resource, why)
    gaps = "; ".join(reading.chart.gaps((given.weights,)))
    why = "no usable weight" if bad else gaps or "no weight recorded"
    return unknown("weight", why, unusable=tuple(bad)), _current(
        child, False, None, f"{why}; a current weight is needed"
    )


def _value(given: BodyWeight, resource: Resource, reading: Reading, adult: bool) -> Converted | str:
    """Kilograms, or why they cannot be used: an adult's may be estimated, a child's never (the dose goes by it)."""
    if not adult and (how := _not_measured(resource, reading.terms[given.not_measured])):
        return f"not measured ({how})"
    return quantity_of(resource, reading, given.analyte, adult=adult)


def _not_measured(resource: Resource, words: Matcher) -> str:
    """The words by which a weight says that nobody measured it; "" where it does not."""
    notes = resource.raw.get("note")
    written = [note.get("text") for note in notes if isinstance(note, Mapping)] if isinstance(notes, list) else []
    found = (resource.concept, *how_of(resource), *map(value_of, components_of(resource)))
    told = (*found, *(concept({"text": text}) for text in written))
    return next((said.label for said in told if words.matches(said)), "")


def _jump(
    given: BodyWeight, newest: Resource, kilograms: float, found: list[Resource], reading: Reading, adult: bool
) -> str:
    """Why a weight is not used that differs too much from the one before: one may be in another unit. A child's is not
    used either where the one before was not read."""
    assert newest.when is not None
    reach = newest.when.start - timedelta(hours=reading.windows[given.jump_within])
    for other in found:
        if other.when is None or other.when == newest.when or other.when.start > newest.when.start:
            continue
        if other.when.end < reach:
            break
        value = _value(given, other, reading, adult)
        if isinstance(value, str):
            continue
        limit = reading.policies[given.jump]
        if abs(kilograms - value.value) / value.value * 100 <= limit + 1e-9:
            return ""
        return f"weight {rounded(kilograms)} kg differs by more than {limit:g} % from {rounded(value.value)} kg before"
    gaps = () if adult else reading.chart.gaps((given.weights,))
    return f"whether the weight differs from the one before is not known: {'; '.join(gaps)}" if gaps else ""


def _current(child: Fact, value: bool, resource: Resource | None, why: str) -> Fact:
    sources = (resource.ref,) if resource else ()
    if child.value is False:
        return Fact("current", True, text="not needed for an adult")
    if value:
        return Fact("current", True, sources=sources)
    return unknown("current", why, sources=sources)
