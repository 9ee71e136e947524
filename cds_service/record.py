"""What is kept of an answer: its cards by rule, version and kind of order, and where it was asked, naming nobody."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from cds_service.advice.model import Assessment
from cds_service.contract import EXPLANATION
from cds_service.hook_call import HookCall
from cds_service.store.entry import Caller, Entry, ShownCard

NOT_RECORDED: Final = "This answer was not recorded."
Json = dict[str, Any]


def entry(call: HookCall, assessment: Assessment | None, cards: Sequence[Json], at: datetime) -> Entry:
    """The answer to a call as it is handed to the store. `at` is when it was given, whatever time it was asked for."""
    kinds = _kinds(assessment)
    shown = tuple(_shown(card, kinds, place == 0) for place, card in enumerate(cards))
    return Entry(at, call.service_id, Caller(role=call.user_id.partition("/")[0]), shown)


def unrecorded(cards: Sequence[Json]) -> list[Json]:
    """The cards of an answer that cannot be recorded: the first says so, to people and to machines."""
    first, *others = cards
    extension = first.get("extension", {})
    explanation = {**extension.get(EXPLANATION, {}), "recorded": False}
    detail = f"{first.get('detail', '')}\n\n{NOT_RECORDED}".strip()
    return [{**first, "detail": detail, "extension": {**extension, EXPLANATION: explanation}}, *others]


def _kinds(assessment: Assessment | None) -> Mapping[tuple[str, str], str]:
    """(rule, decision) -> kind of order, the most important first: together the answers name each pair once."""
    kinds: dict[tuple[str, str], str] = {}
    for answer in assessment.answers if assessment else ():
        kinds.setdefault((answer.rule.id, answer.decision), answer.occasion.kind)
    return kinds


def _shown(card: Json, kinds: Mapping[tuple[str, str], str], leads: bool) -> ShownCard:
    told = card["extension"][EXPLANATION]
    rule, decision = told["rule"], told["decision"]
    # Cards that could not be worded are of the service's own rule, and about the most important kind.
    kind = kinds.get((rule, decision), next(iter(kinds.values()), ""))
    return ShownCard(card["uuid"], rule, told["ruleVersion"], decision, card["indicator"], kind, leads)
