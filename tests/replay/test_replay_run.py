"""Running a replay: what is asked, what is compared, what is told."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from cds_service.tools.options import parse_time
from cds_service.tools.replay import report
from cds_service.tools.replay.bundles import Chart, Problem, Source
from cds_service.tools.replay.client import ClientError, Reply
from cds_service.tools.replay.expected import Expectation, ExpectationError, load_expected
from cds_service.tools.replay.run import Replay, dose_text
from tests.support.replay import FakeClient, card

AT = datetime(2026, 3, 5, 10, tzinfo=UTC)
PLAN = {"doseMg": 100.0, "intervalH": 12, "route": "subcutaneous", "dailyMg": 200}


def chart(name: str = "p1") -> Chart:
    return Chart(name, "a story", ({"resourceType": "Patient", "id": name},), "somewhere")


def test_an_answer_is_read_from_the_first_card() -> None:
    cards = [card("suggest", "warning", dosePlan=PLAN, evaluatedAt="2026-03-05T10:00:00Z"), card("caution")]
    result = Replay(FakeClient(lambda _: cards), at=AT).ask(chart())
    assert (result.decision, result.indicator, result.dose) == ("suggest", "warning", "100 mg SC q12h")
    assert result.differences == ()
    assert not report.time_ignored([result])


def test_silence_and_failure_are_told_apart() -> None:
    silent = Replay(FakeClient(lambda _: [])).ask(chart())
    failed = Replay(FakeClient(lambda _: Reply(412, {}, 1.0, "HTTP 412: no patient"))).ask(chart())
    assert (silent.decision, silent.indicator, silent.dose) == ("no-card", "", "")
    assert (failed.decision, failed.cards) == ("error", [])


def test_an_expectation_says_how_to_ask_and_what_to_find() -> None:
    client = FakeClient(lambda _: [card("wait")])
    wanted = Expectation("suggest", "warning", "100 mg SC q12h", "order-sign", AT, ("Patient",))
    result = Replay(client, expected={"p1": wanted}).ask(chart())
    service_id, request = client.requests[0]
    assert (service_id, request["hook"], request["prefetch"]) == ("test-order-sign", "order-sign", {})
    assert request["extension"]["org.anakinra-cds.evaluation-time"] == AT.isoformat()
    assert result.differences == (
        "decision: expected suggest, found wait",
        "indicator: expected warning, found info",
        "dose: expected 100 mg SC q12h, found none",
    )


def test_what_is_not_expected_is_not_compared() -> None:
    replay = Replay(FakeClient(lambda _: [card("wait")]), expected={"p1": Expectation("wait")})
    replay.results.append(replay.ask(chart()))
    assert replay.results[0].differences == ()
    assert (replay.agreed(), replay.missing()) == (1, [])


def test_summary_counts_everything() -> None:
    answers = {"p1": [card("wait")], "p2": [], "p3": Reply(0, None, 9.0, "no answer")}
    replay = Replay(FakeClient(lambda request: answers[request["context"]["patientId"]]))
    replay.results += [replay.ask(chart(name)) for name in answers]
    replay.problems.append(Problem("x.json", "not JSON"))
    assert report.summary(replay) == "3 patients, 3 resources, 2 errors, 1 silent, p50 2.5 ms, p95 2.5 ms"
    assert report.error_lines(replay) == ["x.json: not JSON", "somewhere: Patient/p3: no answer"]


def test_differences_name_patients_who_did_not_come() -> None:
    replay = Replay(FakeClient(lambda _: []), expected={"p1": Expectation("wait"), "p2": Expectation("wait")})
    replay.results.append(replay.ask(chart()))
    assert report.difference_lines(replay) == [
        "p1: decision: expected wait, found no-card",
        "p2: expected, but no source holds this patient",
    ]
    assert replay.agreed() == 0


def test_a_source_with_a_problem_does_not_stop_the_run(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text("{", encoding="utf-8")
    replay = Replay(FakeClient(lambda _: []))
    assert replay.replay(Source(str(path), path)) == []
    assert "not JSON" in str(replay.problems[0])


def test_a_template_that_cannot_be_answered_is_a_problem_of_that_patient(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    entry = [{"resource": {"resourceType": "Patient", "id": "p1"}}]
    path.write_text(json.dumps({"resourceType": "Bundle", "entry": entry}), encoding="utf-8")
    replay = Replay(FakeClient(lambda _: []))
    replay.discover()
    replay._services["order-select"]["prefetch"] = {"x": "Observation?date=ge2026"}
    assert replay.replay(Source(str(path), path)) == []
    assert str(replay.problems[0]).startswith(f"{path}: Patient/p1: prefetch template")


def test_a_hook_that_the_service_does_not_have() -> None:
    client = FakeClient(lambda _: [])
    client.services = lambda: [{"hook": "patient-view", "id": "x"}]  # type: ignore[method-assign]
    with pytest.raises(ClientError, match="no entry for hook order-select; there are: patient-view"):
        Replay(client).ask(chart())


def test_an_ignored_evaluation_time_is_noticed() -> None:
    client = FakeClient(lambda _: [card("wait", evaluatedAt="2026-11-22T10:00:00Z")])
    assert report.time_ignored([Replay(client, at=AT).ask(chart())])
    assert not report.time_ignored([Replay(client).ask(chart())])
    client = FakeClient(lambda _: [card("wait", evaluatedAt="noon")])
    assert report.time_ignored([Replay(client, at=AT).ask(chart())])


def test_percentiles_are_by_nearest_rank() -> None:
    values = [float(n) for n in range(1, 101)]
    assert [report.percentile(values, p) for p in (50, 95, 100)] == [50.0, 95.0, 100.0]
    assert report.percentile([7.0], 95) == 7.0


@pytest.mark.parametrize(
    ("plan", "text"),
    [
        (PLAN, "100 mg SC q12h"),
        ({"doseMg": 37.5, "intervalH": 6, "route": "intravenous"}, "37.5 mg IV q6h"),
        ({"doseMg": 100, "route": "oral"}, "100 mg oral"),
        ({}, ""),
        (None, ""),
    ],
)
def test_dose_text(plan: Any, text: str) -> None:
    assert dose_text(plan) == text


def test_expectations_are_loaded(tmp_path: Path) -> None:
    path = tmp_path / "e.yaml"
    path.write_text(
        'a: {decision: suggest, at: "2026-03-05T10:00:00Z"}\n'
        "b: {decision: wait, at: 2026-03-05T10:00:00+09:00, hook: order-sign, withhold: [Condition]}\n",
        encoding="utf-8",
    )
    loaded = load_expected(path)
    assert loaded["a"] == Expectation("suggest", at=AT)
    assert loaded["b"].withhold == ("Condition",)
    assert loaded["b"].at is not None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 5", "a: expected a mapping with the keys decision"),
        ("a: {decison: wait}", "a: unknown key decison; there are: decision, indicator"),
        ("a: {}", "a: decision: expected a decision"),
        ("a: {decision: wait, hook: order-dispatch}", "a: hook: expected one of order-select"),
        ("a: {decision: wait, withhold: Condition}", "a: withhold: expected a list"),
        ("a: {decision: wait, at: noon}", "a: at: expected an RFC 3339 time"),
        ("a: {decision: wait, at: 5}", "a: at: expected an RFC 3339 time"),
        ('a: {decision: wait, at: "2026-03-05T10:00:00"}', "the zone is missing"),
        ("[a]", "expected a mapping of patient id"),
        ("a: [", "cannot be read as YAML"),
    ],
)
def test_bad_expectations_say_where(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "e.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ExpectationError) as caught:
        load_expected(path)
    assert str(path) in str(caught.value)
    assert said in str(caught.value)


def test_parse_time_keeps_the_zone() -> None:
    assert parse_time("2026-03-05T19:00:00+09:00") == AT
