"""`anakinra-cds facts`: every fact of a chart at a time, with its value, age, sources, or why it is unknown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import click
import msgspec

from cds_service import knowledge
from cds_service.advice.words import figure
from cds_service.assess import assess
from cds_service.chart.times import hours_between
from cds_service.facts.course import Step, course
from cds_service.facts.model import Fact
from cds_service.knowledge.model import FactDefinition
from cds_service.program import Program, compile_program
from cds_service.tools.charts import chart_of, question_of
from cds_service.tools.options import at_option, json_option, knowledge_options
from cds_service.tools.printing import echo_json, table
from cds_service.tools.replay.bundles import Chart, Problem, read, sources

_SHOWN_SOURCES: Final = 3
_DAYS_FROM_H: Final = 14 * 24  # older than this reads better in days


class FactReport(msgspec.Struct, frozen=True, rename={"as_of": "asOf", "age_h": "ageH", "sources": "from"}):
    """One fact. `value` None: unknown, and `why` says why; `ageH` are hours."""

    name: str
    title: str
    value: bool | int | float | str | None
    unit: str
    as_of: datetime | None
    age_h: float | None
    sources: tuple[str, ...]
    why: str
    notes: tuple[str, ...]


class StepReport(msgspec.Struct, frozen=True, rename={"evidence": "from"}):
    """The CRS grade at a moment: as documented, as derived at least, and whether the derived one is proven."""

    at: datetime
    documented: int | None
    derived: int
    proven: bool
    evidence: str
    event: str


class ChartReport(msgspec.Struct, frozen=True):
    """One patient at a time."""

    patient: str
    at: datetime
    facts: tuple[FactReport, ...]
    course: tuple[StepReport, ...]


@click.command("facts")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@at_option("now")
@knowledge_options
@click.option("--unknown", "only_unknown", is_flag=True, help="Only what is not known.")
@json_option
def command(
    *, paths: tuple[Path, ...], at: datetime | None, root: Path | None, site: str, only_unknown: bool, as_json: bool
) -> None:
    """Print the facts that the rules would see in the FHIR bundles under PATHS, for an order of anakinra.

    --json: a list of {patient, at, facts, course}; a fact is {name, title, value, unit, asOf, ageH, from, why, notes},
    a step of the course {at, documented, derived, proven, from, event}.

    Exit code 1 where a source cannot be used.
    """
    found, problems = sources(paths)
    program = compile_program(knowledge.load(root, site))
    program.warm()
    reports = []
    for chart in (item for source in found for item in read(source)):
        if isinstance(chart, Problem):
            problems.append(chart)
            continue
        report = _report(chart, program, at, only_unknown)
        if report is None:
            click.echo(f"{chart.patient_id}: the chart's own draft is none of this service's orders", err=True)
        else:
            reports.append(report)
    if as_json:
        echo_json(reports)
    else:
        click.echo("\n".join(line for report in reports for line in _told(report)), nl=bool(reports))
    for problem in problems:
        click.echo(str(problem), err=True)
    if problems:
        raise SystemExit(1)


def _report(chart: Chart, program: Program, at: datetime | None, only_unknown: bool) -> ChartReport | None:
    """What the rules see in one chart, now or as it was known at a time; None where its own draft is none of ours."""
    now = at or datetime.now(UTC)
    own, question = chart_of(program, chart, now), question_of(program, chart)
    own = own if at is None else own.at(program.horizon(at))
    if not question.kinds:
        return None
    (seen, *_) = assess(program, own, question, now).orders
    order = replace(question.order, kind=seen.kind)
    reading = program.reading(own, order, seen.drug, question.encounter_id, now)
    facts = _facts(seen.facts, program.knowledge.catalogue.judging(seen.drug), now)
    shown = tuple(fact for fact in facts if not (only_unknown and fact.value is not None))
    return ChartReport(chart.patient_id, now, shown, tuple(_step(step) for step in course(reading, seen.facts)))


def _facts(facts: Mapping[str, Fact], catalogue: Mapping[str, FactDefinition], now: datetime) -> Iterator[FactReport]:
    for name, definition in catalogue.items():
        fact = facts.get(name)
        if fact is not None:
            yield FactReport(
                name=name,
                title=definition.title,
                value=fact.value,
                unit=fact.unit,
                as_of=fact.as_of,
                age_h=round(hours_between(fact.as_of, now), 2) if fact.as_of else None,
                sources=fact.sources,
                why=fact.why,
                notes=tuple(note for note in (fact.text, *fact.notes, *fact.unusable) if note),
            )


def _step(step: Step) -> StepReport:
    return StepReport(step.at, step.documented, step.derived.low, step.proven, step.derived.evidence, step.event)


# ---------------------------------------------------------------- what is printed


def _told(report: ChartReport) -> Iterator[str]:
    yield f"{click.style(report.patient, bold=True)} as of {report.at.isoformat(timespec='minutes')}"
    yield table(("fact", "value", "age", "what to know, and where it comes from"), [_row(f) for f in report.facts])
    yield ""
    yield click.style("CRS grade over the episode", bold=True)
    steps = [_step_row(step) for step in report.course]
    yield table(("time (UTC)", "documented", "derived", "event", "derived from"), steps)
    yield ""


def _row(fact: FactReport) -> Sequence[str]:
    value = "unknown" if fact.value is None else figure(fact.value, fact.unit)
    age = "" if fact.age_h is None else _age(fact.age_h)
    source = f"<- {', '.join(fact.sources[:_SHOWN_SOURCES])}" if fact.sources else ""
    known = "; ".join(words for words in (fact.why, *fact.notes) if words)
    return fact.title, value, age, f"{known} {source}".strip()


def _age(hours: float) -> str:
    return figure(hours, "h") if hours < _DAYS_FROM_H else figure(hours / 24, "d")


def _step_row(step: StepReport) -> Sequence[str]:
    told = "" if step.documented is None else str(step.documented)
    derived = f"{step.derived}" if step.proven else f"at least {step.derived}"
    return f"{step.at:%Y-%m-%d %H:%M}", told, derived, step.event, step.evidence
