"""What cards print around their own wording: what was left out and not read, how sound it is, what else there is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, Final

from cds_service.advice.model import Answer, OrderAssessment
from cds_service.advice.words import MOST_WORDS, Trusted, brief, words_of
from cds_service.contract import CARD_WORDS
from cds_service.facts.model import Fact
from cds_service.knowledge import Knowledge
from cds_service.knowledge.model import RuleDefinition

Json = dict[str, Any]
# A panel is read in ten seconds; what is counted here stands whole in the explanation.
MOST_FACTS: Final = 5
# Unverified items are hidden and refuted ones never reach a card.
_SHOWN: Final = {"verified": "verified", "partly": "partly"}
_MOST_LINES: Final = 3
_WORDS_OF_A_LINE: Final = 9
_WORDS_TO_SAY_MORE: Final = 5
_WORDS_OF_FACTS: Final = 60


def around(answer: Answer, knowledge: Knowledge, order: OrderAssessment, page: str) -> Json:
    """The variables of the first card's header and footer. `page` is the address of the rule's page, or empty."""
    lines = [f"{times} {why}" for why, times in _left_out(answer, order).items()]
    titles = {q: knowledge.catalogue.queries[q].title for q in order.not_read}
    return {
        "page": Trusted(page),
        "left_out": [brief(line, _WORDS_OF_A_LINE) for line in lines[:_MOST_LINES]],
        "left_out_more": max(len(lines) - _MOST_LINES, 0),
        "not_read": [Trusted(title.lower()) for q, title in titles.items() if q not in order.forgone],
        "done_without": [Trusted(title) for q, title in titles.items() if q in order.forgone],
        "overridden": len(knowledge.overridden),
        "evidence": Trusted(_soundness(answer.rule, knowledge)),
    }


def also(answer: Answer, words: int) -> Json:
    """The titles of answers that are named on another's card, which has some words already; and how many more."""
    titles: list[Trusted] = []
    for each in answer.also:
        words += words_of(each.rule.title)
        if words > CARD_WORDS - _WORDS_TO_SAY_MORE:
            break
        titles.append(Trusted(each.rule.title))
    return {"titles": titles, "more": len(answer.also) - len(titles)}


def counts(answer: Answer, order: OrderAssessment) -> list[Fact]:
    """The facts behind an answer, or unknown beside it, that left records out."""
    return list(dict.fromkeys(f for f in (*answer.because, *order.unknown) if f.left_out))


def _left_out(answer: Answer, order: OrderAssessment) -> Counter[str]:
    """How many records were not counted, for each reason. One record stands behind several facts."""
    records = dict.fromkeys((o.what, o.why) for f in counts(answer, order) for o in f.left_out)
    return Counter(why for _, why in records)


def _soundness(rule: RuleDefinition, knowledge: Knowledge) -> str:
    """How many items of evidence may be shown, by their status: "1 verified, 3 partly"."""
    told = Counter[str](knowledge.evidence[name].status for name in rule.evidence)
    return ", ".join(f"{told[status]} {said}" for status, said in _SHOWN.items() if told[status])


def listed(facts: Iterable[tuple[str, str]]) -> tuple[list[Json], int]:
    """(title, reason) of unknown facts as a card names them, those of one reason together; and how many are left."""
    by_reason: dict[str, list[str]] = {}
    for title, why in facts:
        by_reason.setdefault(why, []).append(title)
    lines = list(_within(by_reason))
    more = sum(map(len, by_reason.values())) - sum(len(titles) for titles, _ in lines)
    spare = _WORDS_OF_FACTS - sum(words_of(said) for titles, why in lines for said in (*titles, brief(why)))
    told = []
    for titles, why in lines:
        # Where few facts are unknown there is room to say why, whole.
        reason = brief(why, MOST_WORDS + max(spare, 0))
        spare -= max(words_of(reason) - MOST_WORDS, 0)
        told.append({"titles": [Trusted(title) for title in titles], "why": reason})
    return told, more


def _within(by_reason: dict[str, list[str]]) -> Iterator[tuple[list[str], str]]:
    """(titles, reason) until a card has enough of them: the first is always there."""
    facts = words = 0
    for why, titles in by_reason.items():
        for_this = titles[: MOST_FACTS - facts]
        words += sum(map(words_of, (*for_this, brief(why))))
        if not for_this or (facts and words > _WORDS_OF_FACTS):
            return
        facts += len(for_this)
        yield for_this, why
