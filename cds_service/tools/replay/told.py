"""What an answer says, reduced to what can be compared: with another answer to the same question, or with what was
expected. Cards of other services have no explanation: their indicator and summary stand for a decision."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from cds_service.contract import STATUS
from cds_service.tools.replay.client import Reply
from cds_service.tools.replay.expected import NO_CARD
from cds_service.tools.replay.run import dose_text, explanation

Json = Mapping[str, Any]
KINDS: Final = ("decision", "dose", "cards", "words")
"""In which ways two answers can differ, the gravest first."""
_LINK: Final = re.compile(r"\[((?:\\.|[^\\\[\]])*)\]\(https?://[^\s()]+\)")


@dataclass(frozen=True, slots=True)
class Told:
    """The first card of an answer in short. `decision` is `no-card` without any, `error` where none came."""

    decision: str
    indicator: str = ""
    rule: str = ""
    version: str = ""
    dose: str = ""
    summary: str = ""
    error: str = ""


def told_of(reply: Reply) -> Told:
    """What an answer says first."""
    if reply.error:
        return Told("error", error=reply.error)
    cards = reply.body["cards"]
    if not cards:
        return Told(NO_CARD)
    first, why = cards[0], explanation(cards[0])
    indicator = str(first.get("indicator", ""))
    return Told(
        decision=str(why.get("decision") or indicator or "card"),
        indicator=indicator,
        rule=str(why.get("rule", "")),
        version=str(why.get("ruleVersion", "")),
        dose=dose_text(why.get("dosePlan")),
        summary=str(first.get("summary", "")),
    )


def differing(before: Sequence[Json], after: Sequence[Json]) -> tuple[str, ...]:
    """The kinds in which the cards of two answers differ."""
    return tuple(kind for kind in KINDS if facet(kind, before) != facet(kind, after))


def facet(kind: str, cards: Sequence[Json]) -> Any:
    """What one kind of difference looks at."""
    if kind == "decision":
        # A status decides nothing, but its summary says where the patient stands.
        firsts = [(explanation(card).get("decision"), card) for card in cards[:1]]
        return [
            (said, card.get("indicator"), card.get("summary") if said in (STATUS, None) else "")
            for said, card in firsts
        ]
    if kind == "dose":
        doses = ((dose_text(explanation(card).get("dosePlan")), _offered(card)) for card in cards)
        return [dose for dose in doses if any(dose)]
    if kind == "cards":
        told = ((explanation(card), card) for card in cards)
        return [(why.get("decision"), card.get("indicator"), why.get("rule")) for why, card in told]
    return [(card.get("summary"), unlinked(str(card.get("detail", "")))) for card in cards]


def unlinked(detail: str) -> str:
    """The Markdown of a card without its links: two services that say the same lie at two addresses."""
    return _LINK.sub(r"\1", detail)


def _offered(card: Json) -> list[str]:
    """Drug orders; those of monitoring have no dose."""
    if explanation(card).get("decision") == "monitoring":
        return []
    return [str(suggestion.get("label", "")) for suggestion in card.get("suggestions", ())]


def rules_of(before: Sequence[Json], after: Sequence[Json]) -> tuple[str, ...]:
    """The rules whose cards differ between two answers, as their explanations name them, in the order of the cards."""
    left, right = _by_rule(before), _by_rule(after)
    return tuple(rule for rule in dict.fromkeys((*left, *right)) if rule and left.get(rule) != right.get(rule))


def _by_rule(cards: Sequence[Json]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for card in cards:
        shown = [facet(kind, [card]) for kind in KINDS]
        found.setdefault(str(explanation(card).get("rule", "")), []).append(shown)
    return found
