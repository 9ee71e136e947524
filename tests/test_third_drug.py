"""A third dosed drug is YAML only: tests/data/third-drug is laid over the shipped files, and it is asked for over HTTP.

What went wrong when a drug was added by hand, each as a test: sepsis blocked the first drug and let the new one pass in
silence; `order-ok` named the first drug; a card of one printed the maximum or the licence of the other; a route that
nobody had thought of took the service down.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from werkzeug.test import Client

from cds_service.app import create_app
from cds_service.knowledge import inspect
from cds_service.settings import Settings
from tests.support.cards import explanation
from tests.support.shipped import ROOT

DRUG = Path(__file__).parent / "data/third-drug"
BASE = json.loads((ROOT / "examples/requests/refractory-grade-2.json").read_text(encoding="utf-8"))
PATIENT = BASE["context"]["patientId"]
SEPSIS = {
    "resourceType": "Condition",
    "id": "sepsis",
    "clinicalStatus": {"coding": [{"code": "active"}]},
    "code": {"text": "Sepsis"},
    "subject": {"reference": f"Patient/{PATIENT}"},
    "onsetDateTime": "2026-03-04",
}
ORAL = {"text": "Oral", "coding": [{"system": "http://snomed.info/sct", "code": "26643006", "display": "Oral route"}]}
Json = dict[str, Any]
Ask = Callable[..., list[Json]]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped files with those of the third drug laid over them."""
    folder = tmp_path_factory.mktemp("third-drug")
    for name in ("rules", "cards"):
        shutil.copytree(ROOT / name, folder / name)
    shutil.copytree(DRUG, folder, dirs_exist_ok=True)
    return folder


@pytest.fixture(scope="module")
def client(root: Path) -> Client:
    return create_app(Settings(knowledge=root, allow_evaluation_time=True)).test_client()


@pytest.fixture(scope="module")
def ask(client: Client) -> Ask:
    """The cards for one order of a drug, in the chart of the example with the named changes."""

    def asked(
        drug: str, mg: float = 0, hours: float = 12, route: Json | None = None, coding: Any = (), **chart: Any
    ) -> list[Json]:
        order: Json = {
            "resourceType": "MedicationRequest", "id": "draft", "status": "draft", "intent": "order",
            "subject": {"reference": f"Patient/{PATIENT}"},
            "medicationCodeableConcept": {"text": drug, "coding": coding},
        }  # fmt: skip
        if mg:
            dose = {"value": mg, "unit": "mg", "system": "http://unitsofmeasure.org", "code": "mg"}
            timing = {"repeat": {"frequency": 1, "period": hours, "periodUnit": "h"}}
            order["dosageInstruction"] = [{"timing": timing, "doseAndRate": [{"doseQuantity": dose}]}]
            if route:
                order["dosageInstruction"][0]["route"] = route
        request = json.loads(json.dumps(BASE))
        request["context"]["draftOrders"] = {"resourceType": "Bundle", "entry": [{"resource": order}]}
        request["context"]["selections"] = ["MedicationRequest/draft"]
        for key, resource in chart.items():
            if resource is None:
                del request["prefetch"][key]
            else:
                request["prefetch"][key].setdefault("entry", []).append({"resource": resource})
                request["prefetch"][key].pop("total", None)
        reply = client.post("/cds-services/anakinra-order-select", json=request)
        assert reply.status_code == 200, reply.text
        cards: list[Json] = reply.get_json()["cards"]
        return cards

    return asked


def decisions(cards: list[Json]) -> list[str]:
    return [explanation(card)["decision"] for card in cards]


def said(cards: list[Json]) -> str:
    return json.dumps(cards).lower()


def active(drug: str, mg: float) -> Json:
    dose = {"value": mg, "unit": "mg", "system": "http://unitsofmeasure.org", "code": "mg"}
    timing = {"repeat": {"frequency": 1, "period": 12, "periodUnit": "h"}}
    return {
        "resourceType": "MedicationRequest", "id": "running", "status": "active", "intent": "order",
        "subject": {"reference": f"Patient/{PATIENT}"}, "medicationCodeableConcept": {"text": drug},
        "authoredOn": "2026-03-04T08:00:00Z",
        "dosageInstruction": [{"timing": timing, "doseAndRate": [{"doseQuantity": dose}]}],
    }  # fmt: skip


def test_the_files_have_no_problems(root: Path) -> None:
    assert inspect(root).problems == ()


def test_its_pathway_suggests_its_own_dose(ask: Ask) -> None:
    (first, *_) = ask("toydrug")
    assert explanation(first)["decision"] == "suggest"
    assert explanation(first)["dosePlan"]["doseMg"] == 10
    (order,) = [action["resource"] for action in first["suggestions"][0]["actions"]]
    assert order["medicationCodeableConcept"]["text"] == "toydrug"
    assert order["dispenseRequest"]["quantity"]["unit"] == "toy syringe 10 mg"


def test_a_right_draft_is_named_by_its_own_name(ask: Ask) -> None:
    (first, *_) = ask("toydrug", 10)
    assert explanation(first)["decision"] == "order-ok"
    assert first["summary"].startswith("Toydrug order fits the pathway: 20 mg/day")


