"""Quiet repeats, where the setting asks for them: brief, never silent, and nothing hard is taken away."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from flask.testing import FlaskClient
from msgspec import structs

from cds_service.advice.context import standing
from cds_service.advice.model import Answer, Assessment, DosePlan, OrderAssessment
from cds_service.advice.repeated import brief
from cds_service.advice.templates import compile_cards
from cds_service.advice.unevaluated import NOTHING_FOUND, RULE
from cds_service.app import create_app
from cds_service.contract import REPEATED
from cds_service.facts.model import Fact
from cds_service.hook_call import HookCall
from cds_service.settings import Settings
from cds_service.web.repeats import Repeats
from tests.facts.house import REFRACTORY, Case, service

REQUEST = json.loads((Path(__file__).parents[2] / "examples/requests/refractory-grade-2.json").read_text("utf-8"))
TIME = "org.anakinra-cds.evaluation-time"
AT = datetime.fromisoformat("2026-03-05T10:00:00+00:00")


@pytest.fixture
def client() -> FlaskClient:
    settings = Settings(quiet_repeats=True, allow_evaluation_time=True)
    return create_app(settings, service()).test_client()


def ask(client: FlaskClient, minutes: int = 0, instance: str = "", **context: Any) -> list[dict[str, Any]]:
    """The cards of the example, asked again under a new hookInstance some minutes later."""
    when = (AT + timedelta(minutes=minutes)).isoformat()
    body = REQUEST | {"hookInstance": instance or str(uuid4()), "extension": {TIME: when}}
    body["context"] = REQUEST["context"] | context
    reply = client.post("/cds-services/anakinra-order-select", json=body)
    assert reply.status_code == 200, reply.text
    cards: list[dict[str, Any]] = reply.json["cards"] if reply.json else []
    return cards


def repeated(cards: list[dict[str, Any]]) -> bool:
    return cards[0]["summary"].startswith("Unchanged since 10:00 UTC")


def test_the_same_again_is_said_briefly(client: FlaskClient) -> None:
    whole, again = ask(client), ask(client, 5)
    assert not repeated(whole)
    assert repeated(again)
    assert len(again[0]["detail"]) < len(whole[0]["detail"]) / 2
    assert len(again) < len(whole)
    folded = [card["summary"] for card in whole[1:] if "suggestions" not in card]
    assert folded
    assert all(line.split(":")[0] in again[0]["detail"] for line in folded)


def test_nothing_hard_is_taken_away(client: FlaskClient) -> None:
    whole, again = ask(client), ask(client, 5)
    assert again[0]["indicator"] == whole[0]["indicator"]
    labels = [[s["label"] for s in card.get("suggestions", ())] for card in (whole[0], again[0])]
    assert labels[0] == labels[1] != []
    assert again[0]["extension"].keys() == whole[0]["extension"].keys()


def test_a_retry_is_the_same_call(client: FlaskClient) -> None:
    ask(client, 0, "10000000-0000-4000-8000-000000000000")
    assert not repeated(ask(client, 0, "10000000-0000-4000-8000-000000000000"))


def test_after_the_window_the_whole_is_shown(client: FlaskClient) -> None:
    ask(client)
    assert repeated(ask(client, 30))
    assert not repeated(ask(client, 31))


def test_another_clinician_sees_the_whole(client: FlaskClient) -> None:
    ask(client)
    assert not repeated(ask(client, 1, userId="Practitioner/another"))


def test_another_draft_is_answered_whole(client: FlaskClient) -> None:
    ask(client)
    changed = json.loads(json.dumps(REQUEST["context"]["draftOrders"]))
    changed["entry"][0]["resource"]["note"] = [{"text": "changed"}]
    assert not repeated(ask(client, 1, draftOrders=changed))


def test_a_critical_card_keeps_its_whole_text(client: FlaskClient) -> None:
    sepsis = {
        "resourceType": "Condition", "id": "s", "subject": {"reference": "Patient/refractory-grade-2"},
        "code": {"text": "Sepsis"}, "onsetDateTime": "2026-03-05T01:00:00Z",
    }  # fmt: skip
    body = json.loads(json.dumps(REQUEST))
    body["prefetch"]["conditions"]["entry"].append({"resource": sepsis})
    body["extension"] = {TIME: AT.isoformat()}
    whole, again = (
        client.post("/cds-services/anakinra-order-select", json=body | {"hookInstance": str(uuid4())}).json["cards"]
        for _ in range(2)
    )
    assert whole[0]["indicator"] == "critical"
    assert repeated(again)
    assert whole[0]["detail"] in again[0]["detail"]


def test_the_setting_is_off_by_default() -> None:
    client = create_app(Settings(allow_evaluation_time=True), service()).test_client()
    ask(client)
    assert not repeated(ask(client, 1))


# ---------------------------------------------------------------- what makes it another answer


def test_a_worse_value_is_shown_whole(client: FlaskClient) -> None:
    """The same rules hold, and what they say is another thing."""
    ask(client)
    assert not repeated(ask_with(client, 1, "labs", _fewer_neutrophils))


def test_another_source_is_shown_whole(client: FlaskClient) -> None:
    def again(entries: list[dict[str, Any]]) -> None:
        grade = next(e["resource"] for e in entries if "D89.832" in json.dumps(e))
        grade["id"] = "another-grade"

    ask(client)
    assert not repeated(ask_with(client, 1, "conditions", again))


def ask_with(client: FlaskClient, minutes: int, query: str, change: Any) -> list[dict[str, Any]]:
    body = json.loads(json.dumps(REQUEST))
    change(body["prefetch"][query]["entry"])
    when = (AT + timedelta(minutes=minutes)).isoformat()
    body |= {"hookInstance": str(uuid4()), "extension": {TIME: when}}
    reply = client.post("/cds-services/anakinra-order-select", json=body)
    assert reply.status_code == 200
    cards: list[dict[str, Any]] = reply.json["cards"] if reply.json else []
    return cards


def _fewer_neutrophils(entries: list[dict[str, Any]]) -> None:
    counts = [e["resource"] for e in entries if "751-8" in json.dumps(e["resource"]["code"])]
    assert counts
    for count in counts:
        count["valueQuantity"]["value"] = 0.52 if count["valueQuantity"]["unit"].startswith("10") else 520


# ---------------------------------------------------------------- the memory itself


def call(**more: Any) -> HookCall:
    return replace(Case(given=REFRACTORY).call(), **more)


def assessed(*kinds: tuple[str, str], now: datetime = AT) -> Assessment:
    """An assessment with these answers: (decision, indicator)."""
    answers = tuple(
        Answer(decision, indicator, RULE.model_copy(update={"id": f"r-{place}"}), "anakinra")  # type: ignore[arg-type]
        for place, (decision, indicator) in enumerate(kinds)
    )
    order = OrderAssessment("anakinra", (), {}, NOTHING_FOUND, answers)
    return Assessment("0123456789ab us", "order-select", now, "p1", None, (order,), answers)


WAIT = assessed(("wait", "info"))


@pytest.mark.parametrize(
    "other",
    [
        {"patient_id": "p2"},
        {"encounter_id": "e2"},
        {"user_id": "Practitioner/2"},
        {"hook": "order-sign"},
        {"fhir_server": "https://other.example.org/r4"},
        {"selections": ()},
    ],
    ids=lambda other: next(iter(other)),
)
def test_what_is_remembered_is_of_one_step_of_one_clinician(other: dict[str, Any]) -> None:
    memory = Repeats(timedelta(minutes=30))
    assert memory.shown_at(call(), WAIT) is None
    assert memory.shown_at(call(hook_instance="another", **other), WAIT) is None
    assert memory.shown_at(call(hook_instance="another"), WAIT) == AT


def test_time_that_runs_backwards_shows_the_whole() -> None:
    memory = Repeats(timedelta(minutes=30))
    assert memory.shown_at(call(), WAIT) is None
    assert memory.shown_at(call(hook_instance="another"), replace(WAIT, now=AT - timedelta(minutes=1))) is None


def test_the_memory_is_bounded() -> None:
    memory = Repeats(timedelta(minutes=30))
    for number in range(5000):
        memory.shown_at(call(patient_id=f"p{number}"), WAIT)
    assert len(memory._shown) == 4096
    assert memory.shown_at(call(patient_id="p0", hook_instance="another"), WAIT) is None


def test_hard_cards_behind_the_first_stay_whole() -> None:
    kinds = [("block", "critical"), ("block", "warning"), ("insufficient-data", "warning"), ("caution", "critical")]
    again = said_again(*kinds, ("caution", "warning"))
    assert [c["summary"] for c in again[1:]] == ["block", "insufficient-data", "caution"]
    assert [c["detail"] for c in again[1:]] == ["Why block.", "Why insufficient-data.", "Why caution."]
    assert "Why block." in again[0]["detail"]
    (first,) = said_again(("insufficient-data", "warning"))
    assert "Why insufficient-data." in first["detail"]


def said_again(*kinds: tuple[str, str]) -> list[dict[str, Any]]:
    """The brief form of cards for these answers, whose texts are their decisions."""
    cards = [{"summary": decision, "detail": f"Why {decision}."} for decision, _ in kinds]
    knowledge = service().knowledge
    templates = compile_cards(knowledge.cards, lambda *told: " ".join(told))
    return brief(assessed(*kinds).answers, cards, "10:00", standing(knowledge), templates[REPEATED])


@pytest.mark.parametrize(
    "other",
    [
        {"decision": "not-indicated"},
        {"indicator": "warning"},
        {"rule": RULE},
        {"plan": DosePlan(100, 12, "subcutaneous", 3)},
        {"because": (Fact("crs-grade", 2, "{grade}"),)},
    ],
    ids=lambda other: next(iter(other)),
)
def test_another_answer_is_shown_whole(other: dict[str, Any]) -> None:
    memory = Repeats(timedelta(minutes=30))
    assert memory.shown_at(call(), WAIT) is None
    changed = replace(WAIT, answers=(structs.replace(WAIT.answers[0], **other),))
    assert memory.shown_at(call(hook_instance="another"), changed) is None


@pytest.mark.parametrize(
    "other",
    [{"unknown": (Fact("age", None, why="not recorded"),)}, {"flags": ("in-scope",)}, {"pathway": "crs"}],
    ids=lambda other: next(iter(other)),
)
def test_another_finding_is_shown_whole(other: dict[str, Any]) -> None:
    memory = Repeats(timedelta(minutes=30))
    assert memory.shown_at(call(), WAIT) is None
    changed = replace(WAIT, orders=(replace(WAIT.orders[0], **other),))
    assert memory.shown_at(call(hook_instance="another"), changed) is None


def test_a_fact_that_only_grew_older_is_the_same() -> None:
    memory = Repeats(timedelta(minutes=30))
    first, later = (
        replace(WAIT, answers=(structs.replace(WAIT.answers[0], because=(Fact("hours-since", hours, "h"),)),))
        for hours in (7.0, 7.1)
    )
    assert memory.shown_at(call(), first) is None
    assert memory.shown_at(call(hook_instance="another"), later) == AT
