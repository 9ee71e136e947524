"""`anakinra-cds new-rule`: begin a rule with its cases and its card, in a form that already passes `check`."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import click

from cds_service.contract import DecisionName, Indicator
from cds_service.errors import KnowledgeError
from cds_service.knowledge import Knowledge, inspect
from cds_service.knowledge.files import find_root
from cds_service.knowledge.loader import RULE_GROUPS
from cds_service.knowledge.messages import suggestion
from cds_service.knowledge.model import STRATA, FactDefinition
from cds_service.tools.options import root_option

_ID = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_MAX_ID = 64
_MAX_SUMMARY = 139
_CRITICAL = ("block", "order-exceeds-max", "duplicate", "vaccine-warning")
_WARNING = ("insufficient-data", "review", "suggest", "suggest-reduced", "suggest-restricted")


@dataclass(frozen=True, slots=True)
class Draft:
    """What the scaffolded files are made of. `when` is a condition; `fires` and `silent` are values of its fact."""

    topic: str
    rule_id: str
    title: str
    stratum: str
    decision: str
    order_kind: str
    fact: str
    fact_title: str
    when: str
    fires: str
    silent: str


@click.command("new-rule")
@click.argument("rule", metavar="GROUP/TOPIC/RULE-ID")
@click.option("--title", default="", help="Default: the rule's id in words.")
@click.option("--fact", default="", help="Fact that the rule tests. Default: the first true-or-false one.")
@click.option("--stratum", type=click.Choice(STRATA), default="advice", show_default=True)
@click.option("--decision", type=click.Choice(get_args(DecisionName)), help="Makes a card as well.")
@root_option
def command(*, rule: str, title: str, fact: str, stratum: str, decision: str | None, root: Path | None) -> None:
    """Begin a rule, its cases and, where it has a decision, its card. Nothing is overwritten."""
    topic, rule_id = _parts(rule)
    try:
        folder = find_root(root)
    except KnowledgeError as error:
        raise click.ClickException(str(error)) from error
    found = inspect(folder)
    if found.knowledge is None:
        raise click.ClickException("expected files without problems; mend these first:\n" + "\n".join(found.problems))
    draft = _draft(found.knowledge, (topic, rule_id), title=title, fact=fact, stratum=stratum, decision=decision or "")
    files = {folder / name: text for name, text in _files(draft).items()}
    taken = [str(path) for path in files if path.exists()]
    if taken or rule_id in {r.id for r in found.knowledge.rules}:
        raise click.ClickException(
            f"{', '.join(taken) or rule_id}: already there; choose another id, nothing is written"
        )
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        click.echo(f"wrote {path}")
    click.echo("Now write the conditions, the wording and the cases, then run: anakinra-cds check")


def _parts(rule: str) -> tuple[str, str]:
    topic, _, rule_id = rule.rpartition("/")
    group, _, name = topic.partition("/")
    if not all(_ID.fullmatch(part) and len(part) <= _MAX_ID for part in (group, name, rule_id)):
        raise click.UsageError(f"expected GROUP/TOPIC/RULE-ID in lower-case words joined by '-' (found {rule!r})")
    if group not in RULE_GROUPS:
        raise click.UsageError(f"rules/{group}/ does not hold rules; expected one of {', '.join(RULE_GROUPS)}")
    return topic, rule_id


def _draft(
    knowledge: Knowledge, place: tuple[str, str], *, title: str, fact: str, stratum: str, decision: str
) -> Draft:
    """What to scaffold at this (topic, rule id); UsageError where the fact does not exist or cannot be used."""
    facts = knowledge.catalogue.facts
    if fact and fact not in facts:
        raise click.UsageError(f"no such fact {fact}{suggestion(fact, facts)}")
    chosen = fact or next((name for name, definition in facts.items() if definition.type == "boolean"), "")
    if not chosen:
        raise click.UsageError("no fact is true or false; name one with --fact")
    when, fires, silent = _condition(chosen, facts[chosen])
    return Draft(
        topic=place[0],
        rule_id=place[1],
        title=" ".join(title.split()) or place[1].replace("-", " ").capitalize(),
        stratum=stratum,
        decision=decision,
        order_kind=next(iter(knowledge.orders.kinds)),
        fact=chosen,
        fact_title=facts[chosen].title,
        when=when,
        fires=fires,
        silent=silent,
    )


def _condition(name: str, fact: FactDefinition) -> tuple[str, str, str]:
    """A comparison that fits the fact, a value that meets it, and one that does not."""
    if fact.type == "boolean":
        return "is: true", "true", "false"
    if fact.type != "code":
        return "atLeast: 1", "1", "0"
    values = fact.values or ("replace-this", "something-else")
    if len(values) == 1:
        raise click.UsageError(f"{name} has only one value, so no rule can be silent about it; choose another fact")
    return f"is: {json.dumps(values[0])}", json.dumps(values[0]), json.dumps(values[1])


def _files(draft: Draft) -> dict[str, str]:
    """File name below the root -> text."""
    stem = f"rules/{draft.topic}/{draft.rule_id}"
    files = {f"{stem}.yaml": _rule(draft), f"{stem}.cases.yaml": _cases(draft)}
    return {**files, f"cards/{draft.rule_id}.yaml": _card(draft)} if draft.decision else files


def _rule(draft: Draft) -> str:
    rationale = f"When {draft.fact_title[:1].lower()}{draft.fact_title[1:]} ({draft.when}), then {draft.title}."
    finding = f"{{decision: {draft.decision}, indicator: {_indicator(draft.decision)}}}" if draft.decision else "{}"
    card = draft.rule_id if draft.decision else '""'
    return f"""\
id: {draft.rule_id}
title: {json.dumps(draft.title, ensure_ascii=False)}
version: 0.1.0
status: draft
approvalDate: ""
lastReviewDate: ""
stratum: {draft.stratum}
hooks: [order-select, order-sign]
orders: [{draft.order_kind}]
rationale: {json.dumps(rationale, ensure_ascii=False)}
when:
  - {{fact: {draft.fact}, {draft.when}}}
any: []
unless: []
ifUnknown: note
finding: {finding}
pathway: ""
regimen: ""
card: {card}
policies: []
evidence: []
limits:
  - Scaffold; replace conditions, rationale, wording and this line before review.
"""


def _indicator(decision: str) -> Indicator:
    return "critical" if decision in _CRITICAL else "warning" if decision in _WARNING else "info"


def _cases(draft: Draft) -> str:
    return f"""\
- name: fires
  facts: {{{draft.fact}: {draft.fires}}}
  result: fires
- name: stays silent
  facts: {{{draft.fact}: {draft.silent}}}
  result: silent
- name: missing data
  facts: {{}}
  result: unknown
"""


def _card(draft: Draft) -> str:
    summary = json.dumps(draft.title[:_MAX_SUMMARY], ensure_ascii=False)
    return f"""\
id: {draft.rule_id}
version: 0.1.0
summary: {summary}
detail: |
  Scaffold: say what to do, what to watch, and why.
orders: []
overrideReasons: []
"""
