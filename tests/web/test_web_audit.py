"""One record an answer over HTTP, also an empty one, that holds nothing of a patient but values, units and ages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from flask.testing import FlaskClient

from cds_service.app import create_app
from cds_service.cli import main
from cds_service.settings import Settings
from tests.support.shipped import ROOT
from tests.web.stub import SELECT, StubService, call_body, client_of, post
from tests.web.test_web_feedback import until

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
    kept = b"".join(file.read_bytes() for file in data.iterdir())
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
