"""`anakinra-cds replay`: put the charts of FHIR bundles to the service and show what it says."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import click
from click.core import ParameterSource
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from cds_service.tools.options import knowledge_options
from cds_service.tools.replay.bundles import Source, sources
from cds_service.tools.replay.calls import HOOKS
from cds_service.tools.replay.client import HttpClient, LocalClient
from cds_service.tools.replay.expected import load_expected, parse_time
from cds_service.tools.replay.report import (
    difference_lines,
    error_lines,
    summary,
    table,
    time_ignored,
    write_answers,
)
from cds_service.tools.replay.run import Replay

_NOTE_EVERY_SECONDS = 2.0
_NARROWEST = 100  # columns; a table in a pipe or a log must not fold every cell


class _Time(click.ParamType[datetime]):
    name = "time"

    def convert(self, value: str | datetime, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        try:
            return parse_time(value)
        except ValueError as error:
            self.fail(str(error).removeprefix("at: "), param, ctx)


@click.command("replay")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--url", metavar="URL", help="Base URL of a running service; without it, in this process.")
@click.option("--at", type=_Time(), help="Evaluate as of this time (RFC 3339). Default: now.")
@click.option("--hook", type=click.Choice(HOOKS), default="order-select", show_default=True)
@click.option(
    "--expect",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="YAML of patient id -> {decision, indicator, dose, hook, at, withhold}: compare with it.",
)
@click.option("--json", "out", type=click.Path(path_type=Path, dir_okay=False), help="Write every answer to this file.")
@knowledge_options
def command(
    *,
    paths: tuple[Path, ...],
    url: str | None,
    at: datetime | None,
    hook: str,
    expect: Path | None,
    out: Path | None,
    root: Path | None,
    site: str,
) -> None:
    """Ask the service about every patient under PATHS.

    A path is a FHIR bundle, an NDJSON file, or a directory of them (Bulk Data: one file per resource type).
    Where a chart has no draft MedicationRequest, anakinra is ordered. Exit code 1 where a source or a call
    failed, or an answer is not as expected.
    """
    sources_of = click.get_current_context().get_parameter_source
    if url and ParameterSource.COMMANDLINE in (sources_of("root"), sources_of("site")):
        raise click.UsageError("--root and --site are for a service in this process, not for one at --url.")
    found, problems = sources(paths)
    replay = Replay(
        client=HttpClient(url) if url else LocalClient(site, root),
        hook=hook,
        at=at,
        expected=load_expected(expect) if expect else {},
        problems=problems,
    )
    replay.discover()
    run_all(replay, found)
    if out is not None:
        try:
            write_answers(replay.results, out)
        except OSError as error:
            raise click.ClickException(f"{out}: cannot be written: {error.strerror}") from error
    raise SystemExit(0 if _tell(replay) else 1)


def run_all(replay: Replay, found: Sequence[Source]) -> None:
    """Replay every source; on a terminal with a progress bar, elsewhere with a line every few seconds."""
    console = Console(stderr=True)
    with _progress(console, len(found)) as advance:
        for source in found:
            replay.replay(source)
            advance(len(replay.results))


@contextmanager
def _progress(console: Console, total: int) -> Iterator[Callable[[int], None]]:
    """A function to call after every source with the number of patients so far."""
    if not console.is_terminal:
        yield _lines(console, total)
        return
    columns = (TextColumn("replaying"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("replaying", total=total)
        yield lambda _: bar.advance(task)


def _lines(console: Console, total: int) -> Callable[[int], None]:
    done, last = 0, time.monotonic()

    def advance(patients: int) -> None:
        nonlocal done, last
        done += 1
        if time.monotonic() - last >= _NOTE_EVERY_SECONDS and done < total:
            last = time.monotonic()
            console.print(f"replaying: {done} of {total} sources, {patients} patients so far", highlight=False)

    return advance


def _tell(replay: Replay) -> bool:
    """Print table, differences, errors and summary; True where all is well."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=max(console.width, _NARROWEST))
    if replay.results:
        console.print(table(replay.results))
        console.print()
    if time_ignored(replay.results):
        click.echo("note: the service did not obey the evaluation time (CDS_ALLOW_EVALUATION_TIME is off)", err=True)
    differences, errors = difference_lines(replay), error_lines(replay)
    for line in differences:
        console.print(f"not as expected: {line}", markup=False)
    for line in errors:
        click.echo(f"error: {line}", err=True)
    compared = f", {replay.agreed()} of {len(replay.expected)} as expected" if replay.expected else ""
    console.print(summary(replay) + compared)
    return not differences and not errors
