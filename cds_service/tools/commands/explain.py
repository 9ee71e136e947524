"""`anakinra-cds explain`: why each rule fired, stayed silent or could not be evaluated for one request."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import click

from cds_service import knowledge
from cds_service.advice.words import figure
from cds_service.contract import SERVICES
from cds_service.explaining import Criterion, OrderReport, RuleReport, asked, order_report
from cds_service.knowledge import Knowledge
from cds_service.knowledge.messages import suggestion
from cds_service.knowledge.model import Condition, RuleDefinition
from cds_service.service import Service
from cds_service.tools.options import at_option, json_option, knowledge_options
from cds_service.tools.printing import echo_json
from cds_service.tools.replay.bundles import parsed
from cds_service.web.door import read_call

_SHOWN_SOURCES: Final = 3
_COLOURS: Final = {"fires": "green", "silent": None, "unknown": "yellow"}


@click.command("explain")
@click.argument("request", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@at_option("the request's own, else now")
@knowledge_options
@click.option("--fired", "only_fired", is_flag=True, help="Leave out the rules that stayed silent.")
@click.option("--rule", "only", metavar="ID", help="Only this rule, and the whole of it.")
@json_option
def command(
    *,
    request: Path,
    at: datetime | None,
    root: Path | None,
    site: str,
    only_fired: bool,
    only: str | None,
    as_json: bool,
) -> None:
    """Print, for a whole CDS Hooks REQUEST in a file, every rule with the facts that decided it.

    --json: a list of {order, rules, failure, disagreements}, one for each kind of order; a rule is {id, version,
    stratum, title, decision, result, because, silentBecause, missing}, a criterion {name, kind, title, asked, value,
    unit, why, from}.

    Exit code 1 where the two evaluators disagree or evaluation failed.
    """
    loaded = knowledge.load(root, site)
    rules = {rule.id: rule for rule in loaded.rules}
    if only is not None and only not in rules:
        raise click.ClickException(f"no such rule {only}{suggestion(only, rules)}")
    reports = _chosen(_examined(request, loaded, at), only_fired=only_fired, only=only)
    if as_json:
        echo_json(reports)
    else:
        click.echo("\n".join(_told(reports, loaded, rules[only] if only else None)))
    if not all(report.sound for report in reports):
        raise SystemExit(1)


def _examined(request: Path, loaded: Knowledge, at: datetime | None) -> list[OrderReport]:
    """What is found for every kind of order that the request selects."""
    content = parsed(request)
    hook = str(content.get("hook", "")) if isinstance(content, dict) else ""
    service_id = next((name for name, its in SERVICES.items() if its == hook), None)
    if service_id is None:
        known = ", ".join(SERVICES.values())
        raise click.ClickException(f"{request}: hook: expected one of {known}")
    call = read_call(service_id, hook, request.read_bytes(), allow_evaluation_time=True)
    # A time that is chosen is answered from what was known then, whoever chooses it.
    call = replace(call, evaluation_time=at or call.evaluation_time)
    assessment = Service.start(loaded).assess(call, call.evaluation_time or datetime.now(UTC))
    kinds = loaded.orders.kinds
    return [order_report(kinds[seen.kind].title, seen, loaded) for seen in (assessment.orders if assessment else ())]


def _chosen(reports: Sequence[OrderReport], *, only_fired: bool, only: str | None) -> list[OrderReport]:
    def wanted(rule: RuleReport) -> bool:
        return rule.id == only if only is not None else not (only_fired and rule.result == "silent")

    return [
        OrderReport(r.order, tuple(rule for rule in r.rules if wanted(rule)), r.failure, r.disagreements)
        for r in reports
    ]


# ---------------------------------------------------------------- what is printed


def _told(reports: Sequence[OrderReport], loaded: Knowledge, whole: RuleDefinition | None) -> Iterator[str]:
    if whole is not None:
        yield from _definition(whole, loaded)
    if not reports:
        yield "The selected order is none of this service's: no rule is evaluated, the answer is no card."
    for report in reports:
        yield click.style(f"{report.order} order", bold=True)
        if whole is not None and not report.rules:
            yield "this rule is not for this order, hook or status: it is not evaluated"
        for rule in report.rules:
            yield from _rule(rule)
        counts = Counter(rule.result for rule in report.rules)
        said = report.failure or ", ".join(report.disagreements) or "agree"
        yield f"{counts['fires']} fire, {counts['silent']} silent, {counts['unknown']} unknown; evaluators: {said}"


def _rule(rule: RuleReport) -> Iterator[str]:
    decision = f" -> {rule.decision}" if rule.decision else ""
    mark = click.style(rule.result, fg=_COLOURS[rule.result], bold=rule.result != "silent")
    yield f"{mark} {click.style(rule.id, bold=True)} {rule.version} {rule.stratum}{decision}"
    yield f"  {rule.title}"
    groups = (("because", rule.because), ("kept silent by", rule.silent_because), ("missing", rule.missing))
    for label, criteria in groups:
        for criterion in criteria:
            yield f"  {label}: {_criterion(criterion)}"


def _criterion(of: Criterion) -> str:
    if of.kind == "finding":
        return f"finding {of.name} (asked: {of.asked})"
    if of.value is None:
        return f"{of.title} is unknown: {of.why} (asked: {of.asked})"
    source = f" <- {', '.join(of.sources[:_SHOWN_SOURCES])}" if of.sources else ""
    return f"{of.title} = {figure(of.value, of.unit)} (asked: {of.asked}){source}"


def _definition(rule: RuleDefinition, loaded: Knowledge) -> Iterator[str]:
    """The rule as its file says it, thresholds resolved."""
    yield f"{click.style(rule.id, bold=True)} {rule.version}, {rule.status}: {rule.title}"
    yield f"  {' '.join(rule.rationale.split())}"
    for condition in rule.when:
        yield f"  when: {_condition(condition, loaded)}"
    for option in rule.any:
        yield f"  or: {' and '.join(_condition(condition, loaded) for condition in option)}"
    for condition in rule.unless:
        yield f"  unless: {_condition(condition, loaded)}"
    named = {
        "file": f"{loaded.rule_folders[rule.id]}/{rule.id}.yaml",
        "hooks": ", ".join(rule.hooks),
        "orders": ", ".join(loaded.occasions.kinds(rule)),
        "decision": f"{rule.finding.decision or 'none'} {rule.finding.indicator or ''}".strip(),
        "card": rule.card,
        "first card": rule.first_card,
        "regimen": rule.regimen,
        "evidence": ", ".join(f"{name} ({loaded.evidence[name].status})" for name in rule.evidence),
        "limits": "; ".join(rule.limits),
    }
    yield from (f"  {label}: {text}" for label, text in named.items() if text)


def _condition(condition: Condition, loaded: Knowledge) -> str:
    fact = loaded.catalogue.facts.get(condition.fact)
    return f"{fact.title if fact else f'finding {condition.finding}'} {asked(condition, loaded)}"
