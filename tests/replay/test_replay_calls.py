"""Whole requests for a chart."""

import json
import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
from fhir.resources.R4B.medicationrequest import MedicationRequest

from cds_service.tools.replay.bundles import Chart
from cds_service.tools.replay.calls import EVALUATION_TIME, USER_ID, anakinra_draft, build_call, dosage

PATIENT = {"resourceType": "Patient", "id": "p1"}
TEMPLATES = {
    "patient": "Patient/{{context.patientId}}",
    "requests": "MedicationRequest?patient={{context.patientId}}",
    "encounter": "Encounter/{{context.encounterId}}",
}


def chart(*resources: dict[str, Any]) -> Chart:
    return Chart("p1", "", (PATIENT, *resources), "test")


def order(name: str, status: str) -> dict[str, Any]:
    subject = {"reference": "Patient/p1"}
    return {"resourceType": "MedicationRequest", "id": name, "status": status, "intent": "order", "subject": subject}


def drafts(call: dict[str, Any]) -> list[Any]:
    return [entry["resource"] for entry in call["context"]["draftOrders"]["entry"]]


def test_order_select_without_a_draft_orders_anakinra_without_a_dose() -> None:
    call = build_call(chart(), hook="order-select", templates=TEMPLATES)
    (draft,) = drafts(call)
    assert call["context"]["selections"] == [f"MedicationRequest/{draft['id']}"]
    assert draft["medicationCodeableConcept"]["coding"][0]["code"] == "72435"
    assert "dosageInstruction" not in draft
    assert call["context"]["patientId"] == "p1"
    assert call["prefetch"]["patient"] == PATIENT
    assert "extension" not in call
    uuid.UUID(call["hookInstance"])
    json.dumps(call)


def test_order_sign_without_a_draft_orders_the_usual_dose() -> None:
    call = build_call(chart(), hook="order-sign", templates={})
    (draft,) = drafts(call)
    MedicationRequest.model_validate(draft)
    (instruction,) = draft["dosageInstruction"]
    assert instruction["doseAndRate"][0]["doseQuantity"]["value"] == 100
    assert instruction["timing"]["repeat"]["period"] == 12
    assert instruction["timing"]["repeat"]["boundsDuration"]["value"] == 3
    assert "selections" not in call["context"]


def test_drafts_of_the_chart_are_in_the_session_and_not_on_the_server() -> None:
    call = build_call(chart(order("d1", "draft"), order("a1", "active")), hook="order-select", templates=TEMPLATES)
    assert [draft["id"] for draft in drafts(call)] == ["d1"]
    assert call["context"]["selections"] == ["MedicationRequest/d1"]
    assert [entry["resource"]["id"] for entry in call["prefetch"]["requests"]["entry"]] == ["a1"]


def test_given_drafts_and_selections_win() -> None:
    given = [order("x1", "draft"), order("x2", "draft")]
    call = build_call(
        chart(order("d1", "draft")),
        hook="order-select",
        templates={},
        draft=given,
        selections=["MedicationRequest/x2"],
    )
    assert drafts(call) == given
    assert call["context"]["selections"] == ["MedicationRequest/x2"]


def test_evaluation_time_and_withheld_types() -> None:
    at = datetime(2026, 3, 5, 10, tzinfo=UTC)
    call = build_call(chart(), hook="order-sign", templates=TEMPLATES, at=at, withhold=("MedicationRequest",))
    assert call["extension"] == {EVALUATION_TIME: "2026-03-05T10:00:00+00:00"}
    assert set(call["prefetch"]) == {"patient"}


def test_the_newest_running_encounter_is_the_context() -> None:
    stays = [
        {"resourceType": "Encounter", "id": name, "status": status, "period": {"start": f"2026-03-{day}"}}
        for name, status, day in (
            ("old", "in-progress", "01"),
            ("new", "in-progress", "03"),
            ("over", "finished", "04"),
        )
    ]
    call = build_call(chart(*stays), hook="order-select", templates=TEMPLATES)
    assert call["context"]["encounterId"] == "new"
    assert call["prefetch"]["encounter"]["id"] == "new"
    assert "encounterId" not in build_call(chart(stays[2]), hook="order-select", templates={})["context"]


def test_another_hook_is_refused() -> None:
    with pytest.raises(ValueError, match="expected one of order-select, order-sign, patient-view"):
        build_call(chart(), hook="encounter-start", templates={})


def test_a_chart_that_is_opened_has_no_orders() -> None:
    call = build_call(chart(order("o1", "draft"), order("o2", "active")), hook="patient-view", templates=TEMPLATES)
    assert call["context"] == {"userId": USER_ID, "patientId": "p1"}
    assert [entry["resource"]["id"] for entry in call["prefetch"]["requests"]["entry"]] == ["o2"]


def test_dosage_without_interval_has_no_timing() -> None:
    assert "timing" not in dosage(100, None, as_needed=True)
    assert dosage(100, None, as_needed=True)["asNeededBoolean"] is True
    MedicationRequest.model_validate(anakinra_draft("p1", hook="order-select"))
