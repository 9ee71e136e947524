"""`anakinra-cds mutants`: change every criterion of every rule, one at a time, and see whether a case notices."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import click

from cds_service.errors import KnowledgeError
from cds_service.knowledge import Knowledge, inspect
from cds_service.knowledge.files import find_root, read
from cds_service.knowledge.messages import suggestion
from cds_service.knowledge.model import RuleDefinition
from cds_service.tools.mutation.criteria import Mutant
from cds_service.tools.mutation.equivalent import read_table, stale
from cds_service.tools.mutation.tables import Tables
from cds_service.tools.options import knowledge_options


@click.command("mutants")
@click.argument("rules", nargs=-1, metavar="[RULE]...")
@knowledge_options
@click.option(
    "--equivalent",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="YAML list of {mutant, reason}: mutants that no case can tell from the original.",
)
def command(rules: tuple[str, ...], root: Path | None, site: str, equivalent: Path | None) -> None:
    """Test the cases of rules: every threshold moved, every comparison turned round, every criterion dropped.

    A mutant is killed where a case of the rule gives another result. Each survivor is a criterion that no case
    tests. RULE are ids of rules; without any, all that are not retired. Exit code 1 where a mutant survives.
    """
    found = inspect(root, site)
    if found.knowledge is None:
        raise KnowledgeError(found.problems)
    # The cases are written for the values that the rule's own reviewers saw.
    knowledge = replace(found.knowledge, policies=found.knowledge.shipped_policies)
    chosen = _chosen(knowledge, rules)
    survivors, total = _survivors(knowledge, chosen)
    excused, problems = _excused(equivalent, survivors, complete=not rules)
    left = [mutant for mutant in survivors if mutant.name not in excused]
    for line in (*_lines(knowledge, find_root(root), left), *problems):
        click.echo(line, err=True)
    killed = total - len(survivors)
    beside = f", {len(survivors) - len(left)} equivalent" if excused else ""
    rules_tried = f"{len(chosen)} rule{'' if len(chosen) == 1 else 's'}"
    click.echo(f"{total} mutants of {rules_tried}: {killed} killed{beside}, {len(left)} survived")
    if left or problems:
        raise SystemExit(1)


def _chosen(knowledge: Knowledge, names: Sequence[str]) -> list[RuleDefinition]:
    live = {rule.id: rule for rule in knowledge.rules if rule.status != "retired"}
    for name in names:
        if name not in live:
            raise click.BadParameter(f"no such rule {name}{suggestion(name, live)}", param_hint="RULE")
    return [live[name] for name in dict.fromkeys(names)] if names else list(live.values())


def _survivors(knowledge: Knowledge, rules: Sequence[RuleDefinition]) -> tuple[list[Mutant], int]:
    """The mutants that no case noticed, and how many were tried."""
    tables, total = Tables(knowledge), 0
    survivors: list[Mutant] = []
    with click.progressbar(rules, label="changing rules", file=sys.stderr, hidden=not sys.stderr.isatty()) as tried:
        for rule in tried:
            for mutant, killed in tables.mutants(rule):
                total += 1
                if not killed:
                    survivors.append(mutant)
    return survivors, total


def _excused(table: Path | None, survivors: Sequence[Mutant], *, complete: bool) -> tuple[frozenset[str], list[str]]:
    """Names of the mutants that a table excuses; where all rules were tried, also its entries that excuse none."""
    if table is None:
        return frozenset(), []
    document, entries = read_table(table)
    names = {mutant.name for mutant in survivors}
    return frozenset(entries) & names, stale(document, entries, names) if complete else []


def _lines(knowledge: Knowledge, root: Path, survivors: Sequence[Mutant]) -> list[str]:
    """`file:line: <criterion>: <what was changed> and no case noticed` of each survivor."""
    lines = []
    for mutant in survivors:
        name = f"{knowledge.rule_folders[mutant.rule.id]}/{mutant.rule.id}.yaml"
        line = read(root / name, name).line(mutant.path)
        lines.append(f"{name}:{line}: {mutant.criterion}: {mutant.change} and no case noticed")
    return lines
