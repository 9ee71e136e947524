"""`anakinra-cds cohort`: what the rules would have done for the patients of a whole Bulk Data export."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cds_service.contract import HOOK_VERSIONS
from cds_service.tools.options import at_option, json_option, knowledge_options
from cds_service.tools.printing import echo_json

if TYPE_CHECKING:
    from cds_service.tools.cohort.work import Done

_NOTE_EVERY_SECONDS = 5.0


@click.command("cohort")
@click.argument("export", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder for tables and report.")
@click.option("--every", default="order", show_default=True, help="Ask so often (1h, 6h, 1d), or at each `order`.")
@click.option("--days", default=14.0, show_default=True, help="How many days before the last event are walked.")
@click.option("--hook", type=click.Choice(sorted(HOOK_VERSIONS)), default="order-select", show_default=True)
@at_option("now; what is dated later is no event")
@click.option("--against", metavar="FOLDER|SITE", help="Another knowledge folder or site: list what it says otherwise.")
@click.option("--workers", type=click.IntRange(1, 256), help="Processes of this machine. Default: one a processor.")
@click.option("--scheduler", metavar="ADDRESS", help="A Dask scheduler, such as tcp://host:8786, in their place.")
@click.option("--partitions", type=click.IntRange(0, 4096), default=0, help="Default: by the size of the export.")
@knowledge_options
@json_option
def command(
    *,
    export: Path,
    out: Path,
    every: str,
    days: float,
    hook: str,
    at: datetime | None,
    against: str | None,
    workers: int | None,
    scheduler: str | None,
    partitions: int,
    root: Path | None,
    site: str,
    as_json: bool,
) -> None:
    """Ask about every patient of EXPORT, a folder of *.ndjson files (FHIR Bulk Data), hour by hour or at each order.

    Writes tables as Parquet (docs/cohort.md has their columns) and report.html and report.json to --out. A run that was
    stopped goes on where it stopped; partitions that are done are not done again. Exit code 1 where a line or a patient
    could not be used.
    """
    from cds_service.tools.cohort.evaluate import How
    from cds_service.tools.cohort.partition import partition
    from cds_service.tools.cohort.report import write_report
    from cds_service.tools.cohort.spread import spread
    from cds_service.tools.cohort.work import Job, digest_of, open_partitions, programs
    from cds_service.tools.replay.episode import every_of

    try:
        step: timedelta | None = every_of(every)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--every") from error
    out.mkdir(parents=True, exist_ok=True)
    parts = out / "partitions"
    manifest = partition(export.resolve(), parts, _Bytes(), partitions)
    now = at or datetime.now(UTC)
    other = _other(against) if against else None
    shipped = str(root.resolve()) if root else None
    asked = {
        "export": str(export.resolve()), "every": every, "days": days, "hook": hook, "against": other, "root": shipped,
        "site": site, "partitions": manifest.partitions,
    }  # fmt: skip
    job = Job(str(parts.resolve()), str(out.resolve()), shipped, site, other, How(hook, step, days), now, ())
    digest = digest_of(*programs(job))
    now = _same_run(out, {**asked, "knowledge": list(digest)}, now, given=at is not None)
    job = replace(job, now=now, digest=digest)
    numbers = list(open_partitions(job, manifest.partitions))
    click.echo(f"{manifest.partitions - len(numbers)} of {manifest.partitions} partitions are done", err=True)
    failed = _run(spread(job, numbers, workers or os.cpu_count() or 1, scheduler), len(numbers))
    report = write_report(out, manifest, asked, digest)
    if as_json:
        echo_json(report)
    else:
        click.echo(f"{out / 'report.html'}")
    for problem in manifest.problems[:20]:
        click.echo(f"error: {problem}", err=True)
    raise SystemExit(1 if failed or manifest.problems or report["patients"]["failed"] else 0)


def _other(against: str) -> tuple[str | None, str]:
    """(root, site): a folder that holds rules/ is a root, anything else a site."""
    folder = Path(against)
    return (str(folder.resolve()), "us") if (folder / "rules").is_dir() else (None, against)


def _same_run(out: Path, asked: dict[str, object], now: datetime, *, given: bool) -> datetime:
    """The time of the run that lies in the folder where it asks the same; else its tables are cleared away. A run that
    goes on goes on with its own time."""
    from cds_service.tools.cohort.tables import TABLES

    path = out / "run.json"
    try:
        before = json.loads(path.read_text())
    except (OSError, ValueError):
        before = {}
    then = before.pop("now", None)
    if before == json.loads(json.dumps(asked)) and then and (not given or then == now.isoformat()):
        return datetime.fromisoformat(then)
    for name in (*TABLES, "done"):
        shutil.rmtree(out / name, ignore_errors=True)
    (out / "done").mkdir()
    path.write_text(json.dumps({**asked, "now": now.isoformat()}, indent=1))
    return now


def _run(done: Iterable[Done], total: int) -> int:
    """Take what is done, and say how far it is; how many patients failed."""
    started = last = time.monotonic()
    partitions = patients = failed = 0
    for each in done:
        partitions, patients, failed = partitions + 1, patients + each.patients, failed + each.failed
        if time.monotonic() - last >= _NOTE_EVERY_SECONDS or partitions == total:
            last = time.monotonic()
            rate = patients / max(last - started, 0.001)
            click.echo(f"{partitions} of {total} partitions, {patients} patients, {rate:.1f} patients/s", err=True)
    return failed


class _Bytes:
    """Says now and then how much of the export is partitioned."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        if time.monotonic() - self._last >= _NOTE_EVERY_SECONDS:
            self._last = time.monotonic()
            click.echo(f"partitioned {done / 1e6:.0f} of {total / 1e6:.0f} MB", err=True)
