"""`anakinra-cds replay`: put the charts of FHIR bundles to the service and show what it says."""

from __future__ import annotations

import hashlib
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from cds_service.errors import CdsError
from cds_service.tools.options import at_option, json_option, knowledge_options
from cds_service.tools.printing import echo_json
from cds_service.tools.replay.asking import Asked, Respondents, other
from cds_service.tools.replay.bundles import Source, sources
from cds_service.tools.replay.calls import HOOKS
from cds_service.tools.replay.client import HttpClient, LocalClient
from cds_service.tools.replay.episode import ORDER, Step, every_of
from cds_service.tools.replay.expected import load_expected
from cds_service.tools.replay.kept import KeptError
from cds_service.tools.replay.ours import OurClient
from cds_service.tools.replay.report import answers, count, difference_lines, error_lines, rows, summary, time_ignored
from cds_service.tools.replay.run import Replay
from cds_service.tools.replay.truths import at_own_sites, steps_of, truths
from cds_service.tools.replay.walking import Options, Wanted, walked
from cds_service.tools.synth.truth import Truth

_NOTE_EVERY_SECONDS = 2.0
_FILE = click.Path(path_type=Path, dir_okay=False)


class _Every(click.ParamType[str]):
    name = "time|order"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            every_of(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)
        return value


@click.command("replay")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--url", metavar="URL", help="Base URL of a running service; without it, in this process.")
@at_option("now; of an episode, its last event")
@click.option("--hook", type=click.Choice(HOOKS), default="order-select", show_default=True)
@click.option(
    "--expect",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="YAML of patient id -> {decision, indicator, dose, hook, at, withhold}: compare with it.",
)
@click.option("--every", type=_Every(), help="Walk each patient's episode: every 1h, 30min, 1d, or at every `order`.")
@click.option(
    "--days", type=click.FloatRange(min=0.01), default=14.0, show_default=True, help="Of an episode, the last."
)
@click.option("--against", metavar="WHAT", help="Compare with another knowledge folder, site or service URL.")
@click.option(
    "--truth",
    type=click.Path(path_type=Path, exists=True),
    help="File or folder of truths, as `anakinra-cds synth` writes them: when who orders what, and what is right.",
)
@click.option("--html", type=_FILE, help="Write a report as one page that needs no network.")
@click.option("--junit", type=_FILE, help="Write JUnit XML: a test case a patient.")
@click.option("--state", type=_FILE, help="Keep what was found in this file; a run that was stopped goes on with it.")
@knowledge_options
@json_option
def command(
    *,
    paths: tuple[Path, ...],
    url: str | None,
    at: datetime | None,
    hook: str,
    expect: Path | None,
    every: str | None,
    days: float,
    against: str | None,
    truth: Path | None,
    html: Path | None,
    junit: Path | None,
    state: Path | None,
    root: Path | None,
    site: str,
    as_json: bool,
) -> None:
    """Ask a service about every patient under PATHS.

    A path is a FHIR bundle, an NDJSON file, or a directory of them (Bulk Data: one file per resource type).
    Where a chart has no draft MedicationRequest, anakinra is ordered. The service is this one, in this process, or
    whatever answers at --url: its discovery says what it is sent.

    With --every, --against, --truth, --html, --junit or --state each patient is walked through, and each question is
    answered from what the chart held then; the same run gives the same files, whether or not it was stopped.

    Exit code 0 where all is well, 1 where a source or a call failed, or an answer is not as expected or differs, 2
    where the command was not understood.

    --json: a list of {patientId, source, hook, at, status, ms, error, differences, answer}, one for each patient; the
    answer is that of the service, whole. Of a walk: {asked, against, summary, problems, patients: [{patient, source,
    story, steps: [{at, hook, order, decision, indicator, rule, version, dose, summary, error, expected, wrong, other,
    differs, causes}]}]}; what is empty is left out.
    """
    sources_of = click.get_current_context().get_parameter_source
    given = [sources_of(name) == ParameterSource.COMMANDLINE for name in ("root", "site")]
    if url and any(given):
        raise click.UsageError("--root and --site are for a service in this process, not for one at --url.")
    wanted = Wanted(state, html, junit, as_json)
    if every or against or truth or html or junit or state:
        if expect:
            raise click.UsageError("--expect is for one question a patient; --truth says what is right at many.")
        if truth and (every or at):
            raise click.UsageError("--truth says itself when is asked: leave out --every and --at.")
        told = truths(truth) if truth else {}
        # Each truth holds at a site. What is compared is one service with another, at one.
        at_own = told and not (url or against or given[1])
        asked = at_own_sites(told, root) if at_own else _one(url, site, root)
        is_by_order = every == ORDER
        options = Options(
            hook=hook,
            now=datetime.now(UTC),
            every=every_of(every) if every else None,
            by_order=is_by_order,
            days=days,
            at=at,
            truths=_at_site(told, asked) if told else {},
        )
        compared = _compared_with(against, site, root) if against else None
        raise SystemExit(0 if _walked(paths, asked, compared, options, wanted) else 1)
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


def _walked(
    paths: Sequence[Path],
    asked: Respondents,
    against: Asked | None,
    options: Options,
    wanted: Wanted,
) -> bool:
    run: dict[str, Any] = {
        "paths": [str(path) for path in paths],
        "asked": asked.name,
        "against": against.name if against else "",
        "hook": options.hook,
        "every": _said(options),
        "days": options.days,
        "at": options.at.isoformat() if options.at else "",
        "truth": hashlib.sha256(repr(sorted(options.truths.items())).encode()).hexdigest() if options.truths else "",
    }
    try:
        return walked(paths, asked, against, options, wanted, run)
    except KeptError as error:
        raise click.UsageError(str(error)) from error


def _compared_with(against: str, site: str, root: Path | None) -> Asked:
    try:
        return other(against, site, root)
    except CdsError as error:
        raise click.UsageError(f"--against {against}: no knowledge folder, site or service:\n{error}") from error


def _one(url: str | None, site: str, root: Path | None) -> Respondents:
    if url:
        return Respondents((Asked(url, HttpClient(url)),))
    client = OurClient(site, root)
    return Respondents((Asked(client.name, client),))


def _at_site(told: Mapping[str, Truth], asked: Respondents) -> dict[str, Sequence[Step]]:
    """The steps of the patients whose truth holds where it is asked. Of a service elsewhere nobody knows its site."""
    site = asked.ours.program.knowledge.site.id if asked.ours and not asked.by_patient else ""
    elsewhere = {truth.site for truth in told.values() if site and truth.site != site}
    here: dict[str, Sequence[Step]] = {
        patient: steps_of(truth) for patient, truth in told.items() if truth.site not in elsewhere
    }
    if elsewhere:
        left = count(len(told) - len(here), "patient")
        click.echo(f"note: {left} of other sites not asked about: {', '.join(sorted(elsewhere))}", err=True)
    if not here:
        raise click.UsageError(f"--truth: nothing of it is about the site {site}; --site says which is asked.")
    return here


def _said(options: Options) -> str:
    return ORDER if options.by_order else str(options.every or timedelta())


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
