"""Build whole CDS Hooks requests for a chart: draft order, selection, and the prefetch that was asked for."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from cds_service.contract import ASKS, EVALUATION_TIME
from cds_service.tools.replay.bundles import Chart, Resource
from cds_service.tools.replay.prefetch import answer, moment

USER_ID = "Practitioner/replay"
HOOKS = ("order-select", "order-sign", "patient-view")

_RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
_UCUM = "http://unitsofmeasure.org"


def build_call(
    chart: Chart,
    *,
    hook: str,
    templates: Mapping[str, str],
    draft: Sequence[Resource] | None = None,
    at: datetime | None = None,
    selections: Sequence[str] | None = None,
    withhold: Sequence[str] = (),
) -> dict[str, Any]:
    """A request for `hook`, one of `HOOKS`, as a CDS client would send it.

    `draft` are the unsigned orders, where the hook has any: else the chart's own draft MedicationRequests, else one of
    anakinra.
    `selections` are references to the drafts just selected (order-select): else all of them. `at` (with zone)
    asks the service to evaluate as of then. Prefetch keys of the resource types in `withhold` are left out,
    as after a failed read. Raises ValueError for another hook, TemplateError for a template beyond it.
    """
    if hook not in HOOKS:
        raise ValueError(f"hook {hook!r}: expected one of {', '.join(HOOKS)}")
    context: dict[str, Any] = {"userId": USER_ID, "patientId": chart.patient_id}
    encounter = encounter_of(chart)
    if encounter:
        context["encounterId"] = encounter
    if hook not in ASKS:
        drafts = tuple(draft) if draft is not None else drafts_of(chart)
        context |= _orders(hook, drafts or (anakinra_draft(chart.patient_id, hook=hook),), selections)
    tokens = {f"context.{name}": value for name, value in context.items() if isinstance(value, str)}
    call: dict[str, Any] = {
        "hook": hook,
        "hookInstance": str(uuid.uuid4()),
        "context": context,
        "prefetch": answer(templates, signed(chart), chart.patient_id, withhold=withhold, context=tokens),
    }
    if at is not None:
        call["extension"] = {EVALUATION_TIME: at.isoformat()}
    return call


def _orders(hook: str, drafts: Sequence[Resource], selections: Sequence[str] | None) -> dict[str, Any]:
    """The members of the context that are about orders."""
    entries = [{"resource": order} for order in drafts]
    told: dict[str, Any] = {"draftOrders": {"resourceType": "Bundle", "type": "collection", "entry": entries}}
    if hook == "order-select":
        told["selections"] = list(_references(drafts) if selections is None else selections)
    return told


def anakinra_draft(patient_id: str, *, hook: str, draft_id: str = "draft-anakinra") -> Resource:
    """A draft order of anakinra: no dose yet on order-select, 100 mg SC q12h for 3 days on order-sign."""
    order: Resource = {
        "resourceType": "MedicationRequest",
        "id": draft_id,
        "status": "draft",
        "intent": "order",
        "medicationCodeableConcept": {
            "coding": [{"system": _RXNORM, "code": "72435", "display": "anakinra"}],
            "text": "anakinra",
        },
        "subject": {"reference": f"Patient/{patient_id}"},
    }
    if hook == "order-sign":
        order["dosageInstruction"] = [dosage(100, 12, route="Subcutaneous", days=3)]
    return order


def dosage(
    dose_mg: float,
    interval_h: int | None,
    *,
    route: str | None = None,
    days: int | None = None,
    as_needed: bool = False,
) -> dict[str, Any]:
    """A FHIR Dosage of `dose_mg` milligrams every `interval_h` hours; no timing where that is None."""
    written: dict[str, Any] = {
        "doseAndRate": [{"doseQuantity": {"value": dose_mg, "unit": "mg", "system": _UCUM, "code": "mg"}}]
    }
    if interval_h is not None:
        repeat: dict[str, Any] = {"frequency": 1, "period": interval_h, "periodUnit": "h"}
        if days is not None:
            repeat["boundsDuration"] = {"value": days, "unit": "d", "system": _UCUM, "code": "d"}
        written["timing"] = {"repeat": repeat}
    if route is not None:
        written["route"] = {"text": route}
    if as_needed:
        written["asNeededBoolean"] = True
    return written


def _references(orders: Sequence[Resource]) -> list[str]:
    return [f"{order['resourceType']}/{order['id']}" for order in orders]


def _is_draft(resource: Resource) -> bool:
    return resource["resourceType"] == "MedicationRequest" and resource.get("status") == "draft"


def signed(chart: Chart) -> list[Resource]:
    """What the client's FHIR server has: unsigned orders live in the session only."""
    return [resource for resource in chart.resources if not _is_draft(resource)]


def drafts_of(chart: Chart) -> tuple[Resource, ...]:
    """The chart's own draft MedicationRequests."""
    return tuple(resource for resource in chart.resources if _is_draft(resource) and "id" in resource)


def encounter_of(chart: Chart) -> str:
    """The id of the newest encounter in progress, or nothing."""
    running = [
        resource
        for resource in chart.resources
        if resource["resourceType"] == "Encounter" and resource.get("status") == "in-progress" and "id" in resource
    ]
    newest = max(running, key=lambda encounter: moment(encounter.get("period")), default=None)
    return str(newest["id"]) if newest else ""
