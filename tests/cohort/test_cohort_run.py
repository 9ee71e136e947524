"""A cohort's tables say what an assessment of each moment says, however the work is spread."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from click.testing import CliRunner

from cds_service.assess import assess
from cds_service.cli import main
from cds_service.knowledge import load
from cds_service.program import compile_program
from cds_service.tools.charts import chart_of, question_of
from cds_service.tools.cohort.tables import TABLES
from cds_service.tools.replay import bundles
from cds_service.tools.replay.episode import Course
from tests.sites.folder import SITE, write_site
from tests.support.examples import EXAMPLES
from tests.support.shipped import ROOT

NOW = "2026-03-20T00:00:00+00:00"
SOME = 10  # patients: enough for four partitions


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example patients as a Bulk Data export."""
    folder = tmp_path_factory.mktemp("export")
    by_type: dict[str, list[str]] = {}
    for chart in charts():
        for resource in chart.resources:
            by_type.setdefault(resource["resourceType"], []).append(json.dumps(resource))
    for kind, lines in by_type.items():
        (folder / f"{kind}.ndjson").write_text("\n".join(lines) + "\n")
    return folder


def charts() -> Iterator[bundles.Chart]:
    found, _ = bundles.sources([EXAMPLES / "patients"])
    for source in found[::2][:SOME]:
        yield from (item for item in bundles.read(source) if isinstance(item, bundles.Chart))


def run(export: Path, out: Path, *options: str, code: int = 0) -> dict[str, Any]:
    arguments = [
        "cohort",
        str(export),
        "--out",
        str(out),
        "--at",
        NOW,
        "--workers",
        "1",
        "--partitions",
        "4",
        "--json",
        *options,
    ]
    result = CliRunner().invoke(main, arguments, catch_exceptions=False)
    assert result.exit_code == code, result.output
    return dict(json.loads(result.stdout))


def rows(out: Path, table: str) -> list[tuple[Any, ...]]:
    with duckdb.connect() as base:
        base.execute("SET TimeZone = 'UTC'")
        return base.execute(f"SELECT * FROM read_parquet('{out}/{table}/*.parquet') ORDER BY ALL").fetchall()


