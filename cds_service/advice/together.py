"""The answers to several kinds of order as one answer: each rule once, nothing offered beside what precludes it."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from msgspec.structs import replace

from cds_service.advice.model import Answer, OrderAssessment
from cds_service.advice.silence import heard
from cds_service.contract import PRECLUDES, RANK, SEVERITY, SUGGESTS


def ranked(
    orders: Sequence[OrderAssessment],
    most: int,
    silent: Collection[str] = frozenset(),
    reminded: Collection[str] = frozenset(),
) -> tuple[Answer, ...]:
    """All answers in the contract's order, the first leading. What a rule said on a more important occasion is not
    said again, nor what another rule says of the same risk. At most so many have a card; those of silent rules have
    none, nor those that need not remind again."""
    answers: list[Answer] = []
    for order in orders:
        answers += [answer for answer in order.answers if not any(_same(answer, other) for other in answers)]
    said = {answer.rule.id for answer in answers}.difference(silent)
    answers = [answer for answer in answers if said.isdisjoint(answer.rule.finding.said_by)]
    stops = [answer for answer in answers if answer.decision in PRECLUDES]
    suggested = any(answer.decision in SUGGESTS for answer in answers)
    if suggested and all(answer.rule.finding.beside_suggestion for answer in stops):
        answers = [_yielding(answer) for answer in answers]
    elif stops:
        answers = [replace(a, offers=()) if a.offers else a for a in answers if a.decision not in SUGGESTS]
    answers = heard(answers, orders, silent) if silent else answers
    answers = [answer for answer in answers if answer.rule.id not in reminded]
    shown = _folded(sorted(answers, key=rank), most)
    return tuple(replace(answer, leads=place == 0) for place, answer in enumerate(shown))


def _folded(answers: list[Answer], most: int) -> list[Answer]:
    """As many answers as a panel holds: of more, the least important are named on the card before them. An answer
    with orders to choose from keeps its card."""
    if len(answers) <= most:
        return answers
    last = [answers.pop()] if answers[-1].monitoring else []
    *kept, host = answers[: most - len(last)]
    return [*kept, replace(host, also=tuple(answers[len(kept) + 1 :])), *last]


def _same(one: Answer, other: Answer) -> bool:
    """The same rule about the same drug, or the same decision of one rule about two."""
    about_one = one.occasion.drug == other.occasion.drug
    return one.rule.id == other.rule.id and (about_one or one.decision == other.decision)


def _yielding(answer: Answer) -> Answer:
    """What an answer about the ordered drug becomes beside the suggestion of another one."""
    instead = answer.rule.finding.beside_suggestion
    return replace(answer, decision=instead) if instead else answer


def rank(answer: Answer) -> tuple[int, int]:
    """Where an answer stands among others: by its decision, then by how severe it is."""
    return RANK[answer.decision], SEVERITY[answer.indicator]
