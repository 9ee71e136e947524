"""A draft order that cannot be read is named, and never passed over: it may be anakinra. One of something else is."""

from __future__ import annotations

from typing import Any

import pytest

from cds_service.knowledge import load
from cds_service.service import Service
from tests.support.cards import explanation
from tests.support.examples import example_calls
from tests.support.places import Cards, answer

Json = dict[str, Any]
DRUG = {"resourceType": "MedicationRequest", "id": "x", "status": "draft", "intent": "order"}
UNREAD: dict[str, Json] = {
    "no type": {"id": "x", "medicationCodeableConcept": {"text": "anakinra"}},
    "a type that is no text": {"resourceType": 5, "id": "x"},
    "a type that FHIR does not know": {"resourceType": "Foo", "id": "x"},
    "a type of data": {"resourceType": "Quantity", "id": "x"},
    "an order of DSTU 2": {
        "resourceType": "MedicationOrder",
        "id": "x",
        "medicationReference": {"display": "anakinra"},
    },
    "a drug in a list": DRUG | {"medicationCodeableConcept": [{"text": "anakinra"}]},
    "a drug that is a text": DRUG | {"medicationCodeableConcept": "anakinra"},
    "a drug as R5 writes it": DRUG | {"medication": {"concept": {"text": "anakinra"}}},
    "a reference that nothing resolves": DRUG | {"medicationReference": {"reference": "Medication/nowhere"}},
    "a reference into what is not contained": DRUG | {"medicationReference": {"reference": "#m"}},
    "an identifier alone": DRUG | {"medicationReference": {"identifier": {"value": "4711"}}},
}
READ: dict[str, Json] = {
    "paracetamol": DRUG | {"medicationCodeableConcept": {"text": "paracetamol 500 mg"}},
    "a laboratory order": {"resourceType": "ServiceRequest", "id": "x", "status": "draft", "code": {"text": "CBC"}},
    "an order of no drug": {"resourceType": "NutritionOrder", "id": "x", "status": "draft"},
    "an order that was cancelled": {"id": "x", "status": "cancelled"},
}
UNWRITTEN: dict[str, Json] = {
    "no drug": DRUG,
    "an empty drug": DRUG | {"medicationCodeableConcept": {"coding": [], "text": ""}},
    "a coding without a code": DRUG | {"medicationCodeableConcept": {"coding": [{"system": "urn:x", "code": ""}]}},
    "an empty reference": DRUG | {"medicationReference": {"type": "Medication", "reference": ""}},
}


@pytest.fixture(scope="module")
def service() -> Service:
    return Service.start(load())


def asked(service: Service, hook: str, drafts: list[Json], selected: str = "x") -> Cards:
    """The cards for these draft orders, of which order-select selects one."""
    call = next(call for name, _, call in example_calls(service.program.templates_of) if name == "refractory-grade-2")
    entries = [{"resource": draft} if draft else {} for draft in drafts]
    context = {**call["context"], "draftOrders": {"resourceType": "Bundle", "entry": entries}}
    context.pop("selections", None)
    if hook == "order-select":
        context["selections"] = [selected]
    status, cards = answer(service, {**call, "hook": hook, "context": context})
    assert status == 200
    return cards


@pytest.mark.parametrize("hook", ["order-select", "order-sign"])
@pytest.mark.parametrize("draft", UNREAD.values(), ids=UNREAD.keys())
def test_a_draft_that_cannot_be_read_is_named(service: Service, hook: str, draft: Json) -> None:
    first = asked(service, hook, [draft])[0]
    assert (explanation(first)["decision"], explanation(first)["rule"]) == ("insufficient-data", "draft-unresolved")
    assert "A draft order whose drug is not understood: " in first["detail"]
    assert not first.get("suggestions")


def test_an_entry_that_holds_nothing_is_named_where_it_is_signed(service: Service) -> None:
    assert [explanation(card)["rule"] for card in asked(service, "order-sign", [{}])] == ["draft-unresolved"]


@pytest.mark.parametrize("hook", ["order-select", "order-sign"])
@pytest.mark.parametrize("draft", READ.values(), ids=READ.keys())
def test_a_draft_of_something_else_is_passed_over(service: Service, hook: str, draft: Json) -> None:
    assert asked(service, hook, [draft]) == []


@pytest.mark.parametrize("draft", UNWRITTEN.values(), ids=UNWRITTEN.keys())
def test_an_order_without_a_drug_yet_is_told_only_where_it_is_signed(service: Service, draft: Json) -> None:
    assert asked(service, "order-select", [draft]) == []
    assert [explanation(c)["rule"] for c in asked(service, "order-sign", [draft])] == ["draft-unresolved"]


def test_a_draft_that_cannot_be_read_beside_another_takes_the_one_click(service: Service) -> None:
    """What the drafts of anakinra sum to is not known beside it."""
    ours = DRUG | {"id": "ours", "medicationCodeableConcept": {"text": "anakinra"}}
    for drafts, offered in (([ours], True), ([ours, {"id": "x"}], False), ([ours, READ["paracetamol"]], True)):
        first = asked(service, "order-select", drafts, "ours")[0]
        assert (explanation(first)["decision"], bool(first.get("suggestions"))) == ("suggest", offered)
