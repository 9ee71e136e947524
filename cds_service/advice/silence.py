"""What is shown where rules are silent: all is decided as ever, and then what they say is left out.

Silence takes away words and never a stop. What a silent rule would have stood before is not shown in its place: with a
silent block, a suggestion of another rule is as impossible as with one that speaks.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace as with_changes
from typing import Final

from msgspec.structs import replace

from cds_service.advice.carrying import because, stating
from cds_service.advice.model import Answer, OrderAssessment
from cds_service.contract import INSUFFICIENT, RANK, SUGGESTS
from cds_service.knowledge.occasions import Occasion

# Answers that an order may be signed on.
_GOES_ON: Final = SUGGESTS | {"order-ok"}


def touches(answers: Iterable[Answer], silent: Collection[str]) -> bool:
    """Whether any of these answers is a silent rule's, or tells of one."""
    return any(touches((*answer.also, *answer.found), silent) or answer.rule.id in silent for answer in answers)


def heard(answers: Iterable[Answer], orders: Iterable[OrderAssessment], silent: Collection[str]) -> list[Answer]:
    """The answers without those of silent rules, and without what these would have kept back or gone before.

    A status tells what many rules found, and that others found nothing: without one of them it would not be true.
    """
    of = {order.occasion: order for order in orders}
    told = [_spoken(answer, of, silent) for answer in answers]
    hidden = [answer for answer in told if _is_silent(answer, silent)]
    if not hidden:
        return told
    kept = [answer for answer in told if not _is_silent(answer, silent)]
    if any(RANK[answer.decision] < RANK["suggest"] for answer in hidden):
        kept = [replace(a, offers=()) if a.offers else a for a in kept if a.decision not in _GOES_ON]
    # What is to be watched goes with an order.
    goes_on = any(answer.decision in _GOES_ON for answer in kept)
    return [answer for answer in kept if goes_on or answer.decision != "monitoring"]


def _is_silent(answer: Answer, silent: Collection[str]) -> bool:
    return any(each.rule.id in silent for each in (answer, *answer.found))


def _spoken(answer: Answer, of: Mapping[Occasion, OrderAssessment], silent: Collection[str]) -> Answer:
    """What is missing is said by one rule for all: where that one is silent, by another that lacks something too."""
    found = tuple(_spoken(each, of, silent) for each in answer.found)
    answer = replace(answer, found=found) if found else answer
    order = of[answer.occasion]
    others = [missing for missing in order.missing if missing.rule.id not in silent]
    if answer.decision != INSUFFICIENT or answer.rule.id not in silent or not others:
        return answer
    answer = replace(answer, rule=stating(others), because=())
    return replace(answer, because=because(answer, order.findings, order.facts))


def without(order: OrderAssessment, silent: Collection[str]) -> OrderAssessment:
    """What a card may say beside its own rule: not what silent rules found, or could not find."""
    holding = [rule for rule in order.rules if rule.id in order.flags and rule.id not in silent]
    return with_changes(
        order,
        flags=tuple(rule.id for rule in holding),
        missing=tuple(missing for missing in order.missing if missing.rule.id not in silent),
        first_card=tuple(dict.fromkeys(rule.first_card for rule in holding if rule.first_card)),
    )
