"""What CDS Hooks asks of a service and no other test shows; `tests/data/conformance.yaml` is the table of all of it."""

from __future__ import annotations

import copy
import json
import logging
import re
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from fhir.resources.R4B import get_fhir_model_class
from flask.testing import FlaskClient

from cds_service.app import create_app
from cds_service.contract import ASSOCIATED
from cds_service.knowledge import load
from cds_service.service import Service
from cds_service.settings import Settings
from tests.support.examples import example_calls
from tests.support.places import Cards, answer
from tests.support.shipped import ROOT
from tests.support.tokens import claims, signed
from tests.support.vignettes import vignettes
from tests.web.stub import SELECT, call_body, post
from tests.web.test_web_feedback import CARD, PATH
from tests.web.test_web_trust import PUBLIC, call, guarded

Json = dict[str, Any]
_MAY_BE_EMPTY = {"cards", "services"}
_TOKENS = {"context.patientId", "context.userId", "context.encounterId", "userPractitionerId", "userPatientId"}
_MODIFIERS = {"", "in"}
_MARKUP = "<b>Zq7</b> <i onerror=x> [x](javascript:alert(1)) ![y](http://z.example.org)"


@pytest.fixture(scope="module")
def service() -> Service:
    return Service.start(load())


@pytest.fixture(scope="module")
def discovery(service: Service) -> list[Json]:
    return service.discovery()


@pytest.fixture(scope="module")
def answered(service: Service) -> list[tuple[str, Json, Cards]]:
    """(name, call, cards) of the examples and the vignettes that play at the first site."""
    calls = [(name, call) for name, _, call in example_calls(service.program.templates_of)]
    templates = service.program.templates
    calls += [(each.id, each.call(templates)) for each in vignettes() if each.given.get("site", "us") == "us"]
    found = [(name, call, answer(service, call)[1]) for name, call in calls]
    assert sum(bool(cards) for _, _, cards in found) > 60
    return found


@pytest.fixture(scope="module")
def client(service: Service, tmp_path_factory: pytest.TempPathFactory) -> FlaskClient:
    settings = Settings(data=tmp_path_factory.mktemp("data"), allow_evaluation_time=True)
    return create_app(settings, service).test_client()


def example() -> Json:
    found: Json = json.loads((ROOT / "examples/requests/refractory-grade-2.json").read_text(encoding="utf-8"))
    return found


def every_card(answered: list[tuple[str, Json, Cards]]) -> Iterator[tuple[Json, Json]]:
    for _, request, cards in answered:
        for card in cards:
            yield request, card


def every_suggestion(answered: list[tuple[str, Json, Cards]]) -> Iterator[tuple[Json, Json]]:
    found = [(request, each) for request, card in every_card(answered) for each in card.get("suggestions", ())]
    assert len(found) > 60
    yield from found


def empties(value: Any, path: str = "") -> Iterator[str]:
    if value is None or value in ("", [], {}):
        yield path
    for name, each in value.items() if isinstance(value, dict) else enumerate(value if isinstance(value, list) else ()):
        if name not in _MAY_BE_EMPTY or each:
            yield from empties(each, f"{path}.{name}")


def test_nothing_is_empty(discovery: list[Json], answered: list[tuple[str, Json, Cards]]) -> None:
    assert list(empties({"services": discovery})) == []
    # The explanation is ours: there the value of a fact that is unknown is null.
    told = [path for _, _, cards in answered for path in empties({"cards": cards})]
    assert [path for path in told if not re.fullmatch(r".*\.facts\.\d+\.value", path)] == []


def test_what_is_empty_is_found() -> None:
    assert list(empties({"cards": [], "a": None, "b": [{"c": ""}, []], "d": {}, "e": 0, "f": False})) == [
        ".a", ".b.0.c", ".b.1", ".d",
    ]  # fmt: skip


def test_discovery_entries(discovery: list[Json]) -> None:
    for entry in discovery:
        assert all(isinstance(entry[name], str) for name in ("hook", "id", "title", "description", "usageRequirements"))
        assert all(isinstance(each, str) for item in entry["prefetch"].items() for each in item)
    assert len({entry["id"] for entry in discovery}) == len(discovery)
    assert "R4" in discovery[0]["usageRequirements"]