@pytest.fixture(scope="module")
def whole(export: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tables of a run in one process, every 12 hours of two days."""
    out = tmp_path_factory.mktemp("whole") / "out"
    run(export, out, "--every", "12h", "--days", "2")
    return out


def test_each_decision_is_that_of_an_assessment_of_the_chart_of_that_time(whole: Path) -> None:
    program = compile_program(load())
    by_id = {chart.patient_id: chart for chart in charts()}
    told = rows(whole, "decisions")
    assert len({row[0] for row in told}) > SOME / 2
    for patient, at, kind, hook, decision, indicator, rule, *_ in told[::7]:
        then = Course(by_id[patient]).at(at)
        found = assess(program, chart_of(program, then, at), question_of(program, then, hook), at)
        order = next(order for order in found.orders if order.occasion.key == kind)
        first = order.answers[0] if order.answers else None
        assert decision == (first.decision if first else "none"), (patient, at)
        assert (indicator, rule) == ((first.indicator, first.rule.id) if first else (None, None)), (patient, at)


def test_a_fact_has_a_row_where_it_became_another(whole: Path) -> None:
    seen: dict[tuple[str, str, str], tuple[Any, ...]] = {}
    for patient, at, kind, fact, value, _unit, why, *_ in sorted(rows(whole, "facts"), key=lambda row: row[1]):
        assert seen.get((patient, kind, fact)) != (value, why), (patient, at, fact)
        seen[patient, kind, fact] = (value, why)
    assert {json.loads(value) for (*_, fact), (value, _) in seen.items() if fact == "crs-grade" and value} > {2}


def test_doing_it_again_and_going_on_after_a_stop_change_nothing(export: Path, whole: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(export, out, "--every", "12h", "--days", "2")
    before = {table: rows(out, table) for table in TABLES}
    (out / "done" / "0001").unlink()
    (out / "decisions" / "part-0001.parquet").unlink()
    (out / "facts" / "part-0002.half").write_bytes(b"PAR1")  # a writer that was killed
    run(export, out, "--every", "12h", "--days", "2")
    assert {table: rows(out, table) for table in TABLES} == before
    assert {table: rows(whole, table) for table in TABLES} == before


def test_another_question_clears_the_tables_away(export: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(export, out, "--every", "1d", "--days", "1")
    (out / "mine.txt").write_text("kept")
    report = run(export, out, "--every", "1d", "--days", "1", "--hook", "patient-view")
    assert {row[3] for row in rows(out, "decisions")} == {"patient-view"}
    assert report["moments"] == sum(row[1] for row in rows(out, "patients"))
    assert (out / "mine.txt").read_text() == "kept"


def test_against_a_site_without_a_rule_exactly_the_moments_that_it_decided(
    export: Path, whole: Path, tmp_path: Path
) -> None:
    site = write_site(tmp_path / "site", site=f'{SITE}rulesOff: {{infection-severe: "not here"}}\n')
    out = tmp_path / "out"
    report = run(export, out, "--every", "12h", "--days", "2", "--against", str(site))
    expected = {row[:3] for row in rows(whole, "decisions") if row[6] == "infection-severe"}
    told = rows(out, "differences")
    assert expected
    assert {row[:3] for row in told} == expected
    assert all("infection-severe" in row[5] for row in told)
    assert sum(row["moments"] for row in report["differences"]) == len(told)


def test_the_report_is_one_page_with_nothing_from_elsewhere(whole: Path) -> None:
    page = (whole / "report.html").read_text()
    assert "not reviewed by clinicians" in page
    assert "http://" not in page.replace("http://loinc.org", "").replace("http://snomed.info", "")
    assert "<script" not in page


def test_a_cluster_that_loses_a_worker_loses_nothing_and_doubles_nothing(
    export: Path, whole: Path, tmp_path: Path
) -> None:
    """Two workers of a real Dask cluster on loopback; one is killed in the middle."""
    pytest.importorskip("distributed")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    file = tmp_path / "scheduler.json"
    loopback = ["--host", "127.0.0.1", "--port", "0"]
    dask = [sys.executable, "-m", "distributed.cli.dask_scheduler", *loopback, "--no-dashboard"]
    work = [sys.executable, "-m", "distributed.cli.dask_worker", "--scheduler-file", str(file), "--nthreads", "1"]
    quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "env": environment}
    started: list[subprocess.Popen[bytes]] = []
    try:
        started.append(subprocess.Popen([*dask, "--scheduler-file", str(file)], **quiet))
        for number in range(2):
            folder = str(tmp_path / f"local-{number}")
            more = ["--no-nanny", "--no-dashboard", "--host", "127.0.0.1", "--local-directory", folder]
            started.append(subprocess.Popen([*work, *more], **quiet))
        until = time.monotonic() + 60
        while not file.exists() and time.monotonic() < until:
            time.sleep(0.1)
        address = json.loads(file.read_text())["address"]
        out = tmp_path / "out"
        asked = [str(export), "--out", str(out), "--at", NOW, "--partitions", "4", "--every", "12h", "--days", "2"]
        client = [sys.executable, "-m", "cds_service.cli", "cohort", *asked, "--scheduler", address]
        asking = subprocess.Popen(client, **quiet)
        started.append(asking)
        while asking.poll() is None and not any((out / "done").glob("*")) and time.monotonic() < until + 60:
            time.sleep(0.05)
        assert asking.poll() is None, "it was over before a worker could be killed"
        started[1].send_signal(signal.SIGKILL)
        assert asking.wait(120) == 0
    finally:
        for process in reversed(started):
            process.kill()
            process.wait()
    assert {table: rows(out, table) for table in TABLES} == {table: rows(whole, table) for table in TABLES}


def test_the_time_of_a_run_bounds_what_is_an_event(export: Path, tmp_path: Path) -> None:
    run(export, tmp_path / "out", "--every", "1d", "--days", "30")
    last = max(row[1] for row in rows(tmp_path / "out", "decisions"))
    assert last <= datetime.fromisoformat(NOW).astimezone(UTC) + timedelta(hours=1)


def test_the_documents_have_every_column() -> None:
    page = (ROOT / "docs" / "cohort.md").read_text()
    for table, columns in TABLES.items():
        rows_of = page.split(f"### {table}\n")[1].split("###")[0]
        assert [line for line in rows_of.splitlines() if line.startswith("| `")] == [
            f"| `{column.name}` | {column.type} | {column.says} |" for column in columns
        ]
