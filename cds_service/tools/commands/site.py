"""`anakinra-cds site`: what a site's calls say, before anybody is shown anything."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import click

from cds_service import knowledge
from cds_service.firing import newest
from cds_service.program import Program, compile_program
from cds_service.service import Service
from cds_service.store.records import records
from cds_service.tools.onboarding.charts import records_of
from cds_service.tools.onboarding.mapping import skeleton
from cds_service.tools.onboarding.page import page
from cds_service.tools.onboarding.tally import Report
from cds_service.tools.onboarding.tally import report as counted
from cds_service.tools.options import at_option, json_option, knowledge_options
from cds_service.tools.printing import as_csv as csv_of
from cds_service.tools.printing import echo_json, table
from cds_service.tools.replay.bundles import Problem, sources
from cds_service.tools.replay.calls import HOOKS
from cds_service.tools.stored import between_options, opened

_SECTIONS: Final = (
    "services", "callers", "decisions", "prefetch", "codes", "units", "words", "unknown", "open", "firing",
)  # fmt: skip
_LINES: Final = 25  # of a section on a terminal


@click.group("site")
def command() -> None:
    """What a site's calls say before anybody is shown anything."""


@command.command("report")
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@between_options
@click.option("--hook", type=click.Choice(HOOKS), default="order-select", show_default=True, help="Of bundles only.")
@at_option("now (of bundles only)")
@knowledge_options
@click.option("--csv", "as_csv", type=click.Choice(_SECTIONS), help="Print one section as CSV.")
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), help="Write a page that stands alone.")
@click.option("--terms", type=click.Path(dir_okay=False, path_type=Path), help="Write a terms/*.yaml to fill in.")
@json_option
def report(
    *,
    paths: tuple[Path, ...],
    since: datetime | None,
    until: datetime | None,
    hook: str,
    at: datetime | None,
    root: Path | None,
    site: str,
    as_csv: str | None,
    html: Path | None,
    terms: Path | None,
    as_json: bool,
) -> None:
    """Say what came with the calls, what nothing recognised, what was unknown and why, and what would have been shown.

    Of the answers that the store recorded; with PATHS, of the patients of FHIR bundles or NDJSON files, asked here and
    recorded nowhere. It holds counts, codes, units and names of our own: nothing that names a patient, and no words
    of a chart.
    """
    program = compile_program(knowledge.load(root, site))
    problems: list[Problem] = []
    if paths:
        found, problems = sources(paths)
        service = Service(program)
        service.warm()
        told = counted(program, records_of(service, found, hook, at or datetime.now(UTC), problems))
    else:
        told = _recorded(program, since, until)
    for problem in problems:
        click.echo(f"error: {problem}", err=True)
    for file, text in ((html, page), (terms, lambda told: skeleton(told, program.knowledge.catalogue))):
        if file is not None:
            file.write_text(text(told), encoding="utf-8")
            click.echo(f"wrote {file}", err=True)
    if as_json:
        echo_json(told.document())
    elif as_csv:
        click.echo(csv_of(told.section(as_csv).rows), nl=False)
    elif html is None and terms is None:
        click.echo("\n".join(table_lines(told)))
    if problems:
        raise SystemExit(1)


def _recorded(program: Program, since: datetime | None, until: datetime | None) -> Report:
    """What the store holds; which rules fire at another rate is told as of now, whatever the time of the report."""
    with opened() as database, database.reading() as connection:
        today = datetime.now(UTC).date()
        firing = newest(lambda start, end: (r.record for r in records(connection, start, end)), program.asked, today)[1]
        return counted(program, (json.loads(line.record) for line in records(connection, since, until)), firing)


def table_lines(told: Report) -> Iterator[str]:
    """The report for a terminal: the first lines of each section."""
    of = told.summary
    time = f"{of['since']} to {of['until']}" if of["calls"] else "nothing recorded"
    yield f"Site {of['site']}, {time}: {of['calls']} calls, {of['patients']} patients"
    yield (
        f"{of['ours']} about orders of ours or a status; {of['wouldShow']} with a card, were nothing silent; "
        f"{of['shown']} with a card shown"
    )
    for section in told.sections:
        if section.rows:
            yield f"\n{section.title}: {section.about}"
            yield table(tuple(section.rows[0]), [_cells(row) for row in section.rows[:_LINES]])
            if len(section.rows) > _LINES:
                yield f"... and {len(section.rows) - _LINES} more: --csv {section.name}, --json or --html"
    yield "\nNo patient is named here, and no words of a chart are quoted."


def _cells(row: Mapping[str, Any]) -> list[str]:
    return [str(value) for value in row.values()]
