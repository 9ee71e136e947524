"""What is kept of an answer: what it rests on and says, by rule and version, naming nobody and quoting nothing.

Facts are kept as values of our own vocabulary, units and ages; the words of a chart, its dates and the ids of its
resources are not. Whatever a record holds comes from the Assessment and the cards that were shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final
from uuid import uuid4

from cds_service import __version__
from cds_service.advice.model import Advice, Answer, Assessment, DosePlan, OrderAssessment
from cds_service.chart.intake import Intake
from cds_service.contract import EXPLANATION
from cds_service.facts.model import Fact
from cds_service.hook_call import HookCall
from cds_service.store.entry import Caller, Entry, ShownCard

NOT_RECORDED: Final = "This answer was not recorded."
_LONGEST: Final = 200
Json = dict[str, Any]


def entry(
    call: HookCall,
    assessment: Assessment | None,
    advice: Advice,
    intake: Intake,
    at: datetime,
    *,
    tenant: str = "",
    digest_only: bool = False,
) -> Entry:
    """The answer to a call as it is handed to the store.

    `intake` is what was met on the way to it; `at` is when it was given, whatever time it was asked for; `tenant` is
    what the token of the call says.
    """
    kinds = _kinds(assessment)
    shown, held_back = (
        tuple(_shown(card, kinds, place == 0) for place, card in enumerate(cards))
        for cards in (advice.cards, advice.held_back)
    )
    names = {"patient": call.patient_id, "user": call.user_id, "encounter": call.encounter_id or ""}
    found = {"hook": call.hook, "instance": call.hook_instance.lower(), "software": __version__}
    return Entry(
        id=str(uuid4()),
        at=at,
        service=call.service_id,
        caller=Caller(tenant=tenant[:_LONGEST], role=call.user_id.partition("/")[0]),
        cards=shown,
        names={name: text for name, text in names.items() if text},
        found=found | (_found(assessment) if assessment else {}) | _silence(advice, held_back) | _intake(intake),
        digest_only=digest_only,
    )


def unrecorded(cards: Sequence[Json]) -> list[Json]:
    """The cards of an answer that cannot be recorded: the first says so, to people and to machines."""
    first, *others = cards
    extension = first.get("extension", {})
    explanation = {**extension.get(EXPLANATION, {}), "recorded": False}
    detail = f"{first.get('detail', '')}\n\n{NOT_RECORDED}".strip()
    return [{**first, "detail": detail, "extension": {**extension, EXPLANATION: explanation}}, *others]


def _silence(advice: Advice, cards: Sequence[ShownCard]) -> Json:
    """What would have been shown, and what is silent that it was not. Nobody can answer such a card: it needs no id."""
    told = [{name: value for name, value in asdict(card).items() if name != "uuid"} for card in cards]
    return {"silent": {"by": advice.silent, "cards": told}} if advice.silent else {}


def _found(assessment: Assessment) -> Json:
    """What was found for each kind of order, and the answers to all of them in their order."""
    return {
        "program": assessment.program,
        "askedFor": assessment.now.isoformat(),
        "orders": [_order(order, assessment.now) for order in assessment.orders],
        "answers": [answered(answer) for answer in assessment.answers],
    }


def _intake(intake: Intake) -> Json:
    """The prefetch keys by what became of them; and what nothing recognised, with how often it was met."""
    keys: dict[str, list[str]] = {}
    for name, state in intake.sent.items():
        keys.setdefault(state, []).append(name)
    unmapped = [{n: v for n, v in asdict(each).items() if v} | {"times": n} for each, n in intake.unmapped]
    body = {"prefetch": keys, "fetched": list(intake.fetched), "unmapped": unmapped, "unmappedMore": intake.more}
    return {name: value for name, value in body.items() if value}


def _order(order: OrderAssessment, now: datetime) -> Json:
    body = {
        "occasion": order.occasion.key,
        "pathway": order.pathway,
        "flags": list(order.flags),
        "missing": [missing.rule.id for missing in order.missing],
        "trouble": order.trouble,
        "notRead": list(order.not_read),
        "forgone": list(order.forgone),
        "unknown": {fact.name: _why(fact, order) for fact in order.unknown},
    }
    return {name: value for name, value in body.items() if value} | {
        "facts": {name: _fact(fact, now) for name, fact in order.facts.items()},
        "drafts": [asdict(draft) for draft in order.drafts_read],
    }


def _why(fact: Fact, order: OrderAssessment) -> str:
    """Why a fact is unknown, in one of our own words: what a fact says itself may quote the chart."""
    told = {
        "not-read": any(f"{query}: {why}" in fact.why for query, why in order.not_read.items()),
        "not-understood": bool(fact.not_understood) or " is not understood: " in fact.why,
        "unusable": bool(fact.unusable),
        "bounded": fact.is_bounded,
        "stale": fact.why.endswith("(stale)"),
        "none-recorded": fact.why.startswith(("none recorded", "no ")),
    }
    return next((word for word, holds in told.items() if holds), "other")


def _fact(fact: Fact, now: datetime) -> Json:
    """Its value (null: unknown, maybe between bounds), unit and age in hours."""
    told: Json = {"value": fact.value}
    if fact.least is not None:
        told["least"] = fact.least
    if fact.most is not None:
        told["most"] = fact.most
    if fact.unit:
        told["unit"] = fact.unit
    if fact.as_of is not None:
        told["ageH"] = round((now - fact.as_of).total_seconds() / 3600, 2)
    return told


def answered(answer: Answer) -> Json:
    """What one answer decides: its decision and indicator, the rule, the doses that it states and that it offers."""
    body = {
        "decision": answer.decision,
        "indicator": answer.indicator,
        "rule": answer.rule.id,
        "version": answer.rule.version,
        "occasion": answer.occasion.key,
        "plan": _plan(answer.plan) if answer.plan else None,
        "alternatives": [_plan(plan) for plan in answer.alternatives],
        "offers": [_plan(offer.plan) | {"kind": offer.kind} for offer in answer.offers],
        "also": [answered(other) for other in answer.also],
    }
    return {name: value for name, value in body.items() if value}


def _plan(plan: DosePlan) -> Json:
    told = {"doseMg": plan.dose_mg, "intervalH": plan.interval_h, "route": plan.route, "days": plan.duration_days}
    return told if plan.mg_per_kg is None else told | {"mgPerKg": plan.mg_per_kg, "weightKg": plan.weight_kg}


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
