"""Records decide again what was decided: from their facts and drafts alone, without a chart."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
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
from cds_service.store.answers import sealed_form
from cds_service.store.chain import canonical
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
    found: dict[str, Any] = json.loads(canonical(sealed_form(Keys("k" * 32), told)))
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
    result = CliRunner().invoke(main, ["audit", "retention", "--days", "1", "--dry-run"])
    assert result.output == "0 records and 0 items of feedback would be taken away\n"
