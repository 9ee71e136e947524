"""The wording under `cards/`, compiled once at start. A placeholder that is not there is an error, never a blank."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment, StrictUndefined, Template

from cds_service.knowledge.model import Card
from cds_service.rendering.words import escape, plain

SUMMARY_LIMIT = 139
FOOTER = "first-card-footer"


@dataclass(frozen=True, slots=True)
class CardTemplate:
    """One card's wording, ready to fill."""

    card: Card
    summary: Template
    detail: Template

    def fill(self, context: Mapping[str, Any]) -> tuple[str, str]:
        """(summary as plain text of at most 139 characters, detail as Markdown)."""
        summary = " ".join(self.summary.render(context).split())
        if len(summary) > SUMMARY_LIMIT:
            summary = summary[: SUMMARY_LIMIT - 1].rstrip() + "…"
        return summary, self.detail.render(context).strip()


def compile_cards(cards: Mapping[str, Card]) -> dict[str, CardTemplate]:
    """Every card's templates. Summaries are plain text; details are Markdown, so chart text in them is escaped."""
    # Markdown, not HTML: `escape` is applied to every value instead of autoescape.
    markdown = Environment(undefined=StrictUndefined, finalize=escape, trim_blocks=True, lstrip_blocks=True)
    text = Environment(undefined=StrictUndefined, finalize=plain, trim_blocks=True, lstrip_blocks=True)
    return {
        name: CardTemplate(card, text.from_string(card.summary), markdown.from_string(card.detail))
        for name, card in cards.items()
    }
