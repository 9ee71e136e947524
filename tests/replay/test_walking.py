"""`anakinra-cds replay` through whole episodes: what is asked when, comparing, resuming, and what is written."""

from __future__ import annotations

import json
import shutil
import socketserver
import threading
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner, Result

from cds_service.cli import main
from cds_service.tools.replay import bundles, page, walking
from cds_service.tools.replay.asking import Asked, Respondents
from cds_service.tools.replay.calls import anakinra_draft
from cds_service.tools.replay.client import LocalClient, Reply
from cds_service.tools.replay.episode import Course, Step, every_of, steps
from cds_service.tools.replay.kept import Kept, KeptError
from cds_service.tools.replay.ours import OurClient
from cds_service.tools.replay.told import differing, told_of
from cds_service.tools.replay.totals import Totals, totals
from cds_service.tools.replay.walk import Walk
from tests.support.replay import FakeClient, card
from tests.support.shipped import ROOT

NOW = datetime(2026, 3, 6, tzinfo=UTC)
EXAMPLES = ROOT / "examples/patients"
PATIENT = EXAMPLES / "refractory-grade-3.json"


def run(*arguments: Any) -> Result:
    return CliRunner().invoke(main, ["replay", *map(str, arguments)])


def chart(name: str = "refractory-grade-3") -> bundles.Chart:
    (source,) = bundles.sources([EXAMPLES / f"{name}.json"])[0]
    (found,) = bundles.read(source)
    assert isinstance(found, bundles.Chart)
    return found


@pytest.fixture(scope="module")
def ours() -> OurClient:
    return OurClient("us", ROOT)


