"""`anakinra-cds replay` and `anakinra-cds demo` from the outside."""

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from rich.console import Console

from cds_service.cli import main
from cds_service.tools.commands import demo as demo_module
from cds_service.tools.commands import replay as replay_module
from cds_service.tools.replay.panel import card_panel
from cds_service.tools.replay.show import card_lines
from tests.support.replay import FakeClient, card


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> FakeClient:
    """A client in place of the application: waits for p1, silent for everybody else."""
    fake = FakeClient(lambda request: [card("wait")] if request["context"]["patientId"] == "p1" else [])
    monkeypatch.setattr(replay_module, "LocalClient", lambda *_: fake)
    return fake


def bundle(folder: Path, name: str) -> Path:
    path = folder / f"{name}.json"
    entry = [{"resource": {"resourceType": "Patient", "id": name}}]
    path.write_text(json.dumps({"resourceType": "Bundle", "entry": entry}), encoding="utf-8")
    return path


def run(*arguments: Any) -> Result:
    return CliRunner().invoke(main, ["replay", *map(str, arguments)])


def test_table_and_summary(tmp_path: Path, client: FakeClient) -> None:
    bundle(tmp_path, "p1")
    bundle(tmp_path, "p2")
    result = run(tmp_path)
    assert result.exit_code == 0, result.output
    assert "2 patients, 2 resources, 0 errors, 1 silent, p50 2.5 ms, p95 2.5 ms" in result.stdout
    assert "wait" in result.stdout
    assert "no-card" in result.stdout
    assert [request["hook"] for _, request in client.requests] == ["order-select"] * 2


def test_hook_and_time_are_passed_on(tmp_path: Path, client: FakeClient) -> None:
    run(bundle(tmp_path, "p1"), "--hook", "order-sign", "--at", "2026-03-05T10:00:00Z")
    service_id, request = client.requests[0]
    assert service_id == "test-order-sign"
    assert request["extension"] == {"org.anakinra-cds.evaluation-time": "2026-03-05T10:00:00+00:00"}


@pytest.mark.usefixtures("client")
def test_a_time_without_a_zone_is_refused(tmp_path: Path) -> None:
    result = run(bundle(tmp_path, "p1"), "--at", "2026-03-05T10:00:00")
    assert result.exit_code == 2
    assert "the zone is missing" in result.output


@pytest.mark.usefixtures("client")
def test_a_bad_source_is_told_and_fails_the_run(tmp_path: Path) -> None:
    bundle(tmp_path, "p1")
    (tmp_path / "bad.json").write_text("{", encoding="utf-8")
    result = run(tmp_path)
    assert result.exit_code == 1
    assert "bad.json:1:2: not JSON" in result.stderr
    assert "1 patient, 1 resource, 1 error, 0 silent" in result.stdout


@pytest.mark.usefixtures("client")
def test_expectations_decide_the_exit_code(tmp_path: Path) -> None:
    path, expected = bundle(tmp_path, "p1"), tmp_path / "expected.yaml"
    expected.write_text("p1: {decision: wait, indicator: info}", encoding="utf-8")
    result = run(path, "--expect", expected)
    assert (result.exit_code, "1 of 1 as expected" in result.stdout) == (0, True)
    expected.write_text("p1: {decision: suggest}\np7: {decision: wait}", encoding="utf-8")
    result = run(path, "--expect", expected)
    assert result.exit_code == 1
    assert "not as expected: p1: decision: expected suggest, found wait" in result.stdout
    assert "not as expected: p7: expected, but no source holds this patient" in result.stdout
    assert "0 of 2 as expected" in result.stdout
    expected.write_text("p1: {}", encoding="utf-8")
    result = run(path, "--expect", expected)
    assert (result.exit_code, "p1: decision: expected" in result.output) == (1, True)


@pytest.mark.usefixtures("client")
def test_answers_as_json(tmp_path: Path) -> None:
    bundle(tmp_path, "p1")
    (tmp_path / "bad.json").write_text('{"a":\n ?}', encoding="utf-8")
    result = run(tmp_path, "--json")
    assert result.exit_code == 1
    assert f"error: {tmp_path}/bad.json:2:2: not JSON: Expecting value" in result.stderr
    (answer,) = json.loads(result.stdout)
    assert set(answer) == {"patientId", "source", "hook", "at", "status", "ms", "error", "differences", "answer"}
    assert (answer["patientId"], answer["status"], len(answer["answer"]["cards"])) == ("p1", 200, 1)


