"""What a card's wording asks for: `fact('name')` and `policy('name')` in its templates."""

from __future__ import annotations

import re

from cds_service.knowledge.model import Card

_FACT = re.compile(r"\bfact\('([^']*)'\)")
_POLICY = re.compile(r"\bpolicy\('([^']*)'\)")
_BY_WEIGHT = re.compile(r"\{\{ *(maximum|regimen_dose)\b")


def facts_of(card: Card) -> frozenset[str]:
    """Names of the facts that a card prints or asks about."""
    return frozenset(_FACT.findall(card.summary + card.detail))


def policies_of(card: Card) -> frozenset[str]:
    """Names of the policies that a card prints."""
    return frozenset(_POLICY.findall(card.summary + card.detail))


def prints_dose_by_weight(card: Card) -> bool:
    """Whether it prints a dose or a maximum that goes by the patient's age and weight."""
    return bool(_BY_WEIGHT.search(card.detail))
