"""`anakinra-cds explain`: why each rule fired, stayed silent or could not be evaluated for one request."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import msgspec
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cds_service import knowledge
from cds_service.advice.context import shown
from cds_service.advice.model import OrderAssessment
from cds_service.contract import SERVICES
from cds_service.engine import Findings, Outcome
from cds_service.facts.model import Fact
from cds_service.knowledge.model import Condition, RuleDefinition
from cds_service.service import Service
from cds_service.tools.options import knowledge_options
from cds_service.tools.replay.expected import parse_time
from cds_service.web.door import read_call

_MARKS = {True: "[bold green]fires[/]", False: "[dim]silent[/]", None: "[bold yellow]unknown[/]"}
_OPERATORS = {"is_": "=", "is_not": "is not", "at_least": ">=", "above": ">", "at_most": "<=", "below": "<"}


@click.command("explain")
@click.argument("request", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--at", metavar="TIME", help="Evaluate as of this time (RFC 3339). Default: the request's own, else now.")
@knowledge_options
@click.option("--fired", "only_fired", is_flag=True, help="Leave out the rules that stayed silent.")
def command(*, request: Path, at: str | None, site: str, root: Path | None, only_fired: bool) -> None:
    """Print, for a whole CDS Hooks REQUEST in a file, every rule with the facts that decided it.

    Exit code 1 where the two evaluators disagree or evaluation failed.
    """
    body = request.read_bytes()
    hook = _hook(body)
    service_id = next((name for name, its in SERVICES.items() if its == hook), None)
    if service_id is None:
        known = ", ".join(SERVICES.values())
        raise click.ClickException(f"{request}: hook: expected one of {known}")
    call = read_call(service_id, hook, body, allow_evaluation_time=True)
    now = parse_time(at) if at else call.evaluation_time or datetime.now(UTC)
    loaded = knowledge.load(root, site)
    assessment = Service.start(loaded).assess(call, now)
    console = Console()
    if assessment is None:
        console.print("The selected order is none of this service's: no rule is evaluated, the answer is no card.")
        return
    for seen in assessment.orders:
        console.rule(f"{loaded.orders.kinds[seen.kind].title} order", align="left")
        _print_examination(console, seen, loaded, only_fired)
    if assessment.failed:
        raise SystemExit(1)


def _print_examination(console: Console, seen: OrderAssessment, loaded: knowledge.Knowledge, only_fired: bool) -> None:
    titles = {name: definition.title for name, definition in loaded.catalogue.facts.items()}
    if seen.trouble:
        console.print(f"[bold red]could not be evaluated[/]: {escape(seen.trouble)}")
    for rule in (each for each in seen.rules if each.id in seen.findings.outcomes):
        if not (only_fired and seen.findings.outcomes[rule.id].truth is False):
            _print_rule(console, rule, seen.findings.outcomes[rule.id], seen.facts, loaded, titles)
    _print_summary(console, seen.rules, seen.findings)


def _hook(body: bytes) -> str:
    try:
        parsed = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise click.ClickException(f"the request is no JSON: {error}") from error
    return str(parsed.get("hook", "")) if isinstance(parsed, dict) else ""


def _print_rule(
    console: Console,
    rule: RuleDefinition,
    outcome: Outcome,
    facts: Mapping[str, Fact],
    loaded: knowledge.Knowledge,
    titles: Mapping[str, str],
) -> None:
    decision = f" -> {rule.finding.decision}" if rule.finding.decision else ""
    console.print(f"{_MARKS[outcome.truth]} [bold]{rule.id}[/] [dim]{rule.version} {rule.stratum}{decision}[/]")
    console.print(f"  {escape(rule.title)}", style="dim")
    for label, names in (("because", outcome.holds), ("kept silent by", outcome.fails), ("missing", outcome.missing)):
        for name in dict.fromkeys(names):
            console.print(f"  {label}: {escape(_line(name, rule, facts, loaded, titles))}", highlight=False)


def _line(
    name: str, rule: RuleDefinition, facts: Mapping[str, Fact], loaded: knowledge.Knowledge, titles: Mapping[str, str]
) -> str:
    asked = " or ".join(dict.fromkeys(_questions(name, rule, loaded)))
    fact = facts.get(name)
    if fact is None:
        return f"finding {name} (asked: {asked})"
    if fact.value is None:
        return f"{titles[name]} is unknown: {fact.why} (asked: {asked})"
    source = f" <- {', '.join(fact.sources[:3])}" if fact.sources else ""
    return f"{titles[name]} = {shown(fact.value, fact.unit)} (asked: {asked}){source}"


def _questions(name: str, rule: RuleDefinition, loaded: knowledge.Knowledge) -> Iterator[str]:
    """What the rule asks of a fact or finding; an `unless` asks for its opposite."""
    for condition in (*rule.when, *(c for option in rule.any for c in option)):
        if name in (condition.fact, condition.finding):
            yield _asked(condition, loaded)
    for condition in rule.unless:
        if name in (condition.fact, condition.finding):
            yield f"not {_asked(condition, loaded)}"


def _asked(condition: Condition, loaded: knowledge.Knowledge) -> str:
    if condition.operator == "known":
        return "known" if condition.known else "unknown"
    value: Any = loaded.operand(condition)
    named = str(condition.operand)
    policy = f" [{named}]" if named.startswith("policy.") else ""
    return f"{_OPERATORS[condition.operator]} {shown(value, '')}{policy}"


def _print_summary(console: Console, rules: tuple[RuleDefinition, ...], findings: Findings) -> None:
    table = Table("fires", "silent", "unknown", "evaluators")
    truths = [findings.outcomes[rule.id].truth for rule in rules if rule.id in findings.outcomes]
    agree = findings.failure or ", ".join(findings.disagreements) or "agree"
    table.add_row(*(str(truths.count(t)) for t in (True, False, None)), agree)
    console.print(table)
