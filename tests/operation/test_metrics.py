"""`/metrics` of one process, of two workers that share their counters, and what asks for them: dashboard and alerts."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.request import Request, urlopen

import pytest
import yaml
from flask.testing import FlaskClient
from prometheus_client.parser import text_string_to_metric_families

from cds_service.app import create_app
from cds_service.settings import Settings
from tests.support.live import process_of
from tests.support.shipped import ROOT
from tests.web.stub import SELECT

REQUEST = (ROOT / "examples/requests/refractory-grade-2.json").read_bytes()
DASHBOARD = ROOT / "deploy/grafana/anakinra-cds.json"
ALERTS = ROOT / "deploy/prometheus/rules.yaml"
_HANGS = 20
_NAME = re.compile(r"\banakinra_cds_\w+")
Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def samples(text: str) -> Samples:
    """(name, labels) -> value of each sample."""
    families = text_string_to_metric_families(text)
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for family in families for s in family.samples}


def total(found: Samples, name: str, **labels: str) -> float:
    """The sum of the samples with these labels."""
    asked = set(labels.items())
    return sum(value for (each, had), value in found.items() if each == f"anakinra_cds_{name}" and asked <= set(had))


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> FlaskClient:
    return create_app(Settings(allow_evaluation_time=True, data=tmp_path_factory.mktemp("data"))).test_client()


def test_a_call_is_counted_by_service_rule_step_and_how_its_chart_came(client: FlaskClient) -> None:
    before = samples(client.get("/metrics").text)
    body = json.loads(REQUEST)
    del body["prefetch"]["immunizations"]
    body["prefetch"]["statements"] = None
    strange = {
        "resourceType": "Observation",
        "id": "x",
        "status": "final",
        "subject": {"reference": f"Patient/{body['context']['patientId']}"},
        "effectiveDateTime": "2026-03-05T06:00:00Z",
        "code": {"coding": [{"system": "urn:house", "code": "zq7-house"}]},
    }
    body["prefetch"]["labs"]["entry"].append({"resource": strange})
    cards = client.post(SELECT, json=body).get_json()["cards"]
    rules = [card["source"]["topic"]["code"] for card in cards]
    text = client.get("/metrics").text
    after = samples(text)

    def more(name: str, **labels: str) -> float:
        return total(after, name, **labels) - total(before, name, **labels)

    assert more("calls_total", service="anakinra-order-select", status="200") == 1
    assert [more("rule_shown_total", rule=rule) for rule in rules] == [1] * len(rules)
    outcomes = {outcome: more("rule_outcomes_total", outcome=outcome) for outcome in ("fired", "silent", "unknown")}
    assert more("rule_outcomes_total", rule="crs-refractory", outcome="fired") == 1
    assert outcomes["fired"] >= len(rules)
    assert outcomes["silent"] > 50
    steps = ("envelope", "read", "assess", "word", "record")
    assert [more("step_seconds_count", step=step) for step in steps] == [1] * len(steps)
    assert more("call_seconds_count") == 1
    assert more("prefetch_total", query="immunizations", state="missing") == 1
    assert more("prefetch_total", query="statements", state="empty") == 1
    assert more("prefetch_total", query="labs", state="sent") == 1
    assert more("unrecognised_total", query="labs") == 1
    assert more("disagreements_total") == more("unrecorded_total") == 0
    assert "zq7" not in text
    assert total(after, "info") == total(after, "store_up") == 1
    assert total(after, "troubles") == 0


def test_feedback_is_counted_by_the_rule_of_its_card(client: FlaskClient) -> None:
    card = client.post(SELECT, data=REQUEST, content_type="application/json").get_json()["cards"][0]
    item = {"card": card["uuid"], "outcome": "overridden", "outcomeTimestamp": "2026-03-05T12:00:00Z"}
    until(lambda: overridden(client, item, card["source"]["topic"]["code"]) >= 1)


def overridden(client: FlaskClient, item: dict[str, str], rule: str) -> float:
    """How often cards of a rule were overridden, with this time; its record is written behind the call."""
    assert client.post(f"{SELECT}/feedback", json={"feedback": [item]}).status_code == 200
    return total(samples(client.get("/metrics").text), "rule_feedback_total", rule=rule, outcome="overridden")


def asked_for() -> Iterator[tuple[str, str]]:
    """(where, expression) of each panel and alert."""
    for panel in json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]:
        yield from ((panel["title"], target["expr"]) for target in panel["targets"])
    for group in yaml.safe_load(ALERTS.read_text(encoding="utf-8"))["groups"]:
        yield from ((rule["alert"], rule["expr"]) for rule in group["rules"])


def test_dashboard_and_alerts_ask_for_what_there_is_and_all_of_it(client: FlaskClient) -> None:
    types = dict(re.findall(r"^# TYPE (anakinra_cds_\w+) (\w+)$", client.get("/metrics").text, re.MULTILINE))
    there = {
        name: {name} if kind != "histogram" else {f"{name}_{part}" for part in ("bucket", "sum", "count")}
        for name, kind in types.items()
    }
    asked = {name: where for where, expression in asked_for() for name in _NAME.findall(expression)}
    assert {name: where for name, where in asked.items() if not any(name in names for names in there.values())} == {}
    assert {name for name, names in there.items() if not names & asked.keys()} == set()


def test_labels_that_are_asked_for_exist(client: FlaskClient) -> None:
    client.post(SELECT, data=REQUEST, content_type="application/json")
    labels: dict[str, set[str]] = {}
    for name, had in samples(client.get("/metrics").text):
        labels.setdefault(name, set()).update(key for key, _ in had)
    for where, expression in asked_for():
        for by, name in re.findall(r"by \(([^()]+)\) \((?:\w+\()*(anakinra_cds_\w+)", expression):
            if name in labels:
                assert set(by.split(", ")) - {"instance"} <= labels[name], where


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="finds the workers of a process by Linux's proc")
def test_two_workers_count_together_and_nothing_is_lost_with_one_of_them(tmp_path: Path) -> None:
    settings = {"CDS_LOG_LEVEL": "INFO", "CDS_DATA": str(tmp_path), "CDS_ALLOW_EVALUATION_TIME": "on"}
    with process_of(2, **settings) as (process, base):
        call(base, 30)
        assert {counted(base) for _ in range(12)} == {30}
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        workers = [int(pid) for pid in children.read_text().split() if is_worker(pid)]
        os.kill(workers[0], signal.SIGKILL)
        until(lambda: len([pid for pid in children.read_text().split() if is_worker(pid)]) == 2)
        call(base, 30)
        assert {counted(base) for _ in range(12)} == {60}
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=30)
    lines = [json.loads(line) for line in log.splitlines()]
    answered = {line["process"] for line in lines if line["message"] == "call"}
    assert len(answered) >= 2, "only one worker has answered: nothing was added up"


def is_worker(pid: str) -> bool:
    """Not the child that builds the pages."""
    try:
        return "build" not in Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    except OSError:
        return False


def call(base: str, times: int) -> None:
    """As many calls, each over a connection of its own: whichever worker is free takes it."""
    for _ in range(times):
        headers = {"Content-Type": "application/json", "Connection": "close"}
        deadline = time.monotonic() + _HANGS
        while True:
            try:
                with urlopen(Request(base + SELECT, REQUEST, headers), timeout=_HANGS) as answer:
                    assert answer.status == 200
                break
            except OSError:  # it was the one that was killed
                assert time.monotonic() < deadline


def counted(base: str) -> float:
    with urlopen(f"{base}/metrics", timeout=_HANGS) as answer:
        return total(samples(answer.read().decode()), "calls_total", status="200")


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + _HANGS
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)
