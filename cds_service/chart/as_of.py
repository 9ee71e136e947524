"""What was known at a moment: resources recorded later are gone, and what became of the others later is undone.

- Known since: `recordedDate` of a Condition or an AllergyIntolerance, `authoredOn` of an order, `dateAsserted` of a
  statement, `recorded` of an Immunization; where that is missing the time of the event itself. An allergy says with no
  other element when it became known. `meta.lastUpdated` never says it: in exports it is when they were loaded.
- A result is known from `issued`, else from the end of what it measures. Before that it is registered, without a value:
  neither growth nor no growth, neither high nor low.
- An end or an abatement that is still to come, and the status that came with it, are undone. A status that ended
  without any time stays, as that of most orders: nothing says when.
- What has no time at all stays, since it may have been known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from cds_service.chart.resource import Resource, recorded
from cds_service.chart.times import When, parse_when

Raw = Mapping[str, Any]
# Of a type: since when a resource is as it is, and what it was before.
States = tuple[Callable[[Resource], datetime | None], Callable[[Resource], Raw]]

_KNOWN: Final = {
    "Condition": ("recordedDate", "onsetDateTime", "onsetPeriod"),
    "Observation": ("effectiveDateTime", "effectivePeriod", "effectiveInstant", "issued"),
    "DiagnosticReport": ("effectiveDateTime", "effectivePeriod", "issued"),
    "Procedure": ("performedDateTime", "performedPeriod"),
    "MedicationAdministration": ("effectiveDateTime", "effectivePeriod"),
    "MedicationStatement": ("dateAsserted", "effectiveDateTime", "effectivePeriod"),
    "MedicationRequest": ("authoredOn",),
    "AllergyIntolerance": ("recordedDate",),
    "Immunization": ("recorded", "occurrenceDateTime"),
    "ServiceRequest": ("authoredOn",),
}
_MOMENTS: Final = _KNOWN | {"Condition": (*_KNOWN["Condition"], "abatementDateTime", "abatementPeriod")}
_ENDED: Final = {"completed", "stopped", "cancelled"}
# FHIR R5's MedicationRequest.statusChanged, as R4 carries it.
_STATUS_CHANGED: Final = "http://hl7.org/fhir/5.0/StructureDefinition/extension-MedicationRequest.statusChanged"
_CLINICAL: Final = "http://terminology.hl7.org/CodeSystem/condition-clinical"
# Of an Observation or a DiagnosticReport, what there is before its result: who, what and when.
_REGISTERED: Final = {
    "resourceType", "id", "meta", "subject", "encounter", "code", "category", "specimen", "basedOn",
    "effectiveDateTime", "effectivePeriod", "effectiveInstant",
}  # fmt: skip


def latest(resources: Iterable[Resource]) -> datetime | None:
    """A moment since which nothing has become of any of these: the last that they write; None where they write none."""
    written: set[str] = set()  # the rows of one round share their times
    for resource in resources:
        _note_times(resource, written)
    moments = [when.start for text in written if (when := parse_when(text)) is not None]
    return max(moments, default=None)


def _note_times(resource: Resource, written: set[str]) -> None:
    """Add every time that may say since when the resource is known, or as it is. Asked of each record of a chart: a
    generator in its place costs twice as much."""
    raw = resource.raw
    for element in _MOMENTS.get(resource.type, ()):
        value = raw.get(element)
        if value is None:
            continue
        if isinstance(value, str):
            written.add(value)
        elif isinstance(value, dict):
            written.update(text for text in (value.get("start"), value.get("end")) if isinstance(text, str))
    if resource.type == "MedicationRequest" and "extension" in raw:
        written.update(e["valueDateTime"] for e in _status_changes(raw) if isinstance(e.get("valueDateTime"), str))


def resource_at(resource: Resource, now: datetime) -> Resource | None:
    """The resource as it was known at `now`; itself where nothing came later, None where it was not known yet."""
    known, settled = resource.remember("history", _history)
    if known is not None and known > now:
        return None
    return resource if settled is None or settled <= now else resource.remember("before", _before)


def _history(resource: Resource) -> tuple[datetime | None, datetime | None]:
    """Since when it is known (None: always), and since when it is as it is."""
    states = _STATES.get(resource.type)
    return _known(resource), states[0](resource) if states else None


def _before(resource: Resource) -> Resource:
    """What it was until it was as it is."""
    return Resource(_STATES[resource.type][1](resource), resource.medications)


def _known(resource: Resource) -> datetime | None:
    elements = [element for element in _KNOWN.get(resource.type, ()) if element in resource.raw]
    found = [when.start for element in elements if (when := _began(resource, element)) is not None]
    if not found:
        return None
    # A sample is known of when it is taken, or at the latest with its result.
    return min(found) if resource.type in ("Observation", "DiagnosticReport") else found[0]


def _began(resource: Resource, element: str) -> When | None:
    value = resource.raw.get(element)
    return recorded(value.get("start") if isinstance(value, dict) else value)


def _start(when: When | None) -> datetime | None:
    return when.start if when is not None else None


def _abated(condition: Resource) -> datetime | None:
    return _start(condition.time("abatementDateTime") or condition.time("abatementPeriod"))


def _active(condition: Resource) -> Raw:
    raw = {name: value for name, value in condition.raw.items() if not name.startswith(("abatement", "_abatement"))}
    if "clinicalStatus" in raw:
        raw["clinicalStatus"] = {"coding": [{"system": _CLINICAL, "code": "active"}]}
    return raw


def _resulted(observation: Resource) -> datetime | None:
    return _start(observation.time("issued") or observation.end("effectivePeriod"))


def _registered(observation: Resource) -> Raw:
    return {name: value for name, value in observation.raw.items() if name in _REGISTERED} | {"status": "registered"}


def _lasting(element: str, running: str) -> States:
    """A type whose resources take time: the Period that says until when, and the status while it lasts."""

    def ended(resource: Resource) -> datetime | None:
        return _start(resource.end(element))

    def going_on(resource: Resource) -> Raw:
        period = {name: value for name, value in resource.raw[element].items() if name not in ("end", "_end")}
        status = {"status": running} if resource.status in _ENDED else {}
        return {**resource.raw, element: period, **status}

    return ended, going_on


def _over(order: Resource) -> datetime | None:
    """When an order that ended did, where it says so; R4 has no element of its own for it. Else its status stands."""
    return _status_changed(order) if order.status in _ENDED else None


def _ordered(order: Resource) -> Raw:
    return {**order.raw, "status": "active"}


def _status_changed(resource: Resource) -> datetime | None:
    for extension in _status_changes(resource.raw):
        return _start(recorded(extension.get("valueDateTime")))
    return None


def _status_changes(raw: Raw) -> Iterator[Raw]:
    extensions = raw.get("extension")
    for extension in extensions if isinstance(extensions, list) else []:
        if isinstance(extension, Mapping) and extension.get("url") == _STATUS_CHANGED:
            yield extension


_STATES: Final[Mapping[str, States]] = {
    "Condition": (_abated, _active),
    "Observation": (_resulted, _registered),
    "DiagnosticReport": (_resulted, _registered),
    "MedicationRequest": (_over, _ordered),
    "Procedure": _lasting("performedPeriod", "in-progress"),
    "MedicationAdministration": _lasting("effectivePeriod", "in-progress"),
    "MedicationStatement": _lasting("effectivePeriod", "active"),
}
