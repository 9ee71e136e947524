"""The brief form of an answer that the same clinician has just been given on the same unchanged draft.

Nothing hard is folded: every card that ranks before a pathway's own answer, and every critical one, keeps its whole
text. Only cautions that are not critical and offer nothing become one line each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cds_service.decision.model import RANK
from cds_service.rendering.explanation import EXTENSION
from cds_service.rendering.templates import CardTemplate
from cds_service.rendering.words import Trusted

REPEATED = "repeated"


def brief(
    cards: Sequence[Mapping[str, Any]], since: str, shared: Mapping[str, Any], wording: CardTemplate
) -> list[Any]:
    """The cards of an answer, said briefly. `since` is when the whole was shown, as HH:MM in UTC."""
    first, *others = cards
    said = {
        **shared,
        "since": Trusted(since),
        "summary": Trusted(first["summary"]),
        # Cards are Markdown already: what came from a chart was escaped when the card was made.
        "whole": Trusted(first["detail"]) if _is_hard(first) else None,
        "folded": [card["summary"] for card in others if _folds(card)],
    }
    summary, detail = wording.fill(said)
    return [{**first, "summary": summary, "detail": detail}, *(card for card in others if not _folds(card))]


def _folds(card: Mapping[str, Any]) -> bool:
    return _decision(card) == "caution" and card["indicator"] != "critical" and "suggestions" not in card


def _is_hard(card: Mapping[str, Any]) -> bool:
    return card["indicator"] == "critical" or RANK[_decision(card)] < RANK["suggest"]


def _decision(card: Mapping[str, Any]) -> str:
    return str(card["extension"][EXTENSION]["decision"])
