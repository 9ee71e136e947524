"""A card as text: what it says, what it offers, and why; as a clinician would meet it, without frames."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from cds_service.advice.words import figure
from cds_service.tools.replay.run import dose_text, explanation

_SHOWN_SOURCES: Final = 2  # references printed beside a fact; the rest are counted


def title(card: Mapping[str, Any]) -> str:
    """`WARNING · suggest`."""
    decision = explanation(card).get("decision", "?")
    return f"{str(card.get('indicator', '')).upper() or '?'} · {decision}"


def card_lines(card: Mapping[str, Any]) -> Iterator[str]:
    """The whole card; its Markdown as it was written."""
    yield f"{title(card)}: {card.get('summary', '')}"
    yield from (f"    {line}".rstrip() for line in str(card.get("detail", "")).splitlines())
    for button, label, actions in offers(card):
        yield f"    [{button}] {label}"
        yield from (f"        {action}" for action in actions)
    for label, text in basis(explanation(card)):
        yield f"    {label}: {text}"


def offers(card: Mapping[str, Any]) -> Iterator[tuple[str, str, list[str]]]:
    """(button, label, what it does) of each suggestion, the recommended one in capitals, and the override reasons."""
    for suggestion in card.get("suggestions", ()):
        button = "ACCEPT" if suggestion.get("isRecommended") else "accept"
        actions = [f"{a.get('type', '?')}: {a.get('description', '')}" for a in suggestion.get("actions", ())]
        yield button, str(suggestion.get("label", "")), actions
    reasons = [str(reason.get("display", reason.get("code"))) for reason in card.get("overrideReasons", ())]
    if reasons:
        yield "override", " · ".join(reasons), []


def basis(why: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What a card rests on, from its explanation: (label, line)."""
    if why.get("rule"):
        version = f" {why['ruleVersion']}" if why.get("ruleVersion") else ""
        yield "why", f"rule {why['rule']}{version}"
    if dose_text(why.get("dosePlan")):
        yield "plan", _plan(why["dosePlan"])
    for fact in why.get("facts", ()):
        yield "fact", _fact(fact)
    for gap in why.get("unknown", ()):
        yield "unknown", f"{gap.get('name')}: {gap.get('why', '')}"
    for policy in why.get("policy", ()):
        yield "policy", f"{_measure(policy)} ({policy.get('source', '')})"
    for evidence in why.get("evidence", ()):
        yield "evidence", f"{evidence.get('id')}: {evidence.get('status')}"
    if why.get("reevaluateAt"):
        yield "again at", str(why["reevaluateAt"])


def _plan(plan: Mapping[str, Any]) -> str:
    parts = [dose_text(plan)]
    if "dailyMg" in plan:
        parts.append(f"{plan['dailyMg']:g} mg/day")
    if "durationDays" in plan:
        parts.append(f"for {plan['durationDays']:g} days")
    return ", ".join(parts)


def _measure(item: Mapping[str, Any]) -> str:
    return f"{item.get('name')} = {figure(item.get('value'), str(item.get('unit', '')))}"


def _fact(fact: Mapping[str, Any]) -> str:
    as_of = f", as of {fact['asOf']}" if fact.get("asOf") else ""
    return f"{_measure(fact)}{as_of}{_references(fact.get('from', ()))}"


def _references(references: Iterable[str]) -> str:
    listed = list(references)
    if not listed:
        return ""
    more = f" and {len(listed) - _SHOWN_SOURCES} more" if len(listed) > _SHOWN_SOURCES else ""
    return f" <- {', '.join(listed[:_SHOWN_SOURCES])}{more}"