def test_sepsis_blocks_it(ask: Ask) -> None:
    for drug in ("toydrug", "anakinra"):
        (first, *_) = ask(drug, conditions=SEPSIS)
        assert explanation(first)["decision"] == "block", drug
        assert drug in first["summary"]
        assert "suggestions" not in first


def test_its_own_maximum_is_judged_and_printed(ask: Ask) -> None:
    (first, *_) = ask("toydrug", 20)
    told = explanation(first)
    assert (told["decision"], first["indicator"]) == ("order-exceeds-max", "critical")
    assert "40 mg/day > 30 mg/day" in first["summary"]
    assert [policy["name"] for policy in told["policy"]] == ["toydrug-daily-maximum", "toydrug-child-daily-maximum"]
    assert ask("anakinra", 100)[0]["summary"].startswith("Anakinra")
    assert "order-exceeds-max" not in decisions(ask("anakinra", 100))


def test_a_duplicate_names_its_dose(ask: Ask) -> None:
    (first, *_) = ask("toydrug", 10, requests=active("toydrug", 5))
    assert explanation(first)["decision"] == "duplicate"
    assert first["source"]["topic"]["code"] == "duplicate-toydrug"
    assert "Toydrug is already active" in first["summary"]
    assert "10 mg/day plus 20 mg/day" in first["summary"]
    assert "maximum is 30 mg/day" in first["detail"]
    assert "duplicate" not in decisions(ask("anakinra", 100, requests=active("toydrug", 5)))


def test_its_licence_is_its_own(ask: Ask) -> None:
    assert "Licensed for toys in the United States" in ask("toydrug")[0]["detail"]
    assert "NOMID" not in said(ask("toydrug"))
    assert "NOMID" in ask("anakinra")[0]["detail"]


def test_another_route_is_a_review(ask: Ask) -> None:
    for drug in ("toydrug", "anakinra"):
        (first, *_) = ask(drug, 10, route=ORAL)
        assert (explanation(first)["decision"], first["indicator"]) == ("review", "warning"), drug
        assert "Oral" in first["detail"]


def test_unknown_allergies_are_insufficient_data(ask: Ask) -> None:
    (first, *_) = ask("toydrug", allergies=None)
    assert explanation(first)["decision"] == "insufficient-data"
    assert "Hypersensitivity to toydrug" in first["summary"]


def test_an_allergy_to_it_is_no_allergy_to_the_other(ask: Ask) -> None:
    allergy = {
        "resourceType": "AllergyIntolerance", "id": "toy", "code": {"text": "Toydrug"},
        "clinicalStatus": {"coding": [{"code": "active"}]}, "patient": {"reference": f"Patient/{PATIENT}"},
    }  # fmt: skip
    assert decisions(ask("toydrug", allergies=allergy))[0] == "block"
    assert "block" not in decisions(ask("anakinra", allergies=allergy))


def test_no_live_vaccine_while_it_is_active(ask: Ask) -> None:
    cards = ask("MMR", coding=[{"system": "http://hl7.org/fhir/sid/cvx", "code": "03"}], requests=active("toydrug", 5))
    assert decisions(cards)[0] == "vaccine-warning"
    assert "toydrug" in cards[0]["summary"]


@pytest.mark.parametrize("chart", [{}, {"conditions": SEPSIS}, {"allergies": None}, {"weights": None}])
def test_no_card_of_one_speaks_of_the_other(ask: Ask, chart: Json) -> None:
    for mine, other, mg in (("toydrug", "anakinra|kineret", 20), ("anakinra", "toydrug|toy syringe", 500)):
        for cards in (ask(mine, **chart), ask(mine, mg, **chart), ask(mine, mg, requests=active(mine, 5), **chart)):
            own = re.sub(r"anakinra cds|anakinra-cds", "", said(cards))  # the service's own name
            assert re.findall(other, own) == []


@contextmanager
def changed(root: Path, file: str, old: str, new: str) -> Iterator[None]:
    path = root / file
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1
    path.write_text(text.replace(old, new), encoding="utf-8")
    try:
        yield
    finally:
        path.write_text(text, encoding="utf-8")


FILE = "rules/drugs/toydrug/drug.yaml"


@pytest.mark.parametrize(
    ("file", "old", "new", "expected"),
    [
        (FILE, "groups: [immunosuppressants]", "groups: []", "groups: a drug with a regimen needs the safety rules"),
        (FILE, "allergies: {title: toydrug}\n", "", "allergies: required: a drug with a regimen is offered"),
        (
            FILE,
            "adult: toydrug-daily-maximum",
            "adult: toydrug-daily",
            "maximum.daily.adult: no such policy toydrug-",
        ),
        (FILE, "  KR: {statement", "  KP: {statement", "regions.KP: no such region KP"),
        (
            "rules/shared/infection/infection-severe.yaml",
            "{group: immunosuppressants}",
            "anakinra",
            "the safety rule infection-severe of the group immunosuppressants does not run for it",
        ),
    ],
)
def test_what_is_not_safe_to_offer_is_refused(root: Path, file: str, old: str, new: str, expected: str) -> None:
    with changed(root, file, old, new):
        problems = [line for line in inspect(root).problems if line.startswith(FILE)]
    assert re.match(rf"{re.escape(FILE)}:\d+: ", problems[0])
    assert any(expected in line for line in problems), problems
