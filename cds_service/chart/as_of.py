"""What was known at a moment: resources recorded later are gone, and what became of the others later is undone.

- Known since: `recordedDate` of a Condition or an AllergyIntolerance, `authoredOn` of an order, `dateAsserted` of a
  statement, `recorded` of an Immunization; where that is missing the time of the event itself. An allergy says with no
  other element when it became known. `meta.lastUpdated` never says it: in exports it is when they were loaded.
- A result is known from `issued`, else from the end of what it measures. Before that it is registered, without a value:
  neither growth nor no growth, neither high nor low.
- An end or an abatement that is still to come, and the status that came with it, are undone. An order ended when it
  says so, else with its dosage or, if that is earlier, when it was last written. A status that ended without any time
  stays: nothing says when.
- What has no time at all stays, since it may have been known.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from cds_service.chart.resource import Resource
from cds_service.chart.times import When

_KNOWN: Final = {
    "Condition": ("recordedDate", "onsetDateTime", "onsetPeriod"),
    "Observation": ("effectiveDateTime", "effectivePeriod", "effectiveInstant", "issued"),
    "Procedure": ("performedDateTime", "performedPeriod"),
    "MedicationAdministration": ("effectiveDateTime", "effectivePeriod"),
    "MedicationStatement": ("dateAsserted", "effectiveDateTime", "effectivePeriod"),
    "MedicationRequest": ("authoredOn",),
    "AllergyIntolerance": ("recordedDate",),
    "Immunization": ("recorded", "occurrenceDateTime"),
    "ServiceRequest": ("authoredOn",),
}
# Of types whose resources take time: the Period that says until when, and the status while it lasts.
_LASTING: Final = {
    "Procedure": ("performedPeriod", "in-progress"),
    "MedicationAdministration": ("effectivePeriod", "in-progress"),
    "MedicationStatement": ("effectivePeriod", "active"),
}
_ENDED: Final = {"completed", "stopped", "cancelled"}
# FHIR R5's MedicationRequest.statusChanged, as R4 carries it.
_STATUS_CHANGED: Final = "http://hl7.org/fhir/5.0/StructureDefinition/extension-MedicationRequest.statusChanged"
_CLINICAL: Final = "http://terminology.hl7.org/CodeSystem/condition-clinical"
# Of an Observation, what there is before its result: who, what and when.
_REGISTERED: Final = {
    "resourceType", "id", "meta", "subject", "encounter", "code", "category", "specimen", "basedOn",
    "effectiveDateTime", "effectivePeriod", "effectiveInstant",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class History:
    """A resource in time: unknown before `known` (None: always known), and `before` it was `settled`, as it is."""

    known: datetime | None
    settled: datetime | None
    before: Resource | None


def resource_at(resource: Resource, now: datetime) -> Resource | None:
    """The resource as it was known at `now`; itself where nothing came later, None where it was not known yet."""
    history = resource.remember("history", _history)
    if history.known is not None and history.known > now:
        return None
    return history.before if history.settled is not None and history.settled > now else resource


def _history(resource: Resource) -> History:
    known = _known(resource)
    settled, before = _SETTLED.get(resource.type, _always)(resource)
    if settled is None or before is None:
        return History(known, None, None)
    return History(known, settled, Resource(before, resource.medications))


def _known(resource: Resource) -> datetime | None:
    times = (_began(resource, element) for element in _KNOWN.get(resource.type, ()))
    found = [when.start for when in times if when is not None]
    if not found:
        return None
    # A sample is known of when it is taken, or at the latest with its result.
    return min(found) if resource.type == "Observation" else found[0]


def _began(resource: Resource, element: str) -> When | None:
    value = resource.raw.get(element)
    return Resource({element: value.get("start")} if isinstance(value, Mapping) else resource.raw).time(element)


_Settled = tuple[datetime | None, Mapping[str, Any] | None]


def _always(_: Resource) -> _Settled:
    return None, None


def _condition(resource: Resource) -> _Settled:
    ended = resource.time("abatementDateTime") or resource.time("abatementPeriod")
    raw = {name: value for name, value in resource.raw.items() if not name.startswith(("abatement", "_abatement"))}
    if "clinicalStatus" in raw:
        raw["clinicalStatus"] = {"coding": [{"system": _CLINICAL, "code": "active"}]}
    return _start(ended), raw


def _result(resource: Resource) -> _Settled:
    issued, period = resource.time("issued"), resource.end("effectivePeriod")
    raw = {name: value for name, value in resource.raw.items() if name in _REGISTERED}
    return _start(issued or period), raw | {"status": "registered"}


def _lasting(resource: Resource) -> _Settled:
    element, running = _LASTING[resource.type]
    period = resource.raw.get(element)
    if not isinstance(period, Mapping):
        return None, None
    raw = {**resource.raw, element: {name: value for name, value in period.items() if name not in ("end", "_end")}}
    return _start(resource.end(element)), _running(raw, running)


def _order(resource: Resource) -> _Settled:
    """Ended when it says so, else with its dosage: R4 has no element of its own for it."""
    if resource.status not in _ENDED:
        return None, None
    changed = _status_changed(resource)
    if changed is None and (bounds := _bounds(resource)):
        written = _last_written(resource)
        changed = max(bounds) if written is None else min(max(bounds), written)
    return changed, {**resource.raw, "status": "active"}


def _status_changed(resource: Resource) -> datetime | None:
    extensions = resource.raw.get("extension")
    for extension in extensions if isinstance(extensions, list) else []:
        if isinstance(extension, Mapping) and extension.get("url") == _STATUS_CHANGED:
            return _start(Resource(extension).time("valueDateTime"))
    return None


def _last_written(resource: Resource) -> datetime | None:
    meta = resource.raw.get("meta")
    return _start(Resource(meta).time("lastUpdated")) if isinstance(meta, Mapping) else None


def _bounds(resource: Resource) -> list[datetime]:
    instructions = resource.raw.get("dosageInstruction")
    ends = [_bound(instruction) for instruction in instructions] if isinstance(instructions, list) else []
    return [end for end in ends if end is not None]


def _bound(instruction: object) -> datetime | None:
    timing = instruction.get("timing") if isinstance(instruction, Mapping) else None
    repeat = timing.get("repeat") if isinstance(timing, Mapping) else None
    return _start(Resource(repeat).end("boundsPeriod")) if isinstance(repeat, Mapping) else None


def _running(raw: dict[str, Any], status: str) -> dict[str, Any]:
    return raw | {"status": status} if raw.get("status") in _ENDED else raw


def _start(when: When | None) -> datetime | None:
    return when.start if when is not None else None


_SETTLED: Final = {
    "Condition": _condition,
    "Observation": _result,
    "MedicationRequest": _order,
    **dict.fromkeys(_LASTING, _lasting),
}