def test_templates_are_of_the_simple_subset(discovery: list[Json]) -> None:
    for entry in discovery:
        for key, template in entry["prefetch"].items():
            tokens = re.findall(r"\{\{(.*?)\}\}", template)
            assert set(tokens) <= _TOKENS, key
            assert "{" not in re.sub(r"\{\{.*?\}\}", "", template), key
            parts = urlsplit(template.replace("{{", "").replace("}}", ""))
            assert re.fullmatch(r"[A-Z][A-Za-z]+(/[a-zA-Z.]+)?", parts.path), key
            names = [name for name, _ in parse_qsl(parts.query, keep_blank_values=True)]
            assert {name.partition(":")[2] for name in names} <= _MODIFIERS, key
            assert not [
                name for name in names if "." in name or name.startswith(("_include", "_revinclude", "_has"))
            ], key
            assert {name for name in names if name.startswith("_")} <= {"_count", "_sort", "_id"}, key
            assert len([name for name in names if "date" in name]) <= 1, key


def test_cards(answered: list[tuple[str, Json, Cards]]) -> None:
    uuids = [card["uuid"] for _, card in every_card(answered)]
    assert len(set(uuids)) == len(uuids)
    for _, card in every_card(answered):
        assert len(card["summary"]) < 140
        assert card["indicator"] in ("info", "warning", "critical")
        assert card["source"]["label"]
        assert {"code", "system"} <= set(card["source"]["topic"])
        assert not {"systemActions", "actionSelectionBehavior"} & set(card)
        for reason in card.get("overrideReasons", ()):
            assert {"code", "system", "display"} <= set(reason)
        assert isinstance(card["extension"], dict)
        for name in card["extension"]:
            assert name.startswith("org.anakinra-cds.") or name == ASSOCIATED


def test_links_of_cards(client: FlaskClient) -> None:
    cards = client.post(SELECT, json=example()).get_json()["cards"]
    links = [link for card in cards for link in card["links"]]
    assert links
    for link in links:
        assert set(link) == {"label", "url", "type"}
        assert link["type"] == "absolute"
        assert urlsplit(link["url"]).scheme
    assert all(urlsplit(card["source"]["url"]).netloc for card in cards)


def test_suggestions(answered: list[tuple[str, Json, Cards]]) -> None:
    kinds = set()
    for _, card in every_card(answered):
        assert ("suggestions" in card) == ("selectionBehavior" in card)
        if "suggestions" in card:
            assert card["selectionBehavior"] in ("at-most-one", "any")
            recommended = [each for each in card["suggestions"] if each.get("isRecommended")]
            assert len(recommended) <= 1 or card["selectionBehavior"] == "any"
    for request, suggestion in every_suggestion(answered):
        drafts = {f"{each['resourceType']}/{each.get('id')}" for each in drafts_of(request)}
        assert suggestion["label"]
        assert suggestion["uuid"]
        assert "actionSelectionBehavior" not in suggestion
        assert suggestion["actions"][0]["type"] != "delete"
        types = [action["type"] for action in suggestion["actions"]]
        assert "delete" not in types or "create" in types
        for action in suggestion["actions"]:
            kinds.add(action["type"])
            assert action["description"]
            resource = action.get("resource", {})
            if action["type"] == "create":
                assert "id" not in resource
            elif action["type"] == "update":
                assert f"{resource['resourceType']}/{resource['id']}" in drafts
            else:
                assert set(action) == {"type", "description", "resourceId"}
                assert action["resourceId"] in drafts
    assert kinds == {"create", "update", "delete"}


def drafts_of(request: Mapping[str, Any]) -> list[Json]:
    return [entry["resource"] for entry in request["context"].get("draftOrders", {}).get("entry", ())]


def test_an_update_is_the_whole_draft(answered: list[tuple[str, Json, Cards]]) -> None:
    """What the draft said and the dose does not replace is still there."""
    updates = 0
    for request, suggestion in every_suggestion(answered):
        drafts = {each.get("id"): each for each in drafts_of(request)}
        for action in suggestion["actions"]:
            if action["type"] == "update":
                updates += 1
                assert set(drafts[action["resource"]["id"]]) <= set(action["resource"])
    assert updates > 10


def test_resources_in_suggestions_are_valid_fhir(answered: list[tuple[str, Json, Cards]]) -> None:
    for _, suggestion in every_suggestion(answered):
        for action in suggestion["actions"]:
            if resource := action.get("resource"):
                get_fhir_model_class(resource["resourceType"]).model_validate(resource)


def test_markup_of_a_chart_is_escaped(client: FlaskClient) -> None:
    """What a card quotes of a chart is no markup in it, whatever kind of markup it is."""
    request = example()
    patient, system = request["context"]["patientId"], "http://terminology.hl7.org/CodeSystem/condition-clinical"
    sepsis = {
        "resourceType": "Condition", "id": "zq7", "subject": {"reference": f"Patient/{patient}"},
        "clinicalStatus": {"coding": [{"system": system, "code": "active"}]},
        "code": {"text": f"Sepsis {_MARKUP}"}, "onsetDateTime": "2026-03-05T08:00:00Z",
    }  # fmt: skip
    request["prefetch"]["conditions"]["entry"].append({"resource": sepsis})
    cards = client.post(SELECT, json=request).get_json()["cards"]
    said = "\n".join(card["summary"] + "\n" + card["detail"] for card in cards)
    assert "Zq7" in said
    assert not re.search(r"<\s*/?\s*[a-zA-Z!]", said)
    assert not re.search(r"(?<!\\)\]\(\s*(javascript|http://z\.)", said)


