"""Feedback over HTTP: what is taken, what is refused whole, and what cards say where nothing can be recorded."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from cds_service.contract import EXPLANATION
from cds_service.record import NOT_RECORDED
from cds_service.store import feedback
from cds_service.store.database import Database
from cds_service.store.place import Place
from tests.web.stub import SELECT, StubService, call_body, client_of, issue, post

CARD = "9a2cb1f4-6e1f-4a0b-8d3c-0f5a3c1f7e11"
PATH = f"{SELECT}/feedback"
AT = "2026-03-05T12:00:00Z"
ACCEPTED = {"card": CARD, "outcome": "accepted", "acceptedSuggestions": [{"id": "s1"}], "outcomeTimestamp": AT}
REASON = {"code": "infection-treated", "system": "urn:r", "display": "Infection treated"}
OVERRIDDEN = {"card": CARD, "outcome": "overridden", "overrideReason": {"reason": REASON}, "outcomeTimestamp": AT}
_HANGS = 20


def card(uuid: str = CARD) -> dict[str, Any]:
    told = {"decision": "suggest", "rule": "crs-adult-grade-2", "ruleVersion": "1.1.0"}
    return {"uuid": uuid, "summary": "x", "detail": "y", "indicator": "warning", "extension": {EXPLANATION: told}}


@pytest.fixture
def client(tmp_path: Path) -> FlaskClient:
    return client_of(StubService({"cards": [card(), card(str(uuid4()))]}), store=True, data=tmp_path)


def rows(tmp_path: Path) -> list[dict[str, Any]]:
    with Database(Place(tmp_path)).reading() as connection:
        return [dict(row) for row in feedback.listed(connection, None, None)]


def known(tmp_path: Path) -> list[Any]:
    with Database(Place(tmp_path)).reading() as connection:
        return feedback.report(connection, None, None)


def send(client: FlaskClient, *items: Any, **more: Any) -> TestResponse:
    return post(client, {"feedback": list(items)}, PATH, **more)


def until(holds: Callable[[], Any]) -> None:
    end = time.monotonic() + _HANGS
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_items_are_kept_with_what_is_known_of_their_card(client: FlaskClient, tmp_path: Path) -> None:
    assert post(client, call_body()).status_code == 200
    until(lambda: known(tmp_path))
    response = send(client, ACCEPTED, OVERRIDDEN, {**OVERRIDDEN, "card": str(uuid4())})
    assert (response.status_code, response.get_json()) == (200, {})
    assert send(client, ACCEPTED).get_json() == {}
    accepted, overridden, unknown = sorted(rows(tmp_path), key=lambda row: (row["rule"] is None, row["outcome"]))
    for row in (accepted, overridden):
        assert (row["card"], row["rule"], row["version"]) == (CARD, "crs-adult-grade-2", "1.1.0")
        assert (row["decision"], row["indicator"]) == ("suggest", "warning")
        assert (row["service"], row["role"]) == ("anakinra-order-select", "Practitioner")
    assert (accepted["accepted"], overridden["reason_code"]) == (["s1"], "infection-treated")
    assert unknown["rule"] is None
    text = client.get("/metrics").text
    assert 'feedback_total{card="unknown",outcome="overridden",service="anakinra-order-select"} 1.0' in text


@pytest.mark.parametrize(
    ("item", "path"),
    [
        ("x", "feedback[1]"),
        (None, "feedback[1]"),
        ({}, "feedback[1].card"),
        ({"card": "no-uuid"}, "feedback[1].card"),
        ({"card": CARD}, "feedback[1].outcome"),
        ({"card": CARD, "outcome": "ignored"}, "feedback[1].outcome"),
        ({"card": CARD, "outcome": "overridden"}, "feedback[1].outcomeTimestamp"),
        (OVERRIDDEN | {"outcomeTimestamp": "yesterday"}, "feedback[1].outcomeTimestamp"),
        (OVERRIDDEN | {"outcomeTimestamp": "2026-03-05T12:00:00"}, "feedback[1].outcomeTimestamp"),
        (OVERRIDDEN | {"overrideReason": "x"}, "feedback[1].overrideReason"),
        (OVERRIDDEN | {"overrideReason": {"reason": "x"}}, "feedback[1].overrideReason.reason"),
        (OVERRIDDEN | {"overrideReason": {"reason": {"system": "s"}}}, "feedback[1].overrideReason.reason.code"),
        (
            OVERRIDDEN | {"overrideReason": {"reason": {"code": "c", "system": 1}}},
            "feedback[1].overrideReason.reason.system",
        ),
        (OVERRIDDEN | {"overrideReason": {"userComment": 1}}, "feedback[1].overrideReason.userComment"),
        ({n: v for n, v in ACCEPTED.items() if n != "acceptedSuggestions"}, "feedback[1].acceptedSuggestions"),
        (ACCEPTED | {"acceptedSuggestions": []}, "feedback[1].acceptedSuggestions"),
        (ACCEPTED | {"acceptedSuggestions": [{"id": "s"}] * 101}, "feedback[1].acceptedSuggestions"),
        (ACCEPTED | {"acceptedSuggestions": [{"id": "s"}, "s"]}, "feedback[1].acceptedSuggestions[1].id"),
    ],
)
def test_one_malformed_item_is_named_and_nothing_is_kept(
    client: FlaskClient, tmp_path: Path, item: Any, path: str
) -> None:
    response = send(client, ACCEPTED, item)
    assert response.status_code == 400
    assert issue(response)["diagnostics"].startswith(f"{path}: ")
    assert rows(tmp_path) == []


@pytest.mark.parametrize(
    "body", [{}, {"feedback": {}}, {"feedback": None}, [], b"{", b'{"feedback": [], "feedback": []}']
)
def test_what_is_no_feedback(client: FlaskClient, body: Any) -> None:
    assert post(client, body, PATH).status_code == 400


def test_a_post_that_would_keep_the_store_for_seconds(client: FlaskClient, tmp_path: Path) -> None:
    assert post(client, {"feedback": [ACCEPTED] * 501}, PATH).status_code == 413
    assert rows(tmp_path) == []
    assert post(client, {"feedback": [ACCEPTED] * 500}, PATH).status_code == 200


def test_other_services_methods_and_bodies(client: FlaskClient) -> None:
    assert post(client, {"feedback": []}, "/cds-services/x/feedback").status_code == 404
    assert client.get(PATH).status_code == 405
    assert send(client, ACCEPTED, content_type="text/plain").status_code == 415
    assert client.options(PATH).status_code == 204


def test_the_same_card_however_its_uuid_is_written(client: FlaskClient, tmp_path: Path) -> None:
    for written in (CARD, CARD.upper(), f"urn:uuid:{CARD}"):
        assert send(client, OVERRIDDEN | {"card": written}).status_code == 200
    assert [row["card"] for row in rows(tmp_path)] == [CARD]


def test_texts_are_kept_as_one_line_that_any_database_takes(client: FlaskClient, tmp_path: Path) -> None:
    said = "no\r\nthanks\x00\x1b[31m ü\u2028" + "x" * 5000
    body = {"feedback": [OVERRIDDEN | {"overrideReason": {"userComment": said, "reason": {"code": said}}}]}
    assert post(client, json.dumps(body).encode(), PATH).status_code == 200
    (row,) = rows(tmp_path)
    assert row["comment"].startswith("no thanks [31m ü x")
    assert row["reason_code"].isprintable()
    assert len(row["comment"]) <= 2000


def test_comments_are_kept_only_where_the_site_wants_them(tmp_path: Path) -> None:
    client = client_of(StubService(), store=True, data=tmp_path, feedback_comments=False)
    send(client, OVERRIDDEN | {"overrideReason": {"reason": REASON, "userComment": "Mrs Zq7"}})
    assert [(row["comment"], row["reason_code"]) for row in rows(tmp_path)] == [("", "infection-treated")]


def test_without_a_store_there_is_no_feedback(tmp_path: Path) -> None:
    client = client_of(StubService())
    assert send(client, ACCEPTED).status_code == 404
    assert client.get("/ready").get_json()["store"] == "off"


def test_while_the_store_is_down_advice_says_so_and_feedback_comes_again(tmp_path: Path) -> None:
    place = tmp_path / "data"
    place.write_text("in the way of the folder")
    service = StubService({"cards": [card(), card(str(uuid4()))]})
    client = client_of(service, store=True, data=place)
    until(lambda: client.get("/ready").get_json()["store"] == "down")
    response = send(client, ACCEPTED)
    assert (response.status_code, issue(response)["code"]) == (503, "transient")
    assert int(response.headers["Retry-After"]) > 0
    first, second = post(client, call_body()).get_json()["cards"]
    assert first["extension"][EXPLANATION]["recorded"] is False
    assert first["detail"].splitlines()[-1] == NOT_RECORDED
    assert second == service.response["cards"][1]
    assert "recorded" not in service.response["cards"][0]["extension"][EXPLANATION]
    service.response = {"cards": []}
    assert post(client, call_body()).get_json() == {"cards": []}
    place.unlink()
    until(lambda: client.get("/ready").get_json()["store"] == "up")
    service.response = {"cards": [card()]}
    assert post(client, call_body()).get_json()["cards"] == [card()]
    assert send(client, ACCEPTED).status_code == 200


def test_an_answer_of_which_no_record_can_be_made_is_given_and_counted(tmp_path: Path) -> None:
    client = client_of(StubService({"cards": [{"summary": "x"}]}), store=True, data=tmp_path)
    (shown,) = post(client, call_body()).get_json()["cards"]
    assert (shown["summary"], shown["extension"][EXPLANATION]) == ("x", {"recorded": False})
    assert "anakinra_cds_unrecorded_total 1.0\n" in client.get("/metrics").text
