"""One record an answer over HTTP, also an empty one, that holds nothing of a patient but values, units and ages."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from flask.testing import FlaskClient

from cds_service.app import create_app
from cds_service.cli import main
from cds_service.contract import EXPLANATION
from cds_service.record import NOT_RECORDED
from cds_service.settings import Settings
from tests.support.shipped import ROOT
from tests.web.stub import SELECT, StubService, call_body, client_of, post
from tests.web.test_web_feedback import card, until

CANARY = "Zq7canary"
_WORDS = {"display", "text", "family", "id", "value", "userId", "patientId", "encounterId", "reference", "hookInstance"}


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CDS_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


@pytest.fixture
def client(data: Path) -> FlaskClient:
    return create_app(Settings(allow_evaluation_time=True, data=data)).test_client()


def exported(number: int) -> list[dict[str, Any]]:
    """The records, once there are so many."""

    def lines() -> list[str]:
        return CliRunner().invoke(main, ["audit", "export"]).output.splitlines()

    until(lambda: len(lines()) >= number)
    return [json.loads(line)["record"] for line in lines()]


def marked(value: Any, name: str = "") -> Any:
    """The same chart with the canary in whatever names somebody, or is words of a chart."""
    if isinstance(value, dict):
        return {key: marked(each, key) for key, each in value.items()}
    if isinstance(value, list):
        return [marked(each, name) for each in value]
    if isinstance(value, str) and name in {"family", "given"}:
        return f"{CANARY} {value}"
    if isinstance(value, str) and name in {"display", "text"}:
        return f"{value} {CANARY}"
    if isinstance(value, str) and name in {"id", "reference", "patientId", "userId"}:
        return f"{value}-{CANARY}"
    return [marked(each, name) for each in value] if isinstance(value, list) else value


def test_a_record_holds_what_the_answer_rests_on_and_nothing_that_names_the_patient(
    client: FlaskClient, data: Path
) -> None:
    request = json.loads((ROOT / "examples/requests/refractory-grade-2.json").read_text(encoding="utf-8"))
    request = marked(request)
    request["context"]["selections"] = [f"{each}-{CANARY}" for each in request["context"]["selections"]]
    cards = client.post(SELECT, json=request).get_json()["cards"]
    assert cards
    (record,) = exported(1)
    assert (record["kind"], record["hook"], record["caller"]) == ("answer", "order-select", {"role": "Practitioner"})
    assert [each["uuid"] for each in record["cards"]] == [each["uuid"] for each in cards]
    facts = record["orders"][0]["facts"]
    assert len(facts) > 50
    assert {name for fact in facts.values() for name in fact} <= {"value", "least", "most", "unit", "ageH"}
    kept = b"".join(file.read_bytes() for file in data.rglob("*") if file.is_file())
    assert CANARY.encode() not in kept
    assert request["hookInstance"].encode() in kept  # it is the EHR's name of the call


def test_an_empty_answer_is_recorded_and_a_refusal_is_none(data: Path) -> None:
    client = client_of(StubService(), store=True, data=data)
    post(client, call_body())
    post(client, {})
    post(client, call_body())
    assert [record["cards"] for record in exported(2)] == [[], []]


def test_verify_says_that_all_is_whole_and_what_is_not(data: Path) -> None:
    client = client_of(StubService(), store=True, data=data)
    for _ in range(3):
        post(client, call_body())
    exported(3)
    until(lambda: (data / "audit.anchor").exists() and (data / "audit.anchor").read_text().startswith("3:"))
    whole = CliRunner().invoke(main, ["audit", "verify"])
    assert (whole.exit_code, whole.output.splitlines()[0]) == (0, "3 records, 1 to 3: whole")
    later = CliRunner().invoke(main, ["audit", "verify", "--anchor", "9:abc"])
    assert later.exit_code == 1
    assert "the newest records, 4 to 9, are missing" in later.output
    (data / "audit.anchor").write_text("3:0000")
    assert CliRunner().invoke(main, ["audit", "verify"]).exit_code == 1
    (data / "audit.anchor").write_text("gone")
    assert "was changed" in CliRunner().invoke(main, ["audit", "verify"]).output
    assert CliRunner().invoke(main, ["audit", "verify", "--anchor", "x"]).exit_code == 2


def test_newest_records_that_are_gone_are_found_after_the_next_call_too(data: Path) -> None:
    """Whoever takes rows away, with the end that the database keeps, leaves it to the service to note another one."""
    client = client_of(StubService(), store=True, data=data)
    for _ in range(4):
        post(client, call_body())
    until(lambda: (data / "audit.anchor").exists() and (data / "audit.anchor").read_text().startswith("4:"))
    with closing(sqlite3.connect(data / "store.sqlite")) as connection, connection:
        connection.execute("DELETE FROM audit WHERE seq > 2")
        connection.execute("UPDATE audit_head SET seq = 2, hash = (SELECT hash FROM audit WHERE seq = 2)")
    assert "3 to 4, are missing" in CliRunner().invoke(main, ["audit", "verify"]).output
    post(client, call_body())
    until(lambda: (data / "audit.anchor").read_text().startswith("4:") and len(exported(4)) == 4)
    found = CliRunner().invoke(main, ["audit", "verify"])
    assert found.exit_code == 1
    assert "record 3 says that before it records were taken away" in found.output


def test_an_anchor_that_cannot_be_read_stays_for_verify_to_find(data: Path) -> None:
    data.mkdir()
    (data / "audit.anchor").write_text("not an anchor")
    post(client_of(StubService(), store=True, data=data), call_body())
    exported(1)
    assert "was changed" in CliRunner().invoke(main, ["audit", "verify"]).output


@pytest.mark.parametrize(
    "command", ["audit verify", "audit export", "audit retention --days 9", "feedback list", "feedback report"]
)
def test_where_no_store_is_none_is_made(data: Path, command: str) -> None:
    result = CliRunner().invoke(main, command.split())
    assert result.exit_code == 1
    assert "no store is there; CDS_DATA names its folder" in result.output
    assert not data.exists()


def test_a_store_that_lost_its_key_proves_nothing_and_gets_no_other(data: Path) -> None:
    post(client_of(StubService(), store=True, data=data), call_body())
    exported(1)
    (data / "store.key").unlink()
    result = CliRunner().invoke(main, ["audit", "verify"])
    assert (result.exit_code, "store.key: FileNotFoundError" in result.output) == (1, True)
    assert not (data / "store.key").exists()


def test_a_file_that_is_no_database_any_more_is_said_on_the_next_cards(data: Path) -> None:
    client = client_of(StubService({"cards": [card()]}), store=True, data=data)
    assert post(client, call_body()).get_json()["cards"] == [card()]
    exported(1)
    for file in data.glob("store.sqlite*"):
        file.write_bytes(b"no database " * 9999)
    post(client, call_body())
    until(lambda: client.get("/ready").get_json()["store"] == "down")
    (shown,) = post(client, call_body()).get_json()["cards"]
    assert shown["detail"].splitlines()[-1] == NOT_RECORDED
    assert post(client, {"feedback": []}, f"{SELECT}/feedback").status_code == 503


def test_while_another_process_holds_the_store_advice_does_not_wait(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cds_service.store.database._WAIT_SECONDS", 0.3)
    service = StubService({"cards": [card()]})
    client = client_of(service, store=True, data=data)
    post(client, call_body())
    exported(1)
    with closing(sqlite3.connect(data / "store.sqlite", isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        assert post(client, {"feedback": []}, f"{SELECT}/feedback").status_code == 503
        (shown,) = post(client, call_body()).get_json()["cards"]
        assert shown["extension"][EXPLANATION]["recorded"] is False
        holder.execute("ROLLBACK")
    until(lambda: client.get("/ready").get_json()["store"] == "up")
    assert post(client, call_body()).get_json()["cards"] == [card()]
    assert len(exported(3)) == 3  # what was given meanwhile is recorded after all