def test_members_that_nobody_knows_are_ignored(client: FlaskClient) -> None:
    plain, more = (
        example(),
        example() | {"unknown": {"x": [1]}, "extension": {"org.example.x": None, **example()["extension"]}},
    )
    more["context"] = more["context"] | {"unknown": "x"}
    told = [client.post(SELECT, json=request) for request in (plain, more)]
    assert [each.status_code for each in told] == [200, 200]
    first, second = ([card["summary"] for card in each.get_json()["cards"]] for each in told)
    assert first == second != []


def test_only_selected_orders_are_answered(client: FlaskClient) -> None:
    """An anakinra draft that is not selected is context: another drug that is selected gets no card about it."""
    request = copy.deepcopy(example())
    other = {
        "resourceType": "MedicationRequest", "id": "other", "status": "draft", "intent": "order",
        "subject": {"reference": f"Patient/{request['context']['patientId']}"},
        "medicationCodeableConcept": {"text": "Acetaminophen"},
    }  # fmt: skip
    request["context"]["draftOrders"]["entry"].append({"resource": other})
    assert client.post(SELECT, json=request).get_json()["cards"]
    request["context"]["selections"] = ["MedicationRequest/other"]
    assert client.post(SELECT, json=request).get_json() == {"cards": []}


def test_an_order_without_a_drug(client: FlaskClient) -> None:
    """As clients send it when the order screen opens: before anything is chosen there is nothing to say."""
    request = copy.deepcopy(example())
    for entry in request["context"]["draftOrders"]["entry"]:
        for name in ("medicationCodeableConcept", "dosageInstruction"):
            entry["resource"].pop(name, None)
    response = client.post(SELECT, json=request)
    assert (response.status_code, response.get_json()) == (200, {"cards": []})


@pytest.mark.parametrize(
    "draft",
    [
        {"resourceType": "MedicationOrder", "id": "m1", "medicationReference": {"reference": "Medication/1"}},  # DSTU 2
        {"resourceType": "MedicationRequest", "id": "m1", "requester": {"agent": {"reference": "Practitioner/1"}},
         "dosageInstruction": [{"doseQuantity": {"value": 1}}]},  # STU 3
        {"resourceType": "ProcedureRequest", "id": "m1", "code": {"text": "x"}},
    ],
)  # fmt: skip
def test_orders_of_other_fhir_versions(client: FlaskClient, draft: Json) -> None:
    body = call_body(
        context__draftOrders={"resourceType": "Bundle", "entry": [{"resource": draft}]},
        context__selections=[f"{draft['resourceType']}/m1"],
    )
    assert post(client, body).status_code == 200


def test_feedback_as_clients_send_it(client: FlaskClient) -> None:
    """The sandbox: many items, no reason, only a comment, a category without a display, members that nobody knows."""
    cards = client.post(SELECT, json=example()).get_json()["cards"]
    at = {"card": cards[0]["uuid"], "outcome": "overridden", "outcomeTimestamp": "2026-03-05T12:00:00.123Z"}
    items = [
        {"outcome": "accepted", "acceptedSuggestions": [{"id": cards[0]["suggestions"][0]["uuid"]}]},
        {},
        {"overrideReason": {"userComment": "no"}},
        {"card": CARD, "overrideReason": {"reason": {"code": "x", "system": "urn:y"}}, "extension": {}},
    ]
    response = post(client, {"feedback": [at | item for item in items]}, PATH)
    assert (response.status_code, response.get_json()) == (200, {})


def test_a_token_is_not_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    client = guarded(tmp_path)
    tokens = [
        signed(claims(time.time(), aud=PUBLIC + SELECT)),
        signed(claims(time.time(), aud=PUBLIC + SELECT, iss="https://other.example.org")),
        signed(claims(time.time() - 9999, aud=PUBLIC + SELECT)),
    ]
    with caplog.at_level(logging.DEBUG):
        assert [call(client, token).status_code for token in tokens] == [200, 401, 401]
    assert caplog.text
    for token in tokens:
        for part in token.split("."):
            assert part not in caplog.text


def test_the_sheet_asks_for_tls() -> None:
    assert "Serve behind TLS" in (ROOT / "docs" / "connecting.md").read_text(encoding="utf-8")
