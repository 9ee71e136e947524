"""What `anakinra-cds explain` tells of one examination, as data: the shape of its JSON, and what it prints."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal

import msgspec

from cds_service.advice.model import OrderAssessment
from cds_service.engine import Outcome
from cds_service.facts.model import Fact
from cds_service.knowledge import Knowledge
from cds_service.knowledge.model import Condition, RuleDefinition
from cds_service.tools.printing import figure

Result = Literal["fires", "silent", "unknown"]
_RESULTS: Final[Mapping[bool | None, Result]] = {True: "fires", False: "silent", None: "unknown"}
_OPERATORS: Final = {"is_": "=", "is_not": "is not", "at_least": ">=", "above": ">", "at_most": "<=", "below": "<"}


class Criterion(msgspec.Struct, frozen=True, rename={"sources": "from"}):
    """A fact or finding that a rule asks for. `value` None: unknown, and `why` says why; a finding has neither."""

    name: str
    kind: Literal["fact", "finding"]
    title: str
    asked: str
    value: bool | int | float | str | None
    unit: str
    why: str
    sources: tuple[str, ...]


class RuleReport(msgspec.Struct, frozen=True, rename="camel"):
    """What became of one rule. `because`: what holds; `silentBecause`: what kept it silent; `missing`: what is unknown
    and could still change the result."""

    id: str
    version: str
    stratum: str
    title: str
    decision: str
    result: Result
    because: tuple[Criterion, ...]
    silent_because: tuple[Criterion, ...]
    missing: tuple[Criterion, ...]


class OrderReport(msgspec.Struct, frozen=True, rename="camel"):
    """Every rule for one kind of order; `failure` and `disagreements` are empty where both evaluators agree."""

    order: str
    rules: tuple[RuleReport, ...]
    failure: str
    disagreements: tuple[str, ...]

    @property
    def sound(self) -> bool:
        """Whether the evaluators agree."""
        return not self.failure and not self.disagreements


def order_report(order: str, seen: OrderAssessment, knowledge: Knowledge) -> OrderReport:
    """The report of one kind of order, whose title is `order`; rules in the order in which they were evaluated."""
    outcomes = seen.findings.outcomes
    told = tuple(_rule(rule, outcomes[rule.id], seen.facts, knowledge) for rule in seen.rules if rule.id in outcomes)
    return OrderReport(order, told, seen.trouble, tuple(seen.findings.disagreements))


def _rule(rule: RuleDefinition, outcome: Outcome, facts: Mapping[str, Fact], knowledge: Knowledge) -> RuleReport:
    def criteria(names: tuple[str, ...]) -> tuple[Criterion, ...]:
        return tuple(_criterion(name, rule, facts, knowledge) for name in dict.fromkeys(names))

    return RuleReport(
        id=rule.id,
        version=rule.version,
        stratum=rule.stratum,
        title=rule.title,
        decision=rule.finding.decision or "",
        result=_RESULTS[outcome.truth],
        because=criteria(outcome.holds),
        silent_because=criteria(outcome.fails),
        missing=criteria(outcome.missing),
    )


def _criterion(name: str, rule: RuleDefinition, facts: Mapping[str, Fact], knowledge: Knowledge) -> Criterion:
    asked = " or ".join(dict.fromkeys(_questions(name, rule, knowledge)))
    fact = facts.get(name)
    if fact is None:
        return Criterion(name, "finding", name, asked, None, "", "", ())
    title = knowledge.catalogue.facts[name].title
    return Criterion(name, "fact", title, asked, fact.value, fact.unit, fact.why, fact.sources)


def _questions(name: str, rule: RuleDefinition, knowledge: Knowledge) -> Iterator[str]:
    """What the rule asks of a fact or finding; an `unless` asks for its opposite."""
    for condition in (*rule.when, *(c for option in rule.any for c in option)):
        if name in (condition.fact, condition.finding):
            yield asked(condition, knowledge)
    for condition in rule.unless:
        if name in (condition.fact, condition.finding):
            yield f"not {asked(condition, knowledge)}"


def asked(condition: Condition, knowledge: Knowledge) -> str:
    """A comparison in a few signs: `>= 8 [policy.tocilizumab-response-window]`."""
    if condition.operator == "known":
        return "known" if condition.known else "unknown"
    value: Any = knowledge.operand(condition)
    named = str(condition.operand)
    policy = f" [{named}]" if named.startswith("policy.") else ""
    return f"{_OPERATORS[condition.operator]} {figure(value, '')}{policy}"
