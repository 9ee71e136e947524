"""The benchmark and the soak run, and notice what they are there to notice; their numbers are nobody's test."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import orjson
import pytest
from rich.console import Console

from benchmarks import bench, history, peer, soak, soak_served
from benchmarks.charts import Calls, prefetched
from benchmarks.limit import fixed_card
from cds_service import knowledge
from cds_service.chart import prefetch

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")


@pytest.fixture
def console() -> Console:
    return Console(quiet=True)


def test_calls_are_of_one_size_and_differ() -> None:
    templates = prefetch.templates(knowledge.load())
    calls = Calls(templates, 60)
    bodies = [calls.first_sight(1), calls.first_sight(2), calls.repeated(1), calls.repeated(2)]
    first, second, again, later = (json.loads(body) for body in bodies)
    assert {prefetched(call) for call in (first, second, again, later)} == {60}
    assert len({call["hookInstance"] for call in (first, second)}) == 2
    assert not [key for key, value in first["prefetch"].items() if value == second["prefetch"][key]]
    assert again["prefetch"] == later["prefetch"]
    assert again["hookInstance"] != later["hookInstance"]
    assert again["extension"] != later["extension"]
    with pytest.raises(ValueError, match="3 resources: expected at least"):
        Calls(templates, 3)


def test_the_fixed_card_has_the_size_asked_for() -> None:
    assert len(fixed_card(16_000)) == 16_000
    assert orjson.loads(fixed_card(0))["cards"]


def test_the_history_tells_what_is_a_tenth_slower_on_the_same_machine(tmp_path: Path) -> None:
    file = tmp_path / "history.jsonl"
    report = {"python": "3", "startUpSeconds": {"load": 0.5}, "sideBySide": []}

    def run(**ratios: float) -> list[str]:
        rows = [{"resources": int(k[1:]), "repeated": True, "cpuRatio": ratio} for k, ratio in ratios.items()]
        line = history.line_of({**report, "sideBySide": rows})
        last = history.kept(line, file)
        return [told.split(": ")[1] for told in (history.compared(line, last) if last else ())]

    assert run(_60=2.0, _600=1.0) == []
    assert run(_60=2.1, _600=1.2) == ["600 repeated 1x -> 1.2x the limit"]
    elsewhere = {**history.runs(file)[0], "machine": "another", "ratios": {"60 repeated": 0.1}}
    history.kept(elsewhere, file)
    assert run(_60=2.2, _600=1.2) == []
    assert [len(each["ratios"]) for each in history.runs(file)] == [2, 2, 1, 2]


def test_the_peer_answers_the_call_of_the_benchmark() -> None:
    calls = Calls(prefetch.templates(knowledge.load()), 60)
    told = [card["summary"] for card in peer.cards(json.loads(calls.repeated(1)))]
    assert told == ["Suggest", "Neutrophils low", "Syndrome on record"]


@linux
def test_bench(console: Console) -> None:
    report = bench.run(0.2, (60,), console, least=3)
    bench.show(report, console)
    found = json.loads(json.dumps(report.as_json()))
    assert [(cell["resources"], cell["repeated"]) for cell in found["sideBySide"]] == [(60, False), (60, True)]
    assert all(cell["requests"] >= 3 and cell["service"]["p50Ms"] > 0 for cell in found["sideBySide"])
    assert [row["on"] for row in found["recordsAndTokens"]] == ["neither", "records", "records and tokens"]
    assert all(row["p50Ms"] > 0 for row in found["recordsAndTokens"])
    assert all(step["steps"]["facts"] > 0 for step in found["stepsMicroseconds"])


@linux
def test_soak(console: Console) -> None:
    run, moments = soak.run(30, 1, console, each=33)
    # Memory and open files are those of the whole test run here, whose other threads open some of their own; they are
    # measured by `make soak`.
    quiet = [replace(moment, resident_mb=100.0, files=moments[0].files) for moment in moments]
    assert soak.judge(run, quiet) == []

    run.expected[0] = b"{}"
    run.evaluate(len(run.cases))
    grown = [*quiet[:-1], replace(quiet[-1], resident_mb=120.0, files=quiet[-1].files + 1)]
    changed, memory, files = soak.judge(run, grown)
    assert "another answer than the first time" in changed
    assert memory.startswith("memory grew by 20.0 MB")
    assert files.startswith("open files")


@linux
def test_soak_served(pages: Path) -> None:
    calls = soak_served.asked(each=60)
    calls[3] = replace(calls[3], expected=b"{}")
    outcome = soak_served.run(40, calls, pages)
    assert (outcome.told.answers, outcome.records, outcome.told.feedback) == (40, 40, 2)
    assert outcome.replayed["same"] > 30
    assert len(outcome.told.faults) == len([number for number in range(1, 41) if number % len(calls) == 3]) > 0
    assert all(f"{calls[3].patient}: another answer" in fault for fault in outcome.told.faults)

    quiet = replace(outcome, told=replace(outcome.told, faults=[]), moments=outcome.moments[:1])
    assert quiet.faults == []
    (first,) = quiet.moments
    grown = replace(first, resident={pid: size + 10.1 for pid, size in first.resident.items()})
    wrong = replace(quiet, moments=[first, grown], records=39, replayed={"same": 39, "different": 1})
    records, decided, memory = wrong.faults
    assert records == "40 answers and 39 records of them"
    assert decided == "replayed: {'different': 1}"
    assert memory.startswith("a process grew by 10.1 MB")
    (ended,) = replace(quiet, moments=[first, replace(first, resident={1: 1.0})]).faults
    assert ended.startswith("processes ended or began")
