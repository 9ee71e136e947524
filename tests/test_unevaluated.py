"""When the two evaluators differ or one fails: said on the card, nothing offered, every block still shown."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cds_service import knowledge
from cds_service.app import create_app
from cds_service.contract import EXPLANATION, SERVICES
from cds_service.engine import Findings
from cds_service.service import Service
from cds_service.settings import from_environ
from tests.support.cards import drug_orders, faults

REQUEST = json.loads((Path(__file__).parents[1] / "examples/requests/refractory-grade-2.json").read_text("utf-8"))
PATIENT = REQUEST["context"]["patientId"]
SEPSIS = {
    "resourceType": "Condition",
    "id": "sepsis",
    "clinicalStatus": {"coding": [{"code": "active"}]},
    "code": {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "A41.9"}]},
    "subject": {"reference": f"Patient/{PATIENT}"},
    "recordedDate": "2026-03-05T08:00:00Z",
}


def cards(monkeypatch: pytest.MonkeyPatch, request: dict[str, Any], **fault: Any) -> tuple[list[dict[str, Any]], int]:
    """The answer over HTTP while the engine reports a fault, and how many faults the service counted."""
    service = Service.start(knowledge.load())
    engine = service.program.engine
    honest = engine.run

    def run(hook: str, kind: str, values: Any) -> Findings:
        found = honest(hook, kind, values)
        return replace(found, **{name: told(found) if callable(told) else told for name, told in fault.items()})

    monkeypatch.setattr(engine, "run", run)
    return put(service, request)


def put(service: Service, request: dict[str, Any]) -> tuple[list[dict[str, Any]], int]:
    """The answer over HTTP, and how many faults the service counted."""
    settings = from_environ({}).model_copy(update={"allow_evaluation_time": True})
    service_id = next(name for name, hook in SERVICES.items() if hook == request["hook"])
    reply = create_app(settings, service).test_client().post(f"/cds-services/{service_id}", json=request)
    assert reply.status_code == 200
    found: list[dict[str, Any]] = reply.get_json()["cards"]
    return found, service.disagreements


@pytest.mark.parametrize(
    "fault",
    [{"failure": "DurableFailure: no sentinel", "fired": frozenset()}, {"disagreements": ("crs-refractory",)}],
    ids=["a failure", "a disagreement"],
)
def test_it_is_said_counted_and_nothing_is_offered(monkeypatch: pytest.MonkeyPatch, fault: dict[str, Any]) -> None:
    found, counted = cards(monkeypatch, REQUEST, **fault)
    explained = found[0]["extension"][EXPLANATION]
    assert (explained["decision"], explained["rule"]) == ("insufficient-data", "system-unevaluated")
    assert found[0]["indicator"] == "warning"
    assert "do not read this as no contraindication" in found[0]["summary"]
    assert [order for card in found for order in drug_orders(card)] == []
    assert counted == 1
    drafts = [entry["resource"] for entry in REQUEST["context"]["draftOrders"]["entry"]]
    assert [fault for card in found for fault in faults(card, drafts)] == []


def test_a_block_that_only_the_independent_evaluator_finds_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    found, _ = cards(monkeypatch, infected(), failure="DurableFailure", fired=frozenset())
    decisions = [c["extension"][EXPLANATION]["decision"] for c in found]
    assert decisions[:2] == ["block", "insufficient-data"]


def test_a_block_that_only_durable_rules_fires_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    found, _ = cards(
        monkeypatch,
        REQUEST,
        fired=lambda f: f.fired | {"infection-severe"},
        disagreements=("infection-severe",),
    )
    assert found[0]["source"]["topic"]["code"] == "infection-severe"
    assert [order for card in found for order in drug_orders(card)] == []


# ---------------------------------------------------------------- whichever stage fails


def broken(*_: Any, **__: Any) -> Any:
    """Fails as code does that meets a chart that nobody thought of: with a word of the patient's in its message."""
    raise ZeroDivisionError(CANARY)


CANARY = "Mrs-Canary-1957"
STAGES = {
    "facts": ("cds_service.facts.gather.Gatherer.gather", "the facts could not be found"),
    "engine": ("cds_service.engine.Engine.run", "the rules engine failed"),
    "decide": ("cds_service.assess.decide", "no decision could be made"),
    "context": ("cds_service.advice.context.base", None),
    "card": ("cds_service.advice.templates.CardTemplate.fill", None),
    "explanation": ("cds_service.advice.cards.extension", None),
    "orders in hand": ("cds_service.assess.order_in_hand", "the call could not be read"),
    "chart": ("cds_service.chart.reader.open_chart", "the call could not be read"),
}


