"""A service without clinical content, and calls to make to it."""

from __future__ import annotations

import copy
import json
from collections.abc import Collection
from datetime import datetime
from types import SimpleNamespace
from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from cds_service.advice.model import Advice
from cds_service.app import create_app
from cds_service.chart.intake import Intake
from cds_service.chart.visit import Asking, unwatched
from cds_service.contract import EXPLANATION
from cds_service.hook_call import HookCall
from cds_service.settings import Settings

EHR = "https://ehr.example.org"
SELECT = "/cds-services/anakinra-order-select"
CARD = {
    "summary": "x",
    "extension": {EXPLANATION: {"decision": "suggest", "rule": "crs-refractory"}},
}


class StubService:
    """Answers with `response`, or raises it; remembers the calls, and the addresses that cards would link to."""

    def __init__(self, response: Any = None) -> None:
        site = SimpleNamespace(id="us", cors_origins=(), audit_facts="values")
        site.silent, site.silent_services, site.silent_rules = False, (), ()
        self.knowledge: Any = SimpleNamespace(digest="0123456789ab", site=site)
        self.response = {"cards": []} if response is None else response
        self.calls: list[tuple[HookCall, datetime]] = []
        self.addresses: list[str] = []
        self.program: Any = SimpleNamespace(asked={}, windows={})
        self.trouble: list[str] = []
        self.timed: Any = None
        self.asking: Asking = unwatched

    def discovery(self) -> list[dict[str, Any]]:
        return [
            {"id": "anakinra-order-select", "hook": "order-select", "title": "t", "description": "d"},
            {"id": "anakinra-order-sign", "hook": "order-sign", "title": "t", "description": "d"},
            {"id": "car-t-toxicity-patient-view", "hook": "patient-view", "title": "t", "description": "d"},
        ]

    def troubles(self) -> list[str]:
        return self.trouble

    def assess(self, call: HookCall, now: datetime) -> None:
        self.calls.append((call, now))
        if isinstance(self.response, Exception):
            raise self.response

    def drafts_intake(self, call: HookCall) -> Intake:
        return Intake()

    def advice(
        self,
        service_id: str,
        assessment: None,
        public_url: str = "",
        since: datetime | None = None,
        reminded: Collection[str] = frozenset(),
    ) -> Advice:
        assert (assessment, since, reminded) == (None, None, frozenset())
        self.addresses.append(public_url)
        return Advice(self.response["cards"])


def client_of(service: StubService, **changes: Any) -> FlaskClient:
    return create_app(Settings(**{"store": False} | changes), service).test_client()


def call_body(**changes: Any) -> dict[str, Any]:
    """A whole order-select call; a dotted name such as `context__patientId` changes a member of an object."""
    body: dict[str, Any] = {
        "hook": "order-select",
        "hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea",
        "context": {
            "userId": "Practitioner/1",
            "patientId": "p1",
            "selections": ["MedicationRequest/m1"],
            "draftOrders": {
                "resourceType": "Bundle",
                "entry": [{"resource": {"resourceType": "MedicationRequest", "id": "m1"}}],
            },
        },
        "prefetch": {"patient": {"resourceType": "Patient", "id": "p1"}, "conditions": None},
    }
    body = copy.deepcopy(body)
    for name, value in changes.items():
        *parents, last = name.split("__")
        holder = body
        for parent in parents:
            holder = holder[parent]
        if value is ...:
            holder.pop(last, None)
        else:
            holder[last] = value
    return body


def post(client: FlaskClient, body: Any, path: str = SELECT, **more: Any) -> TestResponse:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return client.post(path, data=data, **({"content_type": "application/json"} | more))


def issue(response: TestResponse) -> dict[str, str]:
    """The one issue of the OperationOutcome that every refusal is."""
    assert response.mimetype == "application/json"
    outcome = response.get_json()
    assert outcome["resourceType"] == "OperationOutcome"
    assert set(outcome) == {"resourceType", "issue"}
    (found,) = outcome["issue"]
    assert found["severity"] == "error"
    assert found["diagnostics"]
    return dict(found)
