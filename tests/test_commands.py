"""The commands as people and programs meet them; `explain` and `facts`: what a reviewer reads."""

from __future__ import annotations

import json
import os
import pkgutil
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import func, select

from cds_service.advice.words import figure
from cds_service.cli import main
from cds_service.store.database import Database
from cds_service.store.place import Place
from cds_service.store.tables import audit
from cds_service.tools import commands
from cds_service.tools.commands import SHORT
from cds_service.tools.printing import table
from tests.support.knowledge_root import EXTENDING_SITE, write
from tests.web.stub import SELECT, StubService, call_body, client_of

EXAMPLES = Path(__file__).parents[1] / "examples"
REQUEST = EXAMPLES / "requests" / "refractory-grade-2.json"
AT = "2026-03-05T12:00:00Z"


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, arguments)
    return result.exit_code, " ".join(result.output.split())


def told(*arguments: str) -> Any:
    """What a command prints with --json."""
    result = CliRunner().invoke(main, [*arguments, "--json"])
    assert (result.exit_code, result.stderr) == (0, "")
    return json.loads(result.stdout)


@pytest.mark.parametrize("command", SHORT)
def test_every_command_of_the_table_is_a_module_that_helps(command: str) -> None:
    modules = {module.name.replace("_", "-") for module in pkgutil.iter_modules(commands.__path__)}
    assert modules == set(SHORT)
    result = CliRunner().invoke(main, [command, "-h"])
    assert (result.exit_code, result.output.startswith("Usage: ")) == (0, True)


def test_help_loads_no_command() -> None:
    program = (
        "import sys\nfrom cds_service.cli import main\n"
        "try:\n    main(['-h'])\nexcept SystemExit:\n    print(sorted(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    for name in SHORT:
        assert f"  {name} " in done.stdout
    for module in ("cds_service.tools.commands.check", "cds_service.knowledge", "flask", "pydantic", "yaml"):
        assert f"'{module}'" not in done.stdout


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    """The folder of a store with a record."""
    client = client_of(StubService(), store=True, data=tmp_path)
    assert client.post(SELECT, json=call_body()).status_code == 200
    database, end = Database(Place(tmp_path)), time.monotonic() + 20
    while not records_of(database) and time.monotonic() < end:
        time.sleep(0.05)
    return tmp_path


def records_of(database: Database) -> int:
    with database.reading() as connection:
        return int(connection.scalar(select(func.count()).select_from(audit)) or 0)


@pytest.mark.parametrize(("words", "both"), [(("audit", "export"), False), (("feedback", "report", "--json"), True)])
def test_output_that_nobody_reads_ends_a_command_without_a_word(
    recorded: Path, words: tuple[str, ...], both: bool
) -> None:
    """`both`: errors go the same way."""
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "cds_service.cli", *words]
    errors = subprocess.STDOUT if both else subprocess.PIPE
    environ = {**os.environ, "CDS_DATA": str(recorded)}
    with os.fdopen(writing, "w") as out:
        done = subprocess.run(command, stdout=out, stderr=errors, text=True, env=environ, check=False)
    assert (done.returncode, done.stderr or "") == (128 + signal.SIGPIPE, "")


def test_a_pipe_that_breaks_elsewhere_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise BrokenPipeError(32, "of a child")

    monkeypatch.setattr("cds_service.tools.commands.schemas.command.callback", broken)
    assert CliRunner().invoke(main, ["schemas"]).exit_code == 1


def test_knowledge_and_site_are_those_of_the_service_by_default(root: Path) -> None:
    write(root, "rules/sites/toy-hospital.yaml", EXTENDING_SITE)
    result = CliRunner(env={"CDS_KNOWLEDGE": str(root), "CDS_SITE": "toy-hospital"}).invoke(main, ["check"])
    assert "at site toy-hospital" in result.output
    shipped = CliRunner(env={"CDS_KNOWLEDGE": "", "CDS_SITE": ""}).invoke(main, ["check", "--site", "eu"])
    assert "at site eu" in shipped.output


@pytest.mark.parametrize("words", [["check"], ["serve", "--port", "0"], ["explain", str(REQUEST)]])
def test_a_bad_site_is_one_line(words: list[str]) -> None:
    result = CliRunner(env={"CDS_SITE": "nowhere"}).invoke(main, words)
    assert result.exit_code == 1
    errors = [line for line in result.output.splitlines() if "nowhere" in line]
    assert len(errors) == 1
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    "words", [["check"], ["explain", str(REQUEST)], ["lock", "--change", "x"], ["new-rule", "shared/a/b"]]
)
def test_a_folder_that_cannot_be_used_is_one_line(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    absent = CliRunner().invoke(main, [*words, "--root", str(tmp_path / "absent")])
    assert absent.exit_code == 1
    assert "expected the folders rules/ and cards/ in it" in absent.output

    def refuse(path: Path) -> bool:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "is_dir", refuse)
    closed = CliRunner().invoke(main, [*words, "--root", str(tmp_path)])
    assert (closed.exit_code, closed.output) == (1, f"Error: {tmp_path / 'rules'}: Permission denied\n")


