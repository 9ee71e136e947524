"""A third dosed drug is YAML only: tests/data/third-drug is laid over the shipped files, and it is asked for over HTTP.

One process is served of it, at the example site of local codes: so the second drug, tocilizumab, and that site's charts
are asked for on the same socket; and where a rule of these files is deleted, the process does not start.

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

from cds_service.knowledge import inspect
from cds_service.tools.replay.bundles import sources
from cds_service.tools.replay.client import HttpClient
from cds_service.tools.replay.expected import load_expected
from cds_service.tools.replay.run import Replay
from tests.support.cards import explanation
from tests.support.live import served_process, serving
from tests.support.shipped import ROOT

DRUG = Path(__file__).parent / "data/third-drug"
SITE = ROOT / "examples/site-local-codes"
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


def laid_over(folder: Path) -> Path:
    """The shipped files with those of the third drug laid over them."""
    for name in ("rules", "cards"):
        shutil.copytree(ROOT / name, folder / name)
    shutil.copytree(DRUG, folder, dirs_exist_ok=True)
    return folder


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is served: nobody changes it."""
    return laid_over(tmp_path_factory.mktemp("third-drug"))


@pytest.fixture(scope="module")
def edited(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, for tests that change a file and put it back."""
    return laid_over(tmp_path_factory.mktemp("third-drug-edited"))


@pytest.fixture(scope="module")
def client(root: Path) -> Iterator[HttpClient]:
    """A client of the one process that all of this file asks."""
    settings = {"CDS_KNOWLEDGE": str(root), "CDS_SITE": str(SITE), "CDS_ALLOW_EVALUATION_TIME": "on"}
    with served_process(**settings) as url:
        found = HttpClient(url, trust_env=False)
        yield found
        found.close()


@pytest.fixture(scope="module")
def ask(client: HttpClient) -> Ask:
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
        reply = client.call("anakinra-order-select", request)
        assert reply.status == 200, reply
        cards: list[Json] = reply.body["cards"]
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
    assert "Licensed for toys (United States, 2026)" in ask("toydrug")[0]["detail"]
    assert "NOMID" not in said(ask("toydrug"))
    assert "Off-label (United States, 2026)" in ask("anakinra")[0]["detail"]


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


def test_tocilizumab_is_a_dosed_drug_of_its_own(ask: Ask) -> None:
    """Its own maximum at once, beside the other drugs' daily ones; a dose within it is answered by what may follow."""
    (first, *_) = ask("tocilizumab", 2000)
    told = explanation(first)
    assert (told["decision"], told["rule"]) == ("order-exceeds-max", "tocilizumab-exceeds-maximum")
    assert "2000 mg > 800 mg" in first["summary"]
    assert not [policy for policy in told["policy"] if "daily-maximum" in policy["name"]]
    cards = ask("tocilizumab", 560)
    assert "order-exceeds-max" not in decisions(cards)
    assert (explanation(cards[0])["decision"], explanation(cards[0])["rule"]) == ("suggest", "crs-adult-grade-2")
    actions = cards[0]["suggestions"][0]["actions"]
    assert [action["type"] for action in actions] == ["create", "delete"]
    assert actions[1]["resourceId"] == "MedicationRequest/draft"
    assert "toydrug" not in said(cards)


def test_the_site_of_local_codes_is_answered_beside_it(client: HttpClient) -> None:
    expected = load_expected(SITE / "expected.yaml")
    run = Replay(client, expected=expected)
    patients = sources(sorted((SITE / "patients").glob("*.json")))[0]
    found = {result.chart.patient_id: result.differences for source in patients for result in run.replay(source)}
    assert found == dict.fromkeys(expected, ())


def test_without_a_recorded_rule_the_process_does_not_start(edited: Path) -> None:
    rule = edited / "rules/shared/infection/infection-undated.yaml"
    text = rule.read_text(encoding="utf-8")
    rule.unlink()
    try:
        with serving(CDS_KNOWLEDGE=str(edited)) as process:
            out, errors = process.communicate(timeout=120)
    finally:
        rule.write_text(text, encoding="utf-8")
    assert (process.returncode, out) == (1, "")
    (line,) = errors.splitlines()
    assert re.match(r"Error: \S*rules/versions\.yaml:\d+: \S+: the rule infection-undated is recorded and gone; ", line)


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
def test_what_is_not_safe_to_offer_is_refused(edited: Path, file: str, old: str, new: str, expected: str) -> None:
    with changed(edited, file, old, new):
        problems = [line for line in inspect(edited).problems if line.startswith(FILE)]
    assert re.match(rf"{re.escape(FILE)}:\d+: ", problems[0])
    assert any(expected in line for line in problems), problems
