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
from cds_service.engine import Findings
from cds_service.pipeline import Service
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
    honest = service._engine.run

    def run(hook: str, kind: str, values: Any) -> Findings:
        found = honest(hook, kind, values)
        return replace(found, **{name: told(found) if callable(told) else told for name, told in fault.items()})

    monkeypatch.setattr(service._engine, "run", run)
    settings = replace(from_environ({}), allow_evaluation_time=True)
    reply = create_app(settings, service).test_client().post("/cds-services/anakinra-order-select", json=request)
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
    explained = found[0]["extension"]["org.anakinra-cds.explanation"]
    assert (explained["decision"], explained["rule"]) == ("insufficient-data", "system-unevaluated")
    assert found[0]["indicator"] == "warning"
    assert "do not read this as no contraindication" in found[0]["summary"]
    assert [order for card in found for order in drug_orders(card)] == []
    assert counted == 1
    drafts = [entry["resource"] for entry in REQUEST["context"]["draftOrders"]["entry"]]
    assert [fault for card in found for fault in faults(card, drafts)] == []


def test_a_block_that_only_the_independent_evaluator_finds_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    request = copy.deepcopy(REQUEST)
    request["prefetch"]["conditions"]["entry"].append({"resource": SEPSIS})
    request["prefetch"]["conditions"].pop("total", None)
    found, _ = cards(monkeypatch, request, failure="DurableFailure", fired=frozenset())
    decisions = [c["extension"]["org.anakinra-cds.explanation"]["decision"] for c in found]
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
