"""The brief form of an answer that the same clinician has just been given on the same unchanged draft.

Nothing hard is folded: every card that ranks before a pathway's own answer, and every critical one, keeps its whole
text. Only cautions that are not critical and offer nothing become one line each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cds_service.advice.model import Answer
from cds_service.advice.templates import CardTemplate
from cds_service.advice.words import Trusted
from cds_service.contract import RANK

Json = dict[str, Any]


def brief(
    answers: Sequence[Answer], cards: Sequence[Json], since: str, shared: Mapping[str, Any], wording: CardTemplate
) -> list[Json]:
    """The cards of these answers, said briefly. `since` is when the whole was shown, as the ward's clock showed it."""
    first, *others = cards
    folded = [_folds(answer) for answer in answers[1:]]
    said = {
        **shared,
        "since": Trusted(since),
        "summary": Trusted(first["summary"]),
        # Cards are Markdown already: what came from a chart was escaped when the card was made.
        "whole": Trusted(first["detail"]) if _is_hard(answers[0]) else None,
        "folded": [card["summary"] for card, folds in zip(others, folded, strict=True) if folds],
    }
    summary, detail = wording.fill(said)
    kept = [card for card, folds in zip(others, folded, strict=True) if not folds]
    return [{**first, "summary": summary, "detail": detail}, *kept]


def _folds(answer: Answer) -> bool:
    offering = answer.offers or answer.monitoring
    return answer.decision == "caution" and answer.indicator != "critical" and not offering


def _is_hard(answer: Answer) -> bool:
    return answer.indicator == "critical" or RANK[answer.decision] < RANK["suggest"]
