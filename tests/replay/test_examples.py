"""The example patients: valid FHIR, made from their list, nothing invented, and answered as expected."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from fhir.resources.R4B.bundle import Bundle

from cds_service.chart.vocabulary import concept
from cds_service.cli import main
from cds_service.knowledge import Knowledge
from cds_service.program import compile_program
from cds_service.tools.replay.bundles import sources
from cds_service.tools.replay.calls import build_call
from cds_service.tools.replay.client import LocalClient
from cds_service.tools.replay.expected import load_expected
from cds_service.tools.replay.run import Replay
from tests.support.cards import faults, is_anakinra

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
FILES = sorted((EXAMPLES / "patients").glob("*.json"))
AT_LEAST = 16
CLINICAL_SYSTEMS = ("http://snomed.info/sct", "http://loinc.org", "http://hl7.org/fhir/sid/", "http://www.")


def generator() -> Any:
    spec = importlib.util.spec_from_file_location("make_examples", EXAMPLES / "make_examples.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def codings(value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        if "system" in value and "code" in value:
            yield value["system"], value["code"]
        for item in value.values():
            yield from codings(item)
    elif isinstance(value, list):
        for item in value:
            yield from codings(item)


def test_bundles_are_those_that_the_list_makes() -> None:
    module = generator()
    made = {name: module.serialise(bundle) for name, bundle in module.bundles().items()}
    found = {path.stem: path.read_text(encoding="utf-8") for path in FILES}
    assert sorted(found) == sorted(made)
    stale = [name for name in made if made[name] != found[name]]
    assert stale == [], "run `python examples/make_examples.py`"


def test_bundles_of_cards_are_those_that_the_list_makes() -> None:
    module, folder = generator(), EXAMPLES / "cards"
    made = {name: module.serialise(bundle) for name, bundle in module.card_bundles().items()}
    assert {path.stem: path.read_text(encoding="utf-8") for path in folder.glob("*.json")} == made
    assert (folder / "expected.yaml").read_text(encoding="utf-8") == module.card_expectations()


def test_there_are_enough_and_each_has_an_expectation() -> None:
    expected = load_expected(EXAMPLES / "expected.yaml")
    assert len(FILES) >= AT_LEAST
    assert sorted(expected) == [path.stem for path in FILES]
    assert [name for name, wanted in expected.items() if wanted.at is None] == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_bundle_is_valid_and_tells_its_story(path: Path) -> None:
    bundle = json.loads(path.read_text(encoding="utf-8"))
    Bundle.model_validate(bundle)
    assert bundle["meta"]["tag"][0]["display"]
    references = [f"{e['resource']['resourceType']}/{e['resource']['id']}" for e in bundle["entry"]]
    assert len(set(references)) == len(references)
    assert {entry["fullUrl"].split("/r4/")[1] for entry in bundle["entry"]} == set(references)


def test_every_clinical_code_is_in_a_reviewed_value_set(ours: Knowledge) -> None:
    sets = compile_program(ours).terms.values()
    used = {pair for path in FILES for pair in codings(json.loads(path.read_text("utf-8")))}
    clinical = {pair for pair in used if pair[0].startswith(CLINICAL_SYSTEMS)}
    assert clinical
    told = {pair: concept({"coding": [{"system": pair[0], "code": pair[1]}]}) for pair in clinical}
    assert {pair for pair, code in told.items() if not any(each.matches(code) for each in sets)} == set()


def test_replay_answers_as_expected() -> None:
    arguments = ["replay", str(EXAMPLES / "patients"), "--expect", str(EXAMPLES / "expected.yaml")]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    assert f"{len(FILES)} of {len(FILES)} as expected" in result.output


@pytest.fixture(scope="module")
def replay() -> Replay:
    """All examples, asked once."""
    run = Replay(LocalClient(), expected=load_expected(EXAMPLES / "expected.yaml"))
    for source in sources(FILES)[0]:
        run.replay(source)
    return run


@pytest.mark.parametrize("name", [path.stem for path in FILES])
def test_every_card_is_sound(replay: Replay, name: str) -> None:
    (result,) = [found for found in replay.results if found.chart.patient_id == name]
    assert result.reply.error == ""
    context = build_call(result.chart, hook=result.hook, templates={})["context"]
    drafts = [entry["resource"] for entry in context.get("draftOrders", {"entry": []})["entry"]]
    assert [fault for card in result.cards for fault in faults(card, drafts)] == []


def test_a_tocilizumab_draft_is_replaced_by_anakinra(replay: Replay) -> None:
    (result,) = [found for found in replay.results if found.chart.patient_id == "tocilizumab-cap"]
    first = result.cards[0]["suggestions"][0]["actions"]
    assert [action["type"] for action in first] == ["create", "delete"]
    assert is_anakinra(first[0]["resource"])


def test_demo_shows_the_cards_of_who_is_named() -> None:
    result = CliRunner().invoke(main, ["demo", "--patient", "refractory-grade-2", "--patient", "no-car-t"])
    assert result.exit_code == 0, result.output
    assert "WARNING · suggest" in result.output
    assert "INFO · not-indicated" in result.output
    assert "2 of 2 as expected" in result.output


def test_demo_shows_one_patient_whole_and_a_line_for_each_other() -> None:
    result = CliRunner().invoke(main, ["demo"])
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert lines[2].startswith("refractory-grade-2: ")
    others = [line for line in lines if line.startswith("✓ ") and line != "✓ as expected"]
    assert len(others) == len(FILES) - 1
    assert all(len(line.split()) > 3 for line in others)
    assert f"{len(FILES)} of {len(FILES)} as expected" in lines[-1]
    assert not set(result.output) & set("│┃━─╭…\x1b")