def test_nothing_is_listening(tmp_path: Path) -> None:
    result = run(bundle(tmp_path, "p1"), "--url", "http://127.0.0.1:9")
    assert result.exit_code == 1
    assert "is the service running?" in result.output


@pytest.mark.usefixtures("client")
def test_long_runs_tell_how_far_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay_module, "_NOTE_EVERY_SECONDS", 0.0)
    for name in ("p1", "p2", "p3"):
        bundle(tmp_path, name)
    result = run(tmp_path)
    assert "replaying: 1 of 3 sources, 1 patients so far" in result.stderr
    assert "3 of 3" not in result.stderr


def test_a_card_is_shown_with_its_offers_and_its_reasons() -> None:
    shown = card(
        "suggest",
        "warning",
        rule="crs-refractory",
        ruleVersion="1.0.0",
        facts=[
            {
                "name": "crs-grade",
                "value": 2,
                "unit": "{grade}",
                "asOf": "2026-03-05T08:00:00Z",
                "from": ["Condition/[1]", "b", "c"],
            }
        ],
        unknown=[{"name": "weight", "why": "not sent by the EHR"}],
        policy=[{"name": "doses", "value": True, "unit": "", "source": "us"}],
        evidence=[{"id": "gazeau-2023", "status": "partly"}],
        dosePlan={"doseMg": 100, "intervalH": 12, "route": "subcutaneous", "dailyMg": 200, "durationDays": 3},
        reevaluateAt="2026-03-05T12:00:00Z",
    ) | {
        "detail": "Some **bold** words",
        "suggestions": [
            {"label": "100 mg [SC]", "isRecommended": True, "actions": [{"type": "update", "description": "Set it"}]},
            {"label": "Other", "actions": []},
        ],
        "overrideReasons": [{"code": "x", "system": "y", "display": "Not now"}],
    }
    console = Console(width=120, file=io.StringIO())
    console.print(card_panel(shown))
    framed = console.file.getvalue()  # type: ignore[attr-defined]
    plain = "\n".join(card_lines(shown))
    assert "\u2502" in framed
    assert "\u2502" not in plain
    for words in (
        "WARNING · suggest",
        "suggest it",
        "bold",
        "ACCEPT",
        "100 mg [SC]",
        "update: Set it",
        "Not now",
        "rule crs-refractory 1.0.0",
        "100 mg SC q12h, 200 mg/day, for 3 days",
        "crs-grade = 2, as of 2026-03-05T08:00:00Z <- Condition/[1], b and 1 more",
        "weight: not sent by the EHR",
        "doses = yes (us)",
        "gazeau-2023: partly",
        "2026-03-05T12:00:00Z",
    ):
        assert words in framed
        assert words in plain


def test_the_demo_says_where_examples_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo_module, "find_examples", lambda: None)
    result = CliRunner().invoke(main, ["demo"])
    assert result.exit_code == 1
    assert "no example patients beside the package" in result.output
    assert "--examples" in result.output


def test_the_demo_opens_the_workbench_until_it_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a service that keeps feedback in a folder of its own, which is gone at the end."""
    folders: list[Path] = []

    @contextmanager
    def running(**settings: str) -> Iterator[str]:
        folders.append(Path(settings["CDS_DATA"]))
        assert folders[0].is_dir()
        yield "http://127.0.0.1:1"

    def stopped() -> None:
        raise KeyboardInterrupt

    opened: list[str] = []
    monkeypatch.setattr(demo_module, "running_service", running)
    monkeypatch.setattr(demo_module.signal, "pause", stopped)
    monkeypatch.setattr(demo_module.webbrowser, "open", opened.append)
    result = CliRunner().invoke(main, ["demo", "--open"])
    assert (result.exit_code, opened) == (0, ["http://127.0.0.1:1/workbench"])
    assert not folders[0].exists()


def test_the_demo_refuses_an_unknown_patient() -> None:
    result = CliRunner().invoke(main, ["demo", "--patient", "nobody"])
    assert result.exit_code == 1
    assert "no example patient nobody; there are: refractory-grade-2" in result.output