@pytest.mark.parametrize("stage", STAGES)
def test_whatever_fails_is_said_and_nothing_is_offered(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, stage: str
) -> None:
    where, trouble = STAGES[stage]
    service = Service.start(knowledge.load())
    monkeypatch.setattr(where, broken)
    found, counted = put(service, REQUEST)
    assert [decided(card) for card in found] == [("insufficient-data", "system-unevaluated")]
    assert "suggestions" not in found[0]
    assert "Do not read this as no contraindication" in found[0]["detail"]
    assert trouble is None or trouble in found[0]["detail"]
    assert [reason["code"] for reason in found[0]["overrideReasons"]] == ["data-wrong"]
    assert counted == 1
    assert found[0]["indicator"] == "warning"
    assert "ZeroDivisionError at" in caplog.text
    assert CANARY not in caplog.text + json.dumps(found)


@pytest.mark.parametrize("stage", ["decide", "context", "card", "explanation"])
def test_a_block_is_shown_although_a_later_stage_fails(monkeypatch: pytest.MonkeyPatch, stage: str) -> None:
    service = Service.start(knowledge.load())
    monkeypatch.setattr(STAGES[stage][0], broken)
    found, _ = put(service, infected())
    assert [decided(card) for card in found] == [
        ("block", "infection-severe"),
        ("insufficient-data", "system-unevaluated"),
    ]
    assert [order for card in found for order in drug_orders(card)] == []
    assert all(card["summary"] and card["detail"] and len(card["summary"]) < 140 for card in found)


def opened(request: dict[str, Any]) -> dict[str, Any]:
    """The same chart as it is opened, without an order."""
    context = {name: request["context"][name] for name in ("userId", "patientId")}
    return {**request, "hook": "patient-view", "context": context}


def test_a_status_that_fails_is_one_card_that_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    service = Service.start(knowledge.load())
    for number, stage in enumerate(name for name in STAGES if name != "orders in hand"):
        with monkeypatch.context() as patch:
            patch.setattr(STAGES[stage][0], broken)
            (card,), counted = put(service, opened(REQUEST))
        assert (*decided(card), counted) == ("insufficient-data", "system-unevaluated", number + 1), stage


def test_a_status_that_fails_shows_the_block_and_names_the_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    (card,), _ = cards(monkeypatch, opened(infected()), disagreements=("crs-refractory",))
    assert decided(card) == ("block", "infection-severe")
    assert card["indicator"] == "critical"
    assert "could not be evaluated" in card["detail"]
    assert "suggestions" not in card


def test_other_kinds_of_order_are_still_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two orders are signed; the rules for one of them fail."""
    request = copy.deepcopy(REQUEST) | {"hook": "order-sign"}
    drafts = request["context"]["draftOrders"]["entry"]
    vaccine = {"coding": [{"system": "http://hl7.org/fhir/sid/cvx", "code": "03", "display": "MMR"}]}
    drafts.append({"resource": drafts[0]["resource"] | {"id": "mmr", "medicationCodeableConcept": vaccine}})
    service = Service.start(knowledge.load())
    honest = service.program.engine.run

    def run(hook: str, kind: str, values: Any) -> Findings:
        return broken() if kind == "anakinra" else honest(hook, kind, values)

    monkeypatch.setattr(service.program.engine, "run", run)
    settings = from_environ({}).model_copy(update={"allow_evaluation_time": True})
    client = create_app(settings, service).test_client()
    reply = client.post("/cds-services/anakinra-order-sign", json=request)
    assert reply.status_code == 200
    decisions = {decided(card) for card in reply.get_json()["cards"]}
    assert ("insufficient-data", "system-unevaluated") in decisions
    assert any(rule == "live-vaccine-ordered" for _, rule in decisions)
    assert "anakinra_cds_disagreements_total 1" in client.get("/metrics").text


def decided(card: dict[str, Any]) -> tuple[str, str]:
    explained = card["extension"][EXPLANATION]
    return explained["decision"], explained["rule"]


def infected() -> dict[str, Any]:
    """The request of a patient with sepsis."""
    request = copy.deepcopy(REQUEST)
    request["prefetch"]["conditions"]["entry"].append({"resource": SEPSIS})
    request["prefetch"]["conditions"].pop("total", None)
    return request
