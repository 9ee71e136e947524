"""`anakinra-cds check`: read all knowledge, check every reference, run every case, and say what is wrong where."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from cds_service.chart.server import TrustedServers
from cds_service.engine.logic import Stratum
from cds_service.engine.values import Normaliser, finding_key
from cds_service.errors import KnowledgeError
from cds_service.knowledge import Inspection, Knowledge, inspect
from cds_service.knowledge.model import Case, RuleDefinition
from cds_service.program import compile_program
from cds_service.tools.options import knowledge_options

_RESULTS = {True: "fires", False: "silent", None: "unknown"}


@click.command("check")
@knowledge_options
def command(root: Path | None, site: str) -> None:
    """Check rules and cards: every file, every reference, every case. Exit code 1 where anything is wrong."""
    found = inspect(root, site)
    problems = list(found.problems)
    if found.knowledge is not None:
        problems += _evaluated(found.knowledge, found)
    # Rich would fold and colour lines that editors and scripts read: problems go out as they are.
    for problem in problems:
        click.echo(problem, err=True)
    for warning in found.warnings:
        click.echo(f"warning: {warning}", err=True)
    if found.knowledge is not None:
        _summary(found.knowledge)
    click.echo(f"{_counted(len(problems), 'problem')}, {_counted(len(found.warnings), 'warning')}")
    if problems:
        raise SystemExit(1)


def result_of(knowledge: Knowledge, rule: RuleDefinition, case: Case) -> str:
    """`fires`, `silent` or `unknown`: what this one rule says to the case's facts and findings.

    TypeError: a fact of the case is not in the catalogue or not of its type.
    """
    values = Normaliser(knowledge.catalogue)(case.facts)
    values.update({finding_key(name): value for name, value in case.findings.items()})
    return _RESULTS[Stratum(knowledge, [rule]).evaluate(values)[rule.id].truth]


def _evaluated(knowledge: Knowledge, found: Inspection) -> Iterator[str]:
    """What does not compile at this site, and cases with another result than they say."""
    try:
        compile_program(knowledge)
        TrustedServers(knowledge.site.id, knowledge.site.fhir_servers)
    except KnowledgeError as error:
        yield from error.problems
        return
    # A case tells what the rule says with the values that the rule's own reviewers saw.
    as_shipped = replace(knowledge, policies=found.shipped_policies)
    for rule in knowledge.rules:
        for index, case in enumerate(knowledge.cases.get(rule.id, ())):
            try:
                result = result_of(as_shipped, rule, case)
            except TypeError as error:
                result = f"cannot be evaluated: {error}"
            if result != case.result:
                where = f"{found.places[rule.id, index]}: [{index}].result"
                yield f"{where}: {case.name}: expected {case.result} (found {result})"


def _summary(knowledge: Knowledge) -> None:
    cases: Counter[str] = Counter(case.result for group in knowledge.cases.values() for case in group)
    statuses: Counter[str] = Counter(rule.status for rule in knowledge.rules)
    evidence: Counter[str] = Counter(item.status for item in knowledge.evidence.values())
    table = Table(title=f"Knowledge {knowledge.digest} at site {knowledge.site.id}", title_justify="left")
    table.add_column("kind")
    table.add_column("files or entries", justify="right")
    table.add_column("of these")
    rows = (
        ("rules", len(knowledge.rules), _listed(statuses)),
        ("cases", cases.total(), _listed(cases)),
        ("facts", len(knowledge.catalogue.facts), f"{len(knowledge.catalogue.queries)} queries"),
        ("policies", len(knowledge.policies), f"{len(knowledge.overridden)} changed by the site"),
        ("value sets", len(knowledge.value_sets), f"{sum(len(v.codes) for v in knowledge.value_sets.values())} codes"),
        ("evidence", len(knowledge.evidence), _listed(evidence)),
        ("regimens", len(knowledge.regimens), ""),
        ("cards", len(knowledge.cards), ""),
        ("statements", len(knowledge.coverage.statements), _used(knowledge)),
        ("versions", _recorded(knowledge), "" if _recorded(knowledge) else "none is recorded: nothing is locked"),
    )
    for kind, count, detail in rows:
        table.add_row(kind, str(count), detail)
    Console().print(table)


def _used(knowledge: Knowledge) -> str:
    used = sum(bool(statement.used_by) for statement in knowledge.coverage.statements)
    return f"{used} used" if used else ""


def _recorded(knowledge: Knowledge) -> int:
    return sum(len(entries) for _, entries in knowledge.versions)


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" + ("" if count == 1 else "s")
