"""The brief form of an answer that the same clinician has just been given on the same unchanged draft.

Nothing hard is folded: the first card keeps its decision, indicator, suggestions and explanation, and critical cards
keep their whole text. Only further cards that are not critical and offer nothing become one line each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cds_service.rendering.templates import CardTemplate
from cds_service.rendering.words import Trusted

REPEATED = "repeated"


def brief(
    cards: Sequence[Mapping[str, Any]], since: str, shared: Mapping[str, Any], wording: CardTemplate
) -> list[Any]:
    """The cards of an answer, said briefly. `since` is when the whole was shown, as HH:MM in UTC."""
    first, *others = cards
    folded = [card for card in others if card["indicator"] != "critical" and "suggestions" not in card]
    kept = [dict(card) for card in others if not any(card is other for other in folded)]
    said = {
        **shared,
        "since": Trusted(since),
        "summary": Trusted(first["summary"]),
        # Cards are Markdown already: what came from a chart was escaped when the card was made.
        "whole": Trusted(first["detail"]) if first["indicator"] == "critical" else None,
        "folded": [card["summary"] for card in folded],
    }
    summary, detail = wording.fill(said)
    return [{**first, "summary": summary, "detail": detail}, *kept]