def test_broken_json_is_told_with_its_place(tmp_path: Path) -> None:
    broken = tmp_path / "request.json"
    broken.write_text('{"hook": "order-select",\n  oops}', encoding="utf-8")
    result = CliRunner().invoke(main, ["explain", str(broken)])
    assert result.exit_code == 1
    assert result.output.startswith(f"Error: {broken}:2:3: not JSON: ")
    assert result.output.count("\n") == 1


@pytest.mark.parametrize(
    ("module", "words", "said"),
    [
        ("requests", ["demo"], "this needs the package requests: pip install 'anakinra-cds[tools]'"),
        ("durable_rules_engine", ["serve", "--port", "0"], "CPPFLAGS=-DPyEval_CallObject=PyObject_CallObject pip"),
        ("durable_rules_engine", ["explain", str(REQUEST)], "CPPFLAGS=-DPyEval_CallObject=PyObject_CallObject"),
    ],
)  # fmt: skip
def test_a_package_that_is_missing_is_one_line_that_says_what_to_install(
    module: str, words: list[str], said: str
) -> None:
    program = f"import sys\nsys.modules[{module!r}] = None\nfrom cds_service.cli import main\nmain({words!r})"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert said in done.stderr


@pytest.mark.parametrize(
    ("value", "unit", "shown"),
    [
        (2.0833333, "h", "2.1 h"), (7.96, "h", "7.96 h"), (12.0, "h", "12 h"), (0.0, "h", "0 h"),
        (96.1712, "mL/min", "96.17 mL/min"),
        (2, "{grade}", "2"), (64, "a", "64"), (True, "", "yes"), (False, "", "no"), ("rose", "", "rose"),
    ],
)  # fmt: skip
def test_figures_are_rounded_for_reading(value: Any, unit: str, shown: str) -> None:
    assert figure(value, unit) == shown


def test_a_table_is_neither_framed_nor_cut() -> None:
    long = "word " * 60
    assert table(("a", "bb"), [("1", long), ("22", "x")]) == f"a   bb\n1   {long.rstrip()}\n22  x"


def test_explain_says_why_each_rule_fired_or_not() -> None:
    code, text = run("explain", str(REQUEST))
    assert code == 0
    assert "fires crs-refractory 1.1.1 pathway" in text
    assert "Tocilizumab doses in this CRS episode = 2 (asked: >= 2 [policy.tocilizumab-failure-doses])" in text
    assert "silent infection-severe" in text
    assert "kept silent by: Severe active infection = no (asked: = yes)" in text
    assert "agree" in text


def test_explain_says_what_is_missing(tmp_path: Path) -> None:
    request = json.loads(REQUEST.read_text(encoding="utf-8"))
    del request["prefetch"]["allergies"]
    lacking = tmp_path / "request.json"
    lacking.write_text(json.dumps(request), encoding="utf-8")
    code, text = run("explain", str(lacking), "--fired")
    assert code == 0
    assert "unknown hypersensitivity-active" in text
    assert "is unknown: allergies: not sent by the EHR" in text
    assert "kept silent by" not in text


def test_explain_of_another_hook_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "request.json"
    other.write_text('{"hook": "appointment-book"}', encoding="utf-8")
    code, text = run("explain", str(other))
    assert code == 1
    assert "hook: expected one of order-select, order-sign" in text


def test_facts_prints_every_fact_and_the_course() -> None:
    code, text = run("facts", str(EXAMPLES / "patients" / "refractory-grade-3.json"), "--at", AT)
    assert code == 0
    assert "CRS grade over the episode" in text
    assert "tocilizumab dose 2" in text
    assert "grade 3 documented; grade 2 ended" in text
    assert "norepinephrine" in text


def test_facts_prints_only_what_is_not_known() -> None:
    code, text = run("facts", str(EXAMPLES / "patients" / "refractory-grade-2.json"), "--at", AT, "--unknown")
    assert code == 0
    assert "no dose and no frequency given" in text
    assert "Severe active infection" not in text


def test_facts_of_an_unusable_source(tmp_path: Path) -> None:
    broken = tmp_path / "broken.json"
    broken.write_text("{", encoding="utf-8")
    code, text = run("facts", str(broken))
    assert code == 1
    assert "broken.json" in text


