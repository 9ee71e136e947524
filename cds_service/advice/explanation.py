"""The explanation extension of a card: rule, facts with their sources, what is unknown, policies, evidence."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cds_service.advice.context import policies_of
from cds_service.advice.first_card import counts
from cds_service.advice.model import Answer, DosePlan, OrderAssessment
from cds_service.advice.words import moment
from cds_service.contract import ASSOCIATED, EXPLANATION, ORDER
from cds_service.facts.model import Fact
from cds_service.knowledge import Knowledge
from cds_service.knowledge.model import RuleDefinition


@dataclass(frozen=True, slots=True)
class Standing:
    """What a rule's explanation says whoever the patient is: its policies and its evidence."""

    policy: list[dict[str, Any]]
    evidence: list[dict[str, str]]


def standing(rule: RuleDefinition, knowledge: Knowledge) -> Standing:
    """Made once for each rule."""
    items = ((name, knowledge.evidence[name].status) for name in rule.evidence)
    return Standing(
        [_policy(name, knowledge) for name in policies_of(rule)],
        [{"id": name, "status": status} for name, status in items if status != "refuted"],
    )


def extension(
    answer: Answer, order: OrderAssessment, now: datetime, knowledge: Knowledge, rule: Standing
) -> dict[str, Any]:
    """The member `extension` of a card; members with nothing in them are left out."""
    body: dict[str, Any] = {
        "decision": answer.decision,
        "pathway": order.pathway or answer.rule.pathway,
        "rule": answer.rule.id,
        "ruleVersion": answer.rule.version,
        "facts": [_fact(f) for f in answer.because],
        "unknown": [{"name": f.name, "why": f.why} for f in order.unknown],
        "leftOut": [{"name": f.name, "what": o.what, "why": o.why} for f in counts(answer, order) for o in f.left_out],
        "flags": list(order.flags),
        "also": [_also(each) for each in (*answer.also, *answer.found)],
        "dosePlan": _plan(answer.plan, knowledge) if answer.plan else None,
        "policy": rule.policy,
        "evidence": rule.evidence,
        "evaluatedAt": moment(now),
        "reevaluateAt": moment(answer.reevaluate_at) if answer.reevaluate_at else None,
    }
    if answer.leads:  # of the chart, not of the rule: said once
        body["notRead"] = [{"query": query, "why": why} for query, why in order.not_read.items()]
        body["unusable"] = list(dict.fromkeys(line for f in order.facts.values() for line in f.unusable))
    return {EXPLANATION: {k: v for k, v in body.items() if v not in (None, "", [], {})}}


def named_orders(order: OrderAssessment) -> dict[str, Any]:
    """Members of the extension of a card that name the order that it is about."""
    named = [{"reference": reference} for reference in order.drafts]
    return {ORDER: named[0], ASSOCIATED: named} if named else {}


def _also(answer: Answer) -> dict[str, str]:
    """An answer that has no card of its own."""
    rule = answer.rule
    told = {"rule": rule.id, "ruleVersion": rule.version, "title": rule.title}
    return {**told, "decision": answer.decision, "indicator": answer.indicator}


def _fact(fact: Fact) -> dict[str, Any]:
    members = {
        "name": fact.name,
        "value": fact.value,
        "unit": fact.unit,
        "text": fact.text,
        "notes": list(fact.notes),
        "asOf": moment(fact.as_of) if fact.as_of else "",
        "from": list(fact.sources),
    }
    return {k: v for k, v in members.items() if v not in ("", [])}


def _plan(plan: DosePlan, knowledge: Knowledge) -> dict[str, Any]:
    return {
        "doseMg": _whole(plan.dose_mg),
        "intervalH": plan.interval_h,
        "route": knowledge.orders.routes[plan.route].short,
        "dailyMg": _whole(plan.daily_mg),
        "durationDays": plan.duration_days,
    }


def _whole(value: float) -> float | int:
    return int(value) if value == int(value) else value


def _policy(name: str, knowledge: Knowledge) -> dict[str, Any]:
    policy = knowledge.policies[name]
    source = policy.reference + (f" (set by site {knowledge.site.id})" if name in knowledge.overridden else "")
    body = {"name": name, "value": policy.value, "unit": policy.unit, "source": source}
    return {member: value for member, value in body.items() if value != ""}
