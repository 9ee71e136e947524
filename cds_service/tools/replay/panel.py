"""A card on a terminal, framed in the colour of its indicator."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.markdown import Markdown
from rich.markup import escape
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from cds_service.tools.replay.run import explanation
from cds_service.tools.replay.show import basis, offers, title

_STYLES: Final[Mapping[str, str]] = {"critical": "bold red", "warning": "yellow", "info": "cyan"}


def card_panel(card: Mapping[str, Any]) -> Panel:
    """One card; its Markdown as it would be seen."""
    parts: list[RenderableType] = [Text(str(card.get("summary", "")), style="bold")]
    if card.get("detail"):
        parts += [Text(""), Markdown(str(card["detail"]))]
    for button, label, actions in offers(card):
        style = {"ACCEPT": "reverse", "override": "dim"}.get(button, "")
        parts.append(Text.assemble((f"[ {button} ]", style), f" {label}"))
        parts += [Padding(Text(action, style="dim"), (0, 0, 0, 10)) for action in actions]
    grid = Table.grid(padding=(0, 1))
    grid.add_column(justify="right", style="dim bold", no_wrap=True)
    grid.add_column(style="dim", overflow="fold")
    for label, text in basis(explanation(card)):
        grid.add_row(label, Text(text))
    if grid.row_count:
        parts += [Text(""), grid]
    return Panel(
        Group(*parts),
        title=f"[bold]{escape(title(card))}[/]",
        title_align="left",
        subtitle=escape(str(card.get("source", {}).get("label", ""))),
        subtitle_align="right",
        border_style=_STYLES.get(str(card.get("indicator", "")), "white"),
        padding=(0, 1),
    )
