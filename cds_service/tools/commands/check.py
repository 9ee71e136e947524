"""`anakinra-cds check`: read all knowledge, check every reference, run every case, and say what is wrong where."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from cds_service.chart.server import TrustedServers
from cds_service.engine.logic import Stratum
from cds_service.engine.values import Normaliser, finding_key
from cds_service.errors import KnowledgeError
from cds_service.knowledge import Inspection, Knowledge, inspect
from cds_service.knowledge.model import Case, RuleDefinition
from cds_service.program import compile_program
from cds_service.tools.options import json_option, knowledge_options
from cds_service.tools.printing import echo_json, table

_RESULTS = {True: "fires", False: "silent", None: "unknown"}


@click.command("check")
@knowledge_options
@click.option("-v", "--verbose", is_flag=True, help="Print every warning on a line of its own.")
@json_option
def command(root: Path | None, site: str, verbose: bool, as_json: bool) -> None:
    """Check rules and cards: every file, every reference, every case. Exit code 1 where anything is wrong.

    --json: {knowledge, site, problems, warnings, counts}; problems and warnings are lines "file:line: key: what was
    expected", counts are of files or entries by kind. Knowledge and site are null where the files cannot be used.
    """
    found = inspect(root, site)
    problems = list(found.problems)
    if found.knowledge is not None:
        problems += _evaluated(found.knowledge, found)
    if as_json:
        echo_json(_document(found, problems))
    else:
        _print(found, problems, verbose)
    if problems:
        raise SystemExit(1)


def _document(found: Inspection, problems: Sequence[str]) -> dict[str, Any]:
    known = found.knowledge
    return {
        "knowledge": known.digest if known else None,
        "site": known.site.id if known else None,
        "problems": problems,
        "warnings": found.warnings,
        "counts": {kind: count for kind, count, _ in _counts(known)} if known else {},
    }


def _print(found: Inspection, problems: Sequence[str], verbose: bool) -> None:
    for problem in problems:
        click.echo(problem, err=True)
    for line in found.warnings if verbose else _grouped(found.warnings):
        click.echo(f"warning: {line}", err=True)
    if found.knowledge is not None:
        click.echo(f"Knowledge {found.knowledge.digest} at site {found.knowledge.site.id}")
        rows = [(kind, f"{count:>5}", detail) for kind, count, detail in _counts(found.knowledge)]
        click.echo(table(("kind", "count", "of these"), rows))
    click.echo(f"{_counted(len(problems), 'problem')}, {_counted(len(found.warnings), 'warning')}")


def _grouped(warnings: Sequence[str]) -> Iterator[str]:
    """All of them in one line; one alone as it is."""
    if len(warnings) > 1:
        files = dict.fromkeys(warning.partition(":")[0] for warning in warnings)
        yield f"{len(warnings)} about {', '.join(files)}; --verbose lists them"
    else:
        yield from warnings


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
        TrustedServers(knowledge.site.id, knowledge.site.authorization_servers, "authorizationServers")
    except KnowledgeError as error:
        yield from error.problems
        return
    # A case tells what the rule says with the values that the rule's own reviewers saw.
    as_shipped = replace(knowledge, policies=knowledge.shipped_policies)
    for rule in knowledge.rules:
        for index, case in enumerate(knowledge.cases.get(rule.id, ())):
            try:
                result = result_of(as_shipped, rule, case)
            except TypeError as error:
                result = f"cannot be evaluated: {error}"
            if result != case.result:
                where = f"{found.places[rule.id, index]}: [{index}].result"
                yield f"{where}: {case.name}: expected {case.result} (found {result})"


def _counts(knowledge: Knowledge) -> Iterator[tuple[str, int, str]]:
    """(kind, number of files or entries, what they are) of everything that was checked."""
    cases: Counter[str] = Counter(case.result for group in knowledge.cases.values() for case in group)
    statuses: Counter[str] = Counter(rule.status for rule in knowledge.rules)
    evidence: Counter[str] = Counter(item.status for item in knowledge.evidence.values())
    codes = sum(len(value_set.codes) for value_set in knowledge.value_sets.values())
    recorded = _recorded(knowledge)
    yield "rules", len(knowledge.rules), _listed(statuses)
    yield "cases", cases.total(), _listed(cases)
    yield "facts", len(knowledge.catalogue.facts), f"{len(knowledge.catalogue.queries)} queries"
    yield "policies", len(knowledge.policies), f"{len(knowledge.overridden)} changed by the site"
    yield "value sets", len(knowledge.value_sets), f"{codes} codes"
    yield "evidence", len(knowledge.evidence), _listed(evidence)
    yield "regimens", len(knowledge.regimens), ""
    yield "cards", len(knowledge.cards), ""
    yield "statements", len(knowledge.coverage.statements), _used(knowledge)
    yield "versions", recorded, "" if recorded else "none is recorded: nothing is locked"


def _used(knowledge: Knowledge) -> str:
    used = sum(bool(statement.used_by) for statement in knowledge.coverage.statements)
    return f"{used} used" if used else ""


def _recorded(knowledge: Knowledge) -> int:
    return sum(len(entries) for _, entries in knowledge.versions)


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" + ("" if count == 1 else "s")
