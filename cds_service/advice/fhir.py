"""FHIR R4 resources of suggestions: the updated or new MedicationRequest, and monitoring ServiceRequests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cds_service.advice.model import DosePlan
from cds_service.chart.units import UCUM
from cds_service.chart.validation import elements_of, problem_of
from cds_service.knowledge.model import CardOrder, Medication, Pack, Route

Json = dict[str, Any]
_MEDICATION = ("medicationCodeableConcept", "medicationReference", "contained")
# What an update always keeps of the draft, and what it always replaces.
_REPLACED = {"dosageInstruction", "dispenseRequest", "text", "resourceType", "status", "subject", "intent"}


def coding(of: Medication) -> Json:
    """A CodeableConcept from our own tables."""
    return {"coding": [{"system": of.system, "code": of.code, "display": of.display}], "text": of.display}


def dosage(plan: DosePlan, route: Route, words: str) -> Json:
    """One dosageInstruction: amount in UCUM mg, frequency, bounded duration, coded route."""
    days = {"value": plan.duration_days, "unit": "days", "system": UCUM, "code": "d"}
    repeat = {"boundsDuration": days, "frequency": 1, "period": plan.interval_h, "periodUnit": "h"}
    amount: float | int = int(plan.dose_mg) if plan.dose_mg == int(plan.dose_mg) else plan.dose_mg
    return {
        "text": words,
        "timing": {"repeat": repeat},
        "route": coding(route),
        "doseAndRate": [{"doseQuantity": {"value": amount, "unit": "mg", "system": UCUM, "code": "mg"}}],
    }


def dispensed(number: int, pack: Pack) -> Json:
    """A dispenseRequest for single-use units."""
    return {"quantity": {"value": number, "unit": pack.display, "system": UCUM, "code": pack.unit}}


def updated_order(
    draft: Mapping[str, Any], instruction: Json, dispense: Json, medication: Medication, patient_id: str
) -> Json:
    """The draft as a whole, valid resource with the same id and a new dosage.

    Clients send drafts that are not valid FHIR (a category that is no list, no intent): an element that would make the
    answer invalid is repaired where the repair is plain, else left out.
    """
    intent = draft.get("intent")
    core: Json = {
        "resourceType": "MedicationRequest",
        "status": "draft",
        "intent": intent if isinstance(intent, str) else "order",
        "subject": {"reference": f"Patient/{patient_id}"},
        "dosageInstruction": [instruction],
        "dispenseRequest": dispense,
    }
    rest = {k: v for k, v in draft.items() if k not in _REPLACED and v not in (None, "", [], {})}
    if isinstance(rest.get("category"), Mapping):
        rest["category"] = [rest["category"]]
    if not any(key in rest for key in _MEDICATION[:2]):
        rest["medicationCodeableConcept"] = coding(medication)
    rest |= _named(rest, medication)
    whole = {**core, **rest}
    return whole if not problem_of(whole) else _valid_parts(core, rest, medication)


def _named(rest: Json, medication: Medication) -> Json:
    """The drug with its name where the draft has it in codes or by reference only: nobody signs a bare code."""
    named = {}
    concept, reference = rest.get(_MEDICATION[0]), rest.get(_MEDICATION[1])
    if isinstance(concept, Mapping):
        written = concept.get("coding")
        codings = [c for c in written if isinstance(c, Mapping)] if isinstance(written, list) else []
        if not any(said.get(key) for said, key in ((concept, "text"), *((c, "display") for c in codings))):
            named[_MEDICATION[0]] = {**concept, "text": medication.display}
    if isinstance(reference, Mapping) and not reference.get("display"):
        named[_MEDICATION[1]] = {**reference, "display": medication.display}
    return named


def _valid_parts(core: Json, rest: Json, medication: Medication) -> Json:
    """As much of the draft as is valid. Each element is judged by itself, beside the least that an order has, so that
    the work grows with the draft and no faster; what R4 does not know is left out, and of a choice the first stays."""
    drug = {k: rest[k] for k in _MEDICATION if k in rest}
    ours = {"medicationCodeableConcept": coding(medication)}
    kept = {**core, **(drug if not problem_of(core | drug) else ours)}
    elements, chosen = elements_of("MedicationRequest"), set()
    for key, value in rest.items():
        choice = elements.get(key)
        if choice is None or key in _MEDICATION or choice in chosen or problem_of({**core, **ours, key: value}):
            continue
        kept[key] = value
        if choice:
            chosen.add(choice)
    return kept


def new_order(
    instruction: Json, dispense: Json, medication: Medication, patient_id: str, encounter_id: str | None, when: str
) -> Json:
    """A draft order of our own."""
    order: Json = {
        "resourceType": "MedicationRequest",
        "status": "draft",
        "intent": "order",
        "medicationCodeableConcept": coding(medication),
        "subject": {"reference": f"Patient/{patient_id}"},
        "authoredOn": when,
        "dosageInstruction": [instruction],
        "dispenseRequest": dispense,
    }
    if encounter_id:
        order["encounter"] = {"reference": f"Encounter/{encounter_id}"}
    return order


def monitoring_order(order: CardOrder, days: int, patient_id: str, encounter_id: str | None, when: str) -> Json:
    """A draft ServiceRequest, repeated over the days of the course; as needed it has a reason instead of a timing."""
    code: Json = {"text": order.text}
    if order.code:
        code["coding"] = [{"system": order.system, "code": order.code, "display": order.display}]
    bounds = {"value": days, "unit": "days", "system": UCUM, "code": "d"}
    repeat = {"boundsDuration": bounds, "frequency": 1, "period": order.every_hours, "periodUnit": "h"}
    request: Json = {
        "resourceType": "ServiceRequest",
        "status": "draft",
        "intent": "order",
        "code": code,
        "subject": {"reference": f"Patient/{patient_id}"},
        "authoredOn": when,
        "reasonCode": [{"text": order.reason}],
    }
    if order.as_needed:
        request["asNeededCodeableConcept"] = {"text": order.as_needed}
    else:
        request["occurrenceTiming"] = {"repeat": repeat}
    if encounter_id:
        request["encounter"] = {"reference": f"Encounter/{encounter_id}"}
    return request
