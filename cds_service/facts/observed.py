"""What Observations say beside their code: their parts, words and numbers, wherever a chart writes them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from cds_service.chart.resource import Resource
from cds_service.chart.units import Converted, UnitTable
from cds_service.chart.vocabulary import Concept, concept

# HL7 data-absent-reason: the standard's codes for what nobody measured or asked. Any other reason hides a value.
_NOT_TAKEN = frozenset({"not-performed", "not-asked", "asked-declined", "not-applicable"})
_BARE = re.compile(r"\s*(\d{1,3}(?:[.,]\d{1,4})?)\s*(%?)\s*")
_WITH_UNIT = re.compile(r"(\d{1,6}(?:[.,]\d{1,6})?)\s?([^\W\d_]{1,12}(?:/[^\W\d_]{1,12})?|%)")


def parts_of(resource: Resource) -> tuple[Resource, ...]:
    """The Observation and each of its components as an Observation of its own: it has a code and a value like one."""
    return (resource, *components_of(resource))


def components_of(resource: Resource) -> tuple[Resource, ...]:
    """Each component as an Observation of its own."""
    return resource.remember("components", _components)


def _components(resource: Resource) -> tuple[Resource, ...]:
    written = resource.raw.get("component")
    if not written:
        return ()
    parts = [p for p in written if isinstance(p, Mapping)] if isinstance(written, list) else []
    shared = {k: resource.raw[k] for k in ("status",) if k in resource.raw}
    return tuple(Resource({"resourceType": "Observation", **shared, **part}) for part in parts)


def value_of(part: Resource) -> Concept:
    """The value in codes or words; an empty concept where it is a number, or where there is none."""
    written = part.raw.get("valueCodeableConcept")
    return concept(written if isinstance(written, dict) else {"text": part.text("valueString")})


def quantity_in(part: Resource) -> Mapping[str, Any] | None:
    """The number that is its value, whatever type it is of: of a range the upper end; a text that is nothing but a
    number, or one and "%"."""
    raw = part.raw
    found, span, whole = raw.get("valueQuantity"), raw.get("valueRange"), raw.get("valueInteger")
    if isinstance(span, Mapping):
        found = span.get("high") or span.get("low")
    elif whole is not None:
        found = {"value": whole}
    elif (written := _BARE.fullmatch(part.text("valueString"))) is not None:
        number, unit = written.groups()
        found = {"value": float(number.replace(",", ".")), "unit": unit}
    return found if isinstance(found, Mapping) else None


def is_taken(part: Resource) -> bool:
    """False where it says that nobody measured or asked."""
    return not {code for _, code in concept(part.raw.get("dataAbsentReason")).codes} & _NOT_TAKEN


def how_of(resource: Resource) -> tuple[Concept, ...]:
    """By what method and device it was measured."""
    raw = resource.raw
    if "device" not in raw and "method" not in raw:
        return ()
    device = raw.get("device")
    named = concept({"text": device.get("display")}) if isinstance(device, Mapping) else concept(None)
    return tuple(c for c in (named, concept(raw.get("method"))) if not c.empty)


def words_of(found: Concept) -> str:
    """All words of a concept as they were written."""
    return " ".join(filter(None, (found.written.text, *(display for _, _, display in found.written.codings))))


def numbers_in(text: str, table: UnitTable) -> Iterator[float]:
    """Every different number of a text that is followed by a unit of the table, in its canonical unit."""
    for number, unit in dict.fromkeys(_WITH_UNIT.findall(text)):
        found = table.convert({"value": float(number.replace(",", ".")), "unit": unit})
        if isinstance(found, Converted):
            yield found.value
