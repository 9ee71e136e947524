"""Records decide again what was decided: from their facts and drafts alone, without a chart."""

from __future__ import annotations

import copy
import json
import random
import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from cds_service.advice.model import Advice
from cds_service.app import create_app
from cds_service.chart.intake import Intake
from cds_service.cli import main
from cds_service.contract import ASKS
from cds_service.record import entry
from cds_service.settings import Settings
from cds_service.store.answers import text
from cds_service.store.keys import Keys
from cds_service.tools.again import replayed
from tests.support.examples import example_calls
from tests.support.places import Places, read
from tests.support.shipped import ROOT
from tests.support.vignettes import vignettes
from tests.web.stub import SELECT
from tests.web.test_web_feedback import until

EVERY = 3
"""One vignette in so many is tried."""


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Places:
    return Places(tmp_path_factory.mktemp("places"))


def record_of(places: Places, place: str, request: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """The record of an answer, as it is read back."""
    service, call = places.service(place), read(request)
    assert call.evaluation_time is not None
    assessment = service.assess(call, call.evaluation_time)
    told = entry(call, assessment, Advice(service.cards(assessment)), Intake(), datetime.now(UTC), **more)
    found: dict[str, Any] = json.loads(text(Keys("k" * 32), told))
    return found


def test_the_same_is_decided_again(places: Places) -> None:
    program, decided = places.service("us").program, set()
    for chart in [each for each in vignettes() if each.given.get("site", "us") == "us"][::EVERY]:
        told = replayed(program, record_of(places, "us", chart.call(places.templates("us"))))
        assert told.outcome in ("same", "nothing was asked"), (chart.id, told)
        decided |= {answer["decision"] for answer in told.found}
    for name, hook, request in example_calls(lambda hook: places.service("us").program.templates):
        if hook in ASKS:
            told = replayed(program, record_of(places, "us", request))
            assert told.outcome == "same", (name, told)
            decided |= {answer["decision"] for answer in told.found}
    assert len(decided) > 8, decided  # or the sample says little


def example() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((ROOT / "examples/requests/refractory-grade-2.json").read_text(encoding="utf-8"))
    return found


def test_a_record_that_says_something_else_is_different(places: Places) -> None:
    program, record = places.service("us").program, record_of(places, "us", example())
    facts = record["orders"][0]["facts"]
    for name, value in (("crs-grade", 1), ("severe-infection", True), ("tocilizumab-doses", None)):
        other = copy.deepcopy(record)
        other["orders"][0]["facts"][name] = facts[name] | {"value": value}
        assert replayed(program, other).outcome == "different", name
    other = copy.deepcopy(record)
    other["answers"][0]["plan"]["doseMg"] = 200
    assert replayed(program, other).outcome == "different"


def test_what_cannot_be_decided_again_is_told_apart(places: Places) -> None:
    program = places.service("us").program
    assert replayed(program, record_of(places, "us", example(), digest_only=True)).outcome == "digest only"
    record = record_of(places, "us", example())
    assert replayed(program, record | {"program": "another us"}).outcome == "of another program"
    assert replayed(program, {name: v for name, v in record.items() if name != "orders"}).outcome == "nothing was asked"


def test_the_command_replays_what_was_answered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CDS_DATA", str(tmp_path))
    client = create_app(Settings(allow_evaluation_time=True, data=tmp_path)).test_client()
    for _ in range(2):
        assert client.post(SELECT, json=example()).get_json()["cards"]
    until(lambda: (tmp_path / "audit.anchor").exists() and (tmp_path / "audit.anchor").read_text().startswith("2:"))
    result = CliRunner().invoke(main, ["audit", "replay", "--site", "us"])
    assert (result.exit_code, result.output) == (0, "2 same\n")
    changed = json.dumps({"kind": "answer", "id": "x", "orders": 1})
    with closing(sqlite3.connect(tmp_path / "store.sqlite")) as connection, connection:
        connection.execute("UPDATE audit SET record = ? WHERE seq = 1", [changed])
        connection.execute("UPDATE audit SET record = '{' WHERE seq = 2")
    result = CliRunner().invoke(main, ["audit", "replay", "--site", "us"])
    assert result.exit_code == 1
    assert "record 1: not readable" in result.output
    assert "record 2: not readable" in result.output
    result = CliRunner().invoke(main, ["audit", "retention", "--days", "1"])
    assert (result.exit_code, "faults in the records" in result.output) == (1, True)
    result = CliRunner().invoke(main, ["audit", "retention", "--days", "1", "--dry-run", "--despite-faults"])
    assert result.output == "0 records and 0 items of feedback would be taken away\n"


def test_whatever_is_written_into_a_record_is_told_and_never_a_failure(places: Places) -> None:
    program = places.service("us").program
    record = record_of(places, "us", example())
    outcomes = Counter(replayed(program, other).outcome for other in spoiled(record, random.Random(7)))
    assert set(outcomes) >= {"same", "different", "not readable"}, outcomes
    for other in ({}, {"kind": "answer", "orders": 1}, {"kind": "x"}, {**record, "answers": ["x"]}):
        assert replayed(program, other).outcome == "not readable"


def spoiled(record: dict[str, Any], chosen: random.Random) -> Iterator[dict[str, Any]]:
    """The record with one value of it, at any depth, gone or another one."""
    for _ in range(400):
        other = copy.deepcopy(record)
        holder: Any = other
        while True:
            keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
            key = chosen.choice(keys)
            if isinstance(holder[key], dict | list) and holder[key] and chosen.random() < 0.9:
                holder = holder[key]
                continue
            if chosen.random() < 0.3:
                del holder[key]
            else:
                holder[key] = chosen.choice([None, -1, 1e308, "x", "", [], {}, True, ["x"], {"value": "x"}])
            break
        yield other