@pytest.fixture(autouse=True)
def once(ours: OurClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """The shipped knowledge is compiled once for all tests."""
    from cds_service.tools.commands import replay as command

    monkeypatch.setattr(command, "OurClient", lambda site, root: ours)
    monkeypatch.setattr(walking, "compile_program", lambda _: ours.program)
    monkeypatch.setattr(walking, "load", lambda: None)


# ---- the steps of an episode


@pytest.mark.parametrize(("text", "hours"), [("1h", 1), ("30min", 0.5), ("2d", 48)])
def test_how_often(text: str, hours: float) -> None:
    assert every_of(text) == timedelta(hours=hours)


@pytest.mark.parametrize("text", ["", "0h", "1", "h", "1w", "-1h", "1.5h"])
def test_how_often_must_be_a_time(text: str) -> None:
    with pytest.raises(ValueError, match="expected a time such as 1h"):
        every_of(text)
    assert run(PATIENT, "--every", text).exit_code == 2


def test_hours_from_the_first_event_to_the_last() -> None:
    found = [step.at for step in steps(Course(chart()), "order-select", timedelta(hours=1), 14, NOW)]
    assert found[0] is not None
    assert found[-1] == datetime(2026, 3, 4, 21, tzinfo=UTC)
    assert all(b - a == timedelta(hours=1) for a, b in pairwise(found) if a and b)
    short = [step.at for step in steps(Course(chart()), "order-select", timedelta(hours=1), 1, NOW)]
    assert short == found[-len(short) :]
    assert 24 <= len(short) <= 26


def test_a_future_event_ends_no_episode() -> None:
    later = {"resourceType": "Observation", "id": "x", "status": "final", "effectiveDateTime": "2062-01-01T00:00:00Z"}
    asked = chart()
    odd = bundles.Chart(asked.patient_id, "", (*asked.resources, later), "")
    every = timedelta(hours=6)
    assert [*steps(Course(odd), "order-select", every, 14, NOW)] == [
        *steps(Course(asked), "order-select", every, 14, NOW)
    ]


def test_at_every_order_its_own_is_not_on_the_chart_yet() -> None:
    order = {
        "resourceType": "MedicationRequest", "id": "toci", "status": "completed", "intent": "order",
        "authoredOn": "2026-03-04T08:00:00Z", "medicationCodeableConcept": {"text": "tocilizumab"},
        "subject": {"reference": "Patient/refractory-grade-3"},
    }  # fmt: skip
    asked = chart()
    course = Course(bundles.Chart(asked.patient_id, "", (*asked.resources, order), ""))
    asked_again = "MedicationRequest/toci"
    first = next(s for s in steps(course, "order-select", None, 14, NOW) if s.asked_again == asked_again)
    assert first.order == "tocilizumab"
    assert first.drafts is not None
    assert first.drafts[0]["status"] == "draft"
    held = course.at(first.at, first.asked_again).resources
    assert "toci" not in {r.get("id") for r in held}
    assert "toci" in {r.get("id") for r in course.at(first.at).resources}


def test_nothing_is_on_the_chart_before_it_was_known() -> None:
    course, moment = Course(chart()), datetime(2026, 3, 4, 9, 30, tzinfo=UTC)
    for resource in course.at(moment).resources:
        for key in ("effectiveDateTime", "issued", "authoredOn", "recordedDate"):
            assert key not in resource or datetime.fromisoformat(resource[key]) <= moment


# ---- the service in this process


def test_ours_answers_as_the_application_does(ours: OurClient) -> None:
    """In everything but the addresses of its links."""
    application = LocalClient("us", ROOT)
    asked = Asked("a", ours)
    over_http = Asked("b", application)
    for service in (asked, over_http):
        service.discover()
    for name in ("refractory-grade-3", "bacteraemia", "no-car-t"):
        step = Step(NOW - timedelta(hours=14), "order-select")
        mine, theirs = asked.ask(chart(name), step), over_http.ask(chart(name), step)
        assert differing(mine.body["cards"], theirs.body["cards"]) == ()


# ---- a changed rule: exactly the changed hours


@pytest.fixture(scope="module")
def changed(tmp_path_factory: pytest.TempPathFactory) -> OurClient:
    """The shipped knowledge, but that tocilizumab is waited for three hours longer."""
    root = tmp_path_factory.mktemp("changed")
    for folder in ("rules", "cards"):
        shutil.copytree(ROOT / folder, root / folder)
    policies = root / "rules/policies/tocilizumab.yaml"
    text = policies.read_text(encoding="utf-8")
    line = next(line for line in text.splitlines() if line.startswith("tocilizumab-response-window:"))
    assert "value: 8," in line
    policies.write_text(text.replace(line, line.replace("value: 8,", "value: 11,")), encoding="utf-8")
    return OurClient("us", root)


def test_against_finds_exactly_the_changed_hours(ours: OurClient, changed: OurClient) -> None:
    """Found by asking each alone, hour by hour; the walk beside it must name the same hours, and a rule."""
    mine, theirs = Asked("mine", ours), Asked("theirs", changed)
    for service in (mine, theirs):
        service.discover()
    course = Course(chart("refractory-grade-2"))
    asked = [*steps(course, "order-select", timedelta(hours=1), 1, NOW)]
    told = Walk(Respondents((mine,)), theirs).patient(chart("refractory-grade-2"), asked)["steps"]
    alone = []
    for step in asked:
        held = course.at(step.at)
        before, after = told_of(mine.ask(held, step)), told_of(theirs.ask(held, step))
        if (before.decision, before.rule, before.dose) != (after.decision, after.rule, after.dose):
            alone.append(step.at.isoformat() if step.at else "")
    marked = [step["at"] for step in told if {"decision", "cards", "dose"} & set(step.get("differs", ()))]
    assert marked == alone
    assert 1 <= len(alone) <= 6
    causes = {step["causes"][0]["rule"] for step in told if step["at"] in alone}
    windows = {rule.id for rule in ours.program.knowledge.rules if "tocilizumab-response-window" in repr(rule)}
    assert causes <= windows | {"crs-refractory"}
    assert causes


def test_against_itself_nothing_differs(ours: OurClient) -> None:
    same = Asked("same", ours)
    same.discover()
    told = Walk(Respondents((same,)), same).patient(
        chart(), steps(Course(chart()), "order-select", timedelta(hours=6), 2, NOW)
    )
    assert not any("differs" in step for step in told["steps"])


@pytest.mark.parametrize("named", ["nowhere", "/no/such/folder"])
def test_against_nothing_is_not_understood(named: str) -> None:
    result = run(PATIENT, "--every", "1d", "--against", named)
    assert result.exit_code == 2
    assert "no knowledge folder, site or service" in result.output


# ---- any service


class _Foreign(BaseHTTPRequestHandler):
    """A CDS service of somebody else: other ids, other prefetch, cards without our explanation."""

    asked: ClassVar[list[Mapping[str, Any]]] = []

    def do_GET(self) -> None:
        prefetch = {
            "p": "Patient/{{context.patientId}}",
            "meds": "MedicationAdministration?patient={{context.patientId}}",
            "odd": "Observation?patient={{context.patientId}}&_has:x=1",
        }
        self._send({"services": [{"hook": "order-select", "id": "theirs", "title": "T", "prefetch": prefetch}]})

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.asked.append(request)
        given = request["prefetch"]["meds"].get("entry", ())
        cards = [{"summary": f"{len(given)} doses", "indicator": "info", "source": {"label": "x"}}] if given else []
        self._send({"cards": cards})

    def _send(self, body: object) -> None:
        content = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing is logged."""


@pytest.fixture
def foreign() -> Iterator[str]:
    _Foreign.asked.clear()
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Foreign) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_any_service_is_asked_what_its_discovery_says(foreign: str, tmp_path: Path) -> None:
    result = run(PATIENT, "--url", foreign, "--every", "6h", "--days", "2", "--html", tmp_path / "r.html")
    assert result.exit_code == 0, result.output
    assert "prefetch theirs: odd is not sent" in result.stderr
    assert all(set(request["prefetch"]) == {"p", "meds"} for request in _Foreign.asked)
    counts = [len(request["prefetch"]["meds"].get("entry", ())) for request in _Foreign.asked]
    assert counts == sorted(counts)
    assert counts[0] < counts[-1]
    assert f"{counts[-1]} doses" in (tmp_path / "r.html").read_text(encoding="utf-8")


# ---- truth


def truth(folder: Path, decisions: list[str], patient: str = "refractory-grade-3", site: str = "us") -> Path:
    order = anakinra_draft(patient, hook="order-select")
    at = {"at": "2026-03-05T06:00:00Z", "hook": "order-select", "order": order, "decisions": decisions, "why": "x"}
    path = folder / f"{patient}.truth.json"
    told = {"patient": patient, "dialect": "d", "site": site, "at": [at]}
    path.write_text(json.dumps(told), encoding="utf-8")
    return path


def test_a_truth_decides_the_exit_code(tmp_path: Path) -> None:
    shutil.copy(PATIENT, tmp_path)
    truth(tmp_path, ["suggest", "caution"])
    result = run(tmp_path, "--truth", tmp_path)
    assert (result.exit_code, "1 of 1 as expected" in result.stdout) == (0, True), result.output
    truth(tmp_path, ["block"])
    result = run(tmp_path, "--truth", tmp_path, "--junit", tmp_path / "out" / "j.xml")
    assert result.exit_code == 1
    assert "expected block" in result.stdout
    suite = ElementTree.fromstring((tmp_path / "out" / "j.xml").read_text(encoding="utf-8"))[0]
    assert suite.attrib["failures"] == "1"
    assert "expected block" in (suite[0][0].text or "")


def test_who_is_expected_and_does_not_come_is_an_error(tmp_path: Path) -> None:
    shutil.copy(EXAMPLES / "no-car-t.json", tmp_path)
    result = run(tmp_path, "--truth", truth(tmp_path, ["block"]))
    assert result.exit_code == 1
    assert "Patient/refractory-grade-3: expected, but no source holds this patient" in result.stderr


def test_each_patient_is_asked_about_at_the_site_of_his_truth(tmp_path: Path) -> None:
    for name, decision, site in (("refractory-grade-3", "suggest", "us"), ("no-car-t", "not-indicated", "eu")):
        shutil.copy(EXAMPLES / f"{name}.json", tmp_path)
        truth(tmp_path, [decision], name, site)
    result = run(tmp_path, "--truth", tmp_path, "--json")
    told = json.loads(result.stdout)
    assert (result.exit_code, told["summary"]["expected"]) == (0, 2), result.output
    assert [name.split()[-1] for name in told["asked"].split(", ")] == ["eu", "us"]
    # Of the sites one may be named: nobody is asked about the others then.
    result = run(tmp_path, "--truth", tmp_path, "--site", "us")
    assert (result.exit_code, "1 of 1 as expected" in result.stdout) == (0, True), result.output
    assert "note: 1 patient of other sites not asked about: eu" in result.stderr
    assert run(tmp_path, "--truth", tmp_path / "no-car-t.truth.json", "--site", "us").exit_code == 2


@pytest.mark.parametrize("content", ["{", "{}", '{"patient": "p", "at": [{"at": "x"}]}'])
def test_a_bad_truth_is_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "p.truth.json"
    path.write_text(content, encoding="utf-8")
    result = run(PATIENT, "--truth", path)
    assert result.exit_code != 0
    assert str(path) in result.output


# ---- stopping and going on


def _files(folder: Path, state: Path) -> tuple[Result, str, str]:
    html, junit = folder / "r.html", folder / "r.xml"
    result = run(folder, "--every", "1d", "--days", "3", "--html", html, "--junit", junit, "--state", state, "--json")
    return result, html.read_text(encoding="utf-8"), junit.read_text(encoding="utf-8")


def test_a_stopped_run_goes_on_to_the_same_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("bacteraemia", "no-car-t", "refractory-grade-3"):
        shutil.copy(EXAMPLES / f"{name}.json", tmp_path)
    (tmp_path / "bad.json").write_text("{", encoding="utf-8")
    whole, html, junit = _files(tmp_path, tmp_path / "whole.state")
    assert whole.exit_code == 1  # bad.json
    state, asked = tmp_path / "stopped.state", 0
    walk = Walk.patient

    def stopping(self: Walk, each: bundles.Chart, of: Any) -> dict[str, Any]:
        nonlocal asked
        asked += 1
        if asked == 3:
            raise KeyboardInterrupt
        return walk(self, each, of)

    monkeypatch.setattr(Walk, "patient", stopping)
    assert run(tmp_path, "--every", "1d", "--days", "3", "--html", tmp_path / "r.html", "--state", state).exit_code != 0
    with state.open("ab") as file:
        file.write(b'{"patient": "torn')  # as a kill in the middle of a write leaves it
    again, html_again, junit_again = _files(tmp_path, state)
    assert asked == 4  # the first two are not asked again
    assert (again.exit_code, again.stdout, html_again, junit_again) == (1, whole.stdout, html, junit)
    assert "going on with" in again.stderr


def test_the_state_of_another_run_is_refused(tmp_path: Path) -> None:
    state = tmp_path / "s"
    assert run(PATIENT, "--every", "1d", "--days", "2", "--state", state).exit_code == 0
    result = run(PATIENT, "--every", "1d", "--days", "3", "--state", state)
    assert result.exit_code == 2
    assert "belongs to a run with another days" in result.output
    for content in ("mine", "mine\n", "{}", '{"run": 1}'):
        other = tmp_path / "notes.txt"
        other.write_text(content, encoding="utf-8")
        assert run(PATIENT, "--every", "1d", "--state", other).exit_code == 2
        assert other.read_text(encoding="utf-8") == content  # nothing of it is cut


def test_memory_does_not_grow_with_the_patients(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "s", {})
    for number in range(200):
        kept.patient({"source": "x", "patient": str(number), "steps": [], "svg": "x" * 50_000})
    assert sum(1 for _ in kept.patients()) == 200
    # What it holds of each patient is that it was asked about.
    assert max(len(str(each)) for each in vars(kept).values()) < 20_000
    kept.close()
    with pytest.raises(KeptError):
        Kept(tmp_path / "s", {"else": 1})


# ---- the report


def fake_line(name: str, count: int, **more: Any) -> dict[str, Any]:
    cards = {"summary": "A card", "detail": "**Words**\n\n" + "- a line\n" * 40, "indicator": "info"}
    told = [
        {
            "at": (NOW + timedelta(hours=n)).isoformat(), "hook": "order-select", "order": "", "decision": f"d{n % 2}",
            "indicator": "info", "rule": f"r{n % 2}", "summary": "A summary of what is said " * 2, "card": cards,
            **more,
        }
        for n in range(count)
    ]  # fmt: skip
    return {"patient": name, "source": "s", "story": "A story", "steps": told, "svg": f"<svg>{'x' * 8_900}</svg>"}


@pytest.mark.parametrize("count", [3, 500])
def test_the_report_of_many_patients_is_small_and_names_each(count: int) -> None:
    def lines() -> Iterator[dict[str, Any]]:
        yield from (fake_line(f"patient-{n}", 40) for n in range(count - 1))
        yield fake_line("the-one", 40, wrong=True, expected=["block"])

    found = totals(lines(), 0, compared=False)
    html = "".join(page.page(lines, [], found, {"Service": "x"}))
    assert len(html.encode()) < 5_000_000
    assert html.count('<details class="patient"') == count
    assert html.index("the-one") < html.index("patient-0")
    assert html.count("<svg>") == count  # of 500 each still has its picture


def test_the_report_holds_no_script_and_asks_for_nothing(tmp_path: Path) -> None:
    evil = "</title><script>alert(1)</script><img src=x>"
    line = fake_line("p", 2) | {"patient": evil, "story": evil, "svg": ""}
    line["steps"][0] |= {"order": evil, "summary": evil, "rule": evil, "decision": evil, "error": evil}
    html = "".join(page.page(lambda: [line], [(evil, evil)], totals([line], 1, compared=True), {evil: evil}))
    assert "<script" not in html
    assert "<img" not in html
    assert "http" not in html.replace("http-equiv", "").replace("http://www.w3.org/2000/svg", "")


def test_criteria_are_counted(ours: OurClient, tmp_path: Path) -> None:
    html = tmp_path / "r.html"
    result = run(PATIENT, "--every", "1d", "--days", "3", "--html", html, "--state", tmp_path / "s")
    assert result.exit_code == 0
    text = html.read_text(encoding="utf-8")
    assert "Which criteria were met" in text
    kept = Kept(tmp_path / "s", _run_of(tmp_path / "s"))
    line = next(kept.patients())
    kept.close()
    rules = {rule.id: rule for rule in ours.program.knowledge.rules}
    for name, counts in line["tally"].items():
        criteria = len(rules[name].when) + sum(map(len, rules[name].any)) + len(rules[name].unless)
        assert len(counts) == 3 * (criteria + 1)
        # Each time that a rule was asked, each criterion was one of three.
        assert len({sum(counts[n : n + 3]) for n in range(0, len(counts), 3)}) == 1
        if counts[0] and not rules[name].any:
            assert all(counts[n] >= counts[0] for n in range(3, len(counts), 3))


def _run_of(path: Path) -> dict[str, Any]:
    with path.open(encoding="utf-8") as file:
        found: dict[str, Any] = json.loads(file.readline())["run"]
    return found


# ---- the rest of the command


def test_what_cannot_go_together_is_refused() -> None:
    for options in (["--expect", PATIENT, "--every", "1h"], ["--truth", PATIENT, "--every", "1h"]):
        assert run(PATIENT, *options).exit_code == 2


def test_json_of_a_walk(tmp_path: Path) -> None:
    result = run(PATIENT, "--every", "1d", "--days", "2", "--json")
    told = json.loads(result.stdout)
    assert told["summary"]["patients"] == 1
    assert told["summary"]["questions"] == len(told["patients"][0]["steps"]) >= 3
    assert {"at", "hook", "decision"} <= set(told["patients"][0]["steps"][0])


def test_a_failing_call_is_told_and_fails_the_run() -> None:
    def answers(request: Mapping[str, Any]) -> list[dict[str, Any]] | Reply:
        return Reply(500, None, 1.0, "HTTP 500") if request["extension"] else [card("wait")]

    asked = Asked("fake", FakeClient(answers))
    asked.discover()
    line = Walk(Respondents((asked,))).patient(chart(), [Step(NOW, "order-select")])
    found = Totals()
    found.add(line)
    assert (found.failed, found.is_well, line["steps"][0]["error"]) == (1, False, "HTTP 500")


def test_progress_is_on_stderr(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(walking, "_NOTE_EVERY_SECONDS", 0.0)
    result = run(PATIENT, "--every", "1d", "--days", "2", "--json")
    assert "1 patient so far" in result.stderr
    json.loads(result.stdout)