def test_what_is_piped_is_plain() -> None:
    for words in (["explain", str(REQUEST)], ["facts", str(EXAMPLES / "patients"), "--at", AT], ["check"]):
        result = CliRunner().invoke(main, words)
        assert not set(result.output) & set("│┃━─…\x1b")
        assert not re.search(r"\d\.\d{3,}", result.output)


def test_explain_of_one_rule_is_the_whole_rule() -> None:
    code, text = run("explain", str(REQUEST), "--rule", "crs-refractory")
    assert code == 0
    for words in (
        "crs-refractory 1.1.1, draft: CRS is refractory to tocilizumab When CRS is at the treatment grade",
        "when: CRS grade (ASTCT) >= 2 [policy.crs-treatment-grade]",
        "unless: Tocilizumab known only from statements = yes",
        "file: rules/toxicities/crs/crs-refractory.yaml",
        "evidence: safety-wiki-dose (partly)",
        "fires crs-refractory",
        "1 fire, 0 silent, 0 unknown; evaluators: agree",
    ):
        assert words in text
    assert "infection-severe" not in text
    code, text = run("explain", str(REQUEST), "--rule", "crs-refractor")
    assert code == 1
    assert text.startswith("Error: no such rule crs-refractor; did you mean crs-refractory?")


def test_explain_as_json() -> None:
    (order,) = told("explain", str(REQUEST))
    assert (list(order), order["order"]) == (["order", "rules", "failure", "disagreements"], "Anakinra")
    rules = {rule["id"]: rule for rule in order["rules"]}
    rule = rules["crs-refractory"]
    assert list(rule) == [
        "id", "version", "stratum", "title", "decision", "result", "because", "silentBecause", "missing",
    ]  # fmt: skip
    assert (rule["result"], rules["infection-severe"]["result"]) == ("fires", "silent")
    (doses,) = [each for each in rule["because"] if each["name"] == "tocilizumab-doses"]
    assert list(doses) == ["name", "kind", "title", "asked", "value", "unit", "why", "from"]
    assert (doses["kind"], doses["value"], len(doses["from"])) == ("fact", 2, 2)
    (only,) = told("explain", str(REQUEST), "--rule", "infection-severe")
    assert [each["id"] for each in only["rules"]] == ["infection-severe"]


def test_facts_as_json() -> None:
    (chart,) = told("facts", str(EXAMPLES / "patients" / "refractory-grade-3.json"), "--at", AT)
    assert list(chart) == ["patient", "at", "facts", "course"]
    assert (chart["patient"], chart["at"]) == ("refractory-grade-3", "2026-03-05T12:00:00Z")
    facts = {fact["name"]: fact for fact in chart["facts"]}
    doses = facts["tocilizumab-doses"]
    assert list(doses) == ["name", "title", "value", "unit", "asOf", "ageH", "from", "why", "notes"]
    assert (doses["value"], doses["ageH"], len(doses["from"])) == (2, 17.0, 2)
    assert (facts["fibrinogen"]["value"], facts["fibrinogen"]["why"]) == (None, "none recorded")
    last = chart["course"][-1]
    assert list(last) == ["at", "documented", "derived", "proven", "from", "event"]
    assert (last["documented"], last["derived"], last["proven"], last["event"]) == (3, 3, True, "now")


def test_a_time_that_is_asked_about_knows_of_nothing_later(tmp_path: Path) -> None:
    """`facts` and `explain` look at what was known then, as a call that chooses its time."""
    allergy = {
        "resourceType": "AllergyIntolerance",
        "id": "later",
        "patient": {"reference": "Patient/refractory-grade-2"},
        "code": {"text": "anakinra"},
        "recordedDate": "2026-03-05T12:00:00Z",
    }
    bundle = json.loads((EXAMPLES / "patients" / "refractory-grade-2.json").read_text(encoding="utf-8"))
    bundle["entry"].append({"resource": allergy})
    patient = tmp_path / "patient.json"
    patient.write_text(json.dumps(bundle), encoding="utf-8")
    request = json.loads(REQUEST.read_text(encoding="utf-8"))
    request["prefetch"]["allergies"] = {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": allergy}]}
    call = tmp_path / "request.json"
    call.write_text(json.dumps(request), encoding="utf-8")
    for at, allergic in ((AT, True), ("2026-03-05T11:00:00Z", False)):
        (chart,) = told("facts", str(patient), "--at", at)
        assert {fact["name"]: fact["value"] for fact in chart["facts"]}["hypersensitivity"] is allergic
        (order, *_) = told("explain", str(call), "--at", at, "--rule", "hypersensitivity-active")
        assert order["rules"][0]["result"] == ("fires" if allergic else "silent")
