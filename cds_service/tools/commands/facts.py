"""`anakinra-cds facts`: every fact of a chart at a time, with its value, age, sources, or why it is unknown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cds_service import knowledge
from cds_service.advice.context import shown
from cds_service.assess import assess
from cds_service.chart.times import hours_between
from cds_service.facts.course import course
from cds_service.facts.model import Fact, Facts, Reading
from cds_service.program import Program, compile_program
from cds_service.tools.charts import chart_of, question_of
from cds_service.tools.options import knowledge_options
from cds_service.tools.replay.bundles import Problem, read, sources
from cds_service.tools.replay.expected import parse_time

_NARROWEST = 120


@click.command("facts")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--at", metavar="TIME", help="As of this time (RFC 3339). Default: now.")
@knowledge_options
@click.option("--unknown", "only_unknown", is_flag=True, help="Only what is not known.")
def command(*, paths: tuple[Path, ...], at: str | None, root: Path | None, site: str, only_unknown: bool) -> None:
    """Print the facts that the rules would see in the FHIR bundles under PATHS, for an order of anakinra.

    Exit code 1 where a source cannot be used.
    """
    now = parse_time(at) if at else datetime.now(UTC)
    program = compile_program(knowledge.load(root, site))
    program.warm()
    found, problems = sources(paths)
    console = Console()
    console.width = max(console.width, _NARROWEST)
    for chart in (item for source in found for item in read(source)):
        if isinstance(chart, Problem):
            problems.append(chart)
        else:
            own, question = chart_of(program, chart, now), question_of(program, chart)
            if not question.kinds:
                click.echo(f"{chart.patient_id}: the chart's own draft is none of this service's orders", err=True)
                continue
            (seen, *_) = assess(program, own, question, now).orders
            console.print(f"[bold]{escape(chart.patient_id)}[/] as of {now.isoformat(timespec='minutes')}")
            console.print(_table(seen.facts, program, now, only_unknown))
            order = replace(question.order, kind=seen.kind)
            reading = program.reading(own, order, seen.drug, question.encounter_id, now)
            console.print(_course(reading, seen.facts))
    for problem in problems:
        click.echo(str(problem), err=True)
    if problems:
        raise SystemExit(1)


def _course(reading: Reading, facts: Facts) -> Table:
    """The CRS grade at every moment at which something changed, as documented and as derived."""
    table = Table("time (UTC)", "documented", "derived", "from", "event", title="CRS grade over the episode")
    for step in course(reading, facts):
        told = "" if step.documented is None else str(step.documented)
        shown_as = f"{step.derived.low}" if step.proven else f"[dim]at least {step.derived.low}[/]"
        table.add_row(f"{step.at:%Y-%m-%d %H:%M}", told, shown_as, escape(step.derived.evidence), escape(step.event))
    return table


def _table(facts: Mapping[str, Fact], program: Program, now: datetime, only_unknown: bool) -> Table:
    table = Table("fact", "value", "age", "from", "what to know")
    for name, definition in program.knowledge.catalogue.facts.items():
        fact = facts.get(name)
        if fact is None or (only_unknown and fact.value is not None):
            continue
        value = "[yellow]unknown[/]" if fact.value is None else escape(shown(fact.value, fact.unit))
        age = f"{hours_between(fact.as_of, now):.1f} h" if fact.as_of else ""
        known = "; ".join(w for w in (fact.why, fact.text, *fact.notes, *fact.unusable) if w)
        table.add_row(escape(definition.title), value, age, escape(", ".join(fact.sources[:3])), escape(known))
    return table
