"""A second drug is content only: its order kind, value set, fact, rule and card, and no change of code."""

from __future__ import annotations

import json
import shutil
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from cds_service import knowledge
from cds_service.contract import EXPLANATION
from cds_service.service import Service
from cds_service.web.door import read_call

CHECKOUT = Path(__file__).parents[1]
NOW = datetime(2026, 3, 5, 12, tzinfo=UTC)

FILES = {
    "rules/terms/toydrug.yaml": """\
id: toydrug
title: Toy drug
status: draft
version: 1.0.0
date: 2026-11-22
purpose: A drug of this test only.
method: Words only.
codes: []
text: [toydrug]
exclusions: []
unverified: []
""",
    "rules/drugs/toydrug/toydrug-needs-platelets.yaml": """\
id: toydrug-needs-platelets
title: The toy drug needs platelets
version: 1.0.0
status: draft
approvalDate: ""
lastReviewDate: ""
stratum: safety
hooks: [order-select, order-sign]
orders: [toydrug]
rationale: When platelets are below 50,000 per microlitre, then stop the toy drug.
when: [{fact: toydrug-count, below: policy.toydrug-platelets}]
ifUnknown: insufficient-data
finding: {decision: block, indicator: critical}
card: toydrug-blocked
""",
    "rules/drugs/toydrug/toydrug-needs-platelets.cases.yaml": """\
- {name: low, facts: {toydrug-count: 49999}, result: fires}
- {name: exactly at the limit, facts: {toydrug-count: 50000}, result: silent}
- {name: not measured, result: unknown}
""",
    "cards/toydrug-blocked.yaml": """\
id: toydrug-blocked
version: 1.0.0
summary: "Stop the toy drug: platelets {{ fact('toydrug-count') }}"
detail: "Platelets {{ fact('toydrug-count') }}, below {{ policy('toydrug-platelets') }}."
""",
}
ADDED = (
    ("rules/orders.yaml", "kinds:\n", "kinds:\n  toydrug: {title: Toy drug, valueSets: [toydrug]}\n"),
    (
        "rules/policies.yaml",
        "\nchart-window:",
        "\ntoydrug-platelets: {title: Limit, value: 50000, unit: /uL, owner: test, validFrom: 2026-11-22, "
        "reference: test}"
        "\nchart-window:",
    ),
    (
        "rules/facts.yaml",
        "\nqueries:\n",
        "\nqueries:\n  blood-counts: {title: Platelets, resource: Observation, sort: -date, count: 50, "
        "codes: [platelets]}\n",
    ),
    (
        "rules/facts.yaml",
        "\nfacts:\n",
        "\nfacts:\n  toydrug-count: {title: Platelets, type: number, unit: /uL, from: {newest: "
        "{from: blood-counts, in: platelets, status: final, within: policy.labs-max-age, analyte: cell-count}}}\n",
    ),
)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Service:
    root = tmp_path_factory.mktemp("second-drug")
    for folder in ("rules", "cards"):
        shutil.copytree(CHECKOUT / folder, root / folder)
    for name, before, after in ADDED:
        text = (root / name).read_text()
        assert text.count(before) == 1, name
        (root / name).write_text(text.replace(before, after))
    for name, text in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    inspected = knowledge.inspect(root)
    assert inspected.problems == ()
    return Service.start(knowledge.load(root))


def ask(service: Service, platelets: float | None) -> list[dict[str, Any]]:
    patient = {"resourceType": "Patient", "id": "p", "birthDate": "1970-01-01"}
    draft = {
        "resourceType": "MedicationRequest",
        "id": "d",
        "status": "draft",
        "intent": "order",
        "subject": {"reference": "Patient/p"},
        "medicationCodeableConcept": {"text": "Toydrug 5 mg"},
    }
    count = {
        "resourceType": "Observation",
        "id": "o",
        "status": "final",
        "subject": {"reference": "Patient/p"},
        "code": {"coding": [{"system": "http://loinc.org", "code": "777-3"}]},
        "effectiveDateTime": "2026-03-05T08:00:00Z",
        "valueQuantity": {
            "value": platelets,
            "unit": "10*3/uL",
            "system": "http://unitsofmeasure.org",
            "code": "10*3/uL",
        },
    }
    found = [] if platelets is None else [{"resource": count}]
    body = {
        "hook": "order-select",
        "hookInstance": str(uuid.uuid4()),
        "context": {
            "userId": "Practitioner/1",
            "patientId": "p",
            "selections": ["MedicationRequest/d"],
            "draftOrders": {"resourceType": "Bundle", "entry": [{"resource": draft}]},
        },
        "prefetch": {
            "patient": patient,
            "blood-counts": {"resourceType": "Bundle", "type": "searchset", "entry": found},
        },
    }
    call = read_call("anakinra-order-select", "order-select", json.dumps(body).encode())
    cards: list[dict[str, Any]] = service.answer(call, NOW)["cards"]
    return cards


def test_its_template_is_advertised(service: Service) -> None:
    assert "http://loinc.org|777-3" in service.discovery()[0]["prefetch"]["blood-counts"]


def test_it_fires(service: Service) -> None:
    cards = ask(service, 49)
    assert [c["summary"] for c in cards] == ["Stop the toy drug: platelets 49000 /uL"]
    assert cards[0]["source"]["topic"]["code"] == "toydrug-needs-platelets"
    assert cards[0]["indicator"] == "critical"


def test_it_stays_silent(service: Service) -> None:
    assert ask(service, 50) == []


def test_unknown_is_said(service: Service) -> None:
    cards = ask(service, None)
    explained = cards[0]["extension"][EXPLANATION]
    assert explained["decision"] == "insufficient-data"
    assert explained["unknown"] == [{"name": "toydrug-count", "why": "none recorded"}]
