"""The answers to several kinds of order as one answer: each rule once, nothing offered beside what precludes it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from cds_service.advice.model import Answer, OrderAssessment
from cds_service.contract import PRECLUDES, RANK, SEVERITY, SUGGESTS


def ranked(orders: Iterable[OrderAssessment]) -> tuple[Answer, ...]:
    """All answers in the contract's order. What a rule said to a more important kind is not said again."""
    answers: list[Answer] = []
    for order in orders:
        said = {answer.rule.id for answer in answers}
        answers += [answer for answer in order.answers if answer.rule.id not in said]
    if any(answer.decision in PRECLUDES for answer in answers):
        answers = [replace(a, offers=()) if a.offers else a for a in answers if a.decision not in SUGGESTS]
    return tuple(sorted(answers, key=rank))


def rank(answer: Answer) -> tuple[int, int]:
    """Where an answer stands among others: by its decision, then by how severe it is."""
    return RANK[answer.decision], SEVERITY[answer.indicator]
