"""`anakinra-cds replay`: put the charts of FHIR bundles to the service and show what it says."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import click
from click.core import ParameterSource

from cds_service.tools.options import at_option, json_option, knowledge_options
from cds_service.tools.printing import echo_json
from cds_service.tools.replay.bundles import Source, sources
from cds_service.tools.replay.calls import HOOKS
from cds_service.tools.replay.client import HttpClient, LocalClient
from cds_service.tools.replay.expected import load_expected
from cds_service.tools.replay.report import answers, difference_lines, error_lines, rows, summary, time_ignored
from cds_service.tools.replay.run import Replay

_NOTE_EVERY_SECONDS = 2.0


@click.command("replay")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--url", metavar="URL", help="Base URL of a running service; without it, in this process.")
@at_option("now")
@click.option("--hook", type=click.Choice(HOOKS), default="order-select", show_default=True)
@click.option(
    "--expect",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="YAML of patient id -> {decision, indicator, dose, hook, at, withhold}: compare with it.",
)
@knowledge_options
@json_option
def command(
    *,
    paths: tuple[Path, ...],
    url: str | None,
    at: datetime | None,
    hook: str,
    expect: Path | None,
    root: Path | None,
    site: str,
    as_json: bool,
) -> None:
    """Ask the service about every patient under PATHS.

    A path is a FHIR bundle, an NDJSON file, or a directory of them (Bulk Data: one file per resource type).
    Where a chart has no draft MedicationRequest, anakinra is ordered. Exit code 1 where a source or a call
    failed, or an answer is not as expected.

    --json: a list of {patientId, source, hook, at, status, ms, error, differences, answer}, one for each patient; the
    answer is that of the service, whole.
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
    if as_json:
        echo_json(answers(replay.results))
    raise SystemExit(0 if _tell(replay, quiet=as_json) else 1)


def run_all(replay: Replay, found: Sequence[Source]) -> None:
    """Replay every source; on a terminal with a progress bar, elsewhere with a line every few seconds."""
    is_terminal, last = sys.stderr.isatty(), time.monotonic()
    with click.progressbar(found, label="replaying", file=sys.stderr, hidden=not is_terminal) as bar:
        for done, source in enumerate(bar, 1):
            replay.replay(source)
            if not is_terminal and time.monotonic() - last >= _NOTE_EVERY_SECONDS and done < len(found):
                last = time.monotonic()
                patients = len(replay.results)
                click.echo(f"replaying: {done} of {len(found)} sources, {patients} patients so far", err=True)


def _tell(replay: Replay, *, quiet: bool) -> bool:
    """Print table, differences and summary (not where `quiet`), and errors; True where all is well."""
    differences, errors = difference_lines(replay), error_lines(replay)
    if time_ignored(replay.results):
        click.echo("note: the service did not obey the evaluation time (CDS_ALLOW_EVALUATION_TIME is off)", err=True)
    for line in errors:
        click.echo(f"error: {line}", err=True)
    if not quiet:
        if replay.results:
            click.echo(f"{rows(replay.results)}\n")
        for line in differences:
            click.echo(f"not as expected: {line}")
        compared = f", {replay.agreed()} of {len(replay.expected)} as expected" if replay.expected else ""
        click.echo(summary(replay) + compared)
    return not differences and not errors
