"""Show a card on a terminal as a clinician would meet it: what it says, what it offers, and why."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.markdown import Markdown
from rich.markup import escape
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from cds_service.tools.replay.report import STYLES
from cds_service.tools.replay.run import dose_text, explanation

_SHOWN_SOURCES = 2  # references printed beside a fact; the rest are counted


def card_panel(card: Mapping[str, Any]) -> Panel:
    """One card, framed in the colour of its indicator."""
    why = explanation(card)
    indicator = str(card.get("indicator", ""))
    parts: list[RenderableType] = [Text(str(card.get("summary", "")), style="bold")]
    if card.get("detail"):
        parts += [Text(""), Markdown(str(card["detail"]))]
    offers = list(_offers(card))
    if offers:
        parts += [Text(""), *offers]
    grid = Table.grid(padding=(0, 1))
    grid.add_column(justify="right", style="dim bold", no_wrap=True)
    grid.add_column(style="dim", overflow="fold")
    for label, text in _why(why):
        grid.add_row(label, Text(text))
    if grid.row_count:
        parts += [Text(""), grid]
    title = f"[bold]{escape(indicator.upper() or '?')}[/] · {escape(str(why.get('decision', '?')))}"
    source = card.get("source", {}).get("label", "")
    return Panel(
        Group(*parts),
        title=title,
        title_align="left",
        subtitle=escape(str(source)),
        subtitle_align="right",
        border_style=STYLES.get(indicator, "white"),
        padding=(0, 1),
    )


def _offers(card: Mapping[str, Any]) -> Iterator[RenderableType]:
    """Suggestions as buttons, the recommended one filled; override reasons as the ways to say no."""
    for suggestion in card.get("suggestions", ()):
        recommended = bool(suggestion.get("isRecommended"))
        button = "[reverse] ACCEPT [/]" if recommended else "\\[ accept ]"
        yield Text.from_markup(f"{button} {escape(str(suggestion.get('label', '')))}")
        for action in suggestion.get("actions", ()):
            said = f"{action.get('type', '?')}: {action.get('description', '')}"
            yield Padding(Text(said, style="dim"), (0, 0, 0, 10))
    reasons = [str(reason.get("display", reason.get("code"))) for reason in card.get("overrideReasons", ())]
    if reasons:
        yield Text(f"[ override ] {' · '.join(reasons)}", style="dim")


def _why(why: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What the card rests on, as (label, line)."""
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
    value = item.get("value")
    shown = {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
    # UCUM annotations such as {dose} say nothing that the name does not.
    unit = re.sub(r"^\{.*\}$", "", str(item.get("unit", "")))
    return " ".join(part for part in (f"{item.get('name')} =", shown, unit) if part)


def _fact(fact: Mapping[str, Any]) -> str:
    as_of = f", as of {fact['asOf']}" if fact.get("asOf") else ""
    return f"{_measure(fact)}{as_of}{_references(fact.get('from', ()))}"


def _references(references: Iterable[str]) -> str:
    listed = list(references)
    if not listed:
        return ""
    more = f" and {len(listed) - _SHOWN_SOURCES} more" if len(listed) > _SHOWN_SOURCES else ""
    return f" <- {', '.join(listed[:_SHOWN_SOURCES])}{more}"
