"""The status of a patient for whom nothing is ordered: what the rules found, as one answer that orders nothing."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from cds_service.advice.carrying import because
from cds_service.advice.model import Answer
from cds_service.advice.together import rank
from cds_service.contract import INSUFFICIENT, NO_RESCUE, STATUS, Indicator
from cds_service.engine import Findings
from cds_service.facts.model import Facts
from cds_service.knowledge.model import RuleDefinition
from cds_service.knowledge.occasions import Occasion


@dataclass(frozen=True, slots=True)
class Seen:
    """What a status tells: the pathway's answer, and what holds beside it.

    `unread`: a query was not read that leaves a stop, a review or a screen open. `without_toxicity` are the pathways
    that answer where there is nothing to rescue from.
    """

    pathway: Answer | None
    beside: Sequence[Answer]
    unread: bool
    without_toxicity: Collection[str]


def rule_of(rules: Sequence[RuleDefinition]) -> RuleDefinition | None:
    """The rule that gives a status, where one is asked for."""
    return next((rule for rule in rules if rule.finding.decision == STATUS), None)


def told(rule: RuleDefinition, occasion: Occasion, seen: Seen, findings: Findings, facts: Facts) -> Answer:
    """The status; doses are left to orders."""
    found = (*seen.beside, *((seen.pathway,) if seen.pathway else ()))
    plain = tuple(replace(a, regimen=None, plan=None, alternatives=()) for a in sorted(found, key=rank))
    answer = Answer(STATUS, _indicator(rule, seen), rule, occasion, found=plain)
    if seen.pathway is not None:
        answer = replace(answer, until=seen.pathway.until, reevaluate_at=seen.pathway.reevaluate_at)
    basis = dict.fromkeys(fact for each in (answer, *plain) for fact in because(each, findings, facts))
    return replace(answer, because=tuple(basis))


def _indicator(rule: RuleDefinition, seen: Seen) -> Indicator:
    """Critical where waiting is, and where a hard stop stands against rescue; a warning where a review, a screen or
    another stop holds, or what must be known is not. What is suggested is news, and no warning."""
    waits = seen.pathway is not None and seen.pathway.decision == "wait" and seen.pathway.indicator == "critical"
    if waits or any(_stops_rescue(answer, seen) for answer in seen.beside):
        return "critical"
    if seen.beside or seen.unread or (seen.pathway is not None and _asks_a_person(seen.pathway)):
        return "warning"
    return rule.finding.indicator or "info"


def _stops_rescue(answer: Answer, seen: Seen) -> bool:
    """A severe stop wherever a toxicity is at hand; any stop where rescue is asked for. Where no pathway answers,
    because something is unknown or is for a person, either may be so."""
    if answer.decision != "block":
        return False
    if seen.pathway is None:
        return any(each.decision in (INSUFFICIENT, "review") for each in seen.beside)
    severe = answer.indicator == "critical" and seen.pathway.rule.pathway not in seen.without_toxicity
    return severe or seen.pathway.decision not in NO_RESCUE


def _asks_a_person(pathway: Answer) -> bool:
    return pathway.decision == "review" or (pathway.decision in NO_RESCUE and pathway.indicator == "warning")
