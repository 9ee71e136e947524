"""Small rule books for the tests of the engine, and a reference evaluator written apart from it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cds_service.engine import Engine, Findings, Scalar
from cds_service.knowledge.model import Catalogue, Condition, RuleDefinition

HOOK, KIND = "order-select", "anakinra"
FACTS = {
    "grade": "integer",
    "crp": "number",
    "age": "number",
    "septic": "boolean",
    "allergic": "boolean",
    "pregnant": "boolean",
    "dialysis": "boolean",
    "source": "code",
    "route": "code",
}
VALUES = {"route": ("iv", "subcutaneous")}


class Book:
    """Stands in for `Knowledge`: only what the engine reads."""

    def __init__(self, *rules: RuleDefinition, **policies: Scalar) -> None:
        self.rules = rules
        self.catalogue = Catalogue.model_validate({"queries": {}, "facts": {n: _fact(n, t) for n, t in FACTS.items()}})
        self._policies = policies

    def operand(self, condition: Condition) -> Scalar:
        written = condition.operand
        if isinstance(written, str) and written.startswith("policy."):
            return self._policies[written.removeprefix("policy.")]
        return written


def _fact(name: str, kind: str) -> dict[str, Any]:
    return {"title": name, "type": kind, "from": {"computed": "course", "give": name}, "values": VALUES.get(name, ())}


def rule(rule_id: str = "only", stratum: str = "safety", **changes: Any) -> RuleDefinition:
    """A rule of one hook and order kind; conditions as a reviewer writes them."""
    fields = {
        "id": rule_id,
        "title": rule_id,
        "version": "1.0.0",
        "status": "active",
        "approvalDate": "",
        "lastReviewDate": "",
        "stratum": stratum,
        "hooks": [HOOK],
        "orders": [KIND],
        "rationale": "When a test says so, Then it holds.",
    }
    return RuleDefinition.model_validate(fields | changes)


def run(engine: Engine, **values: Scalar) -> Findings:
    """Evaluate and insist that both evaluators worked and agree."""
    found = engine.run(HOOK, KIND, values)
    assert found.failure == ""
    assert found.disagreements == ()
    assert found.fired == {rule_id for rule_id, outcome in found.outcomes.items() if outcome.truth is True}
    return found


def truth_of(definition: RuleDefinition, **values: Scalar) -> bool | None:
    """The truth of one rule on its own."""
    return run(Engine(Book(definition)), **values).outcomes[definition.id].truth


def reference(book: Book, values: Mapping[str, Scalar]) -> dict[str, bool | None]:
    """Every rule's truth by the plainest possible reading: -1 is false, 0 unknown, 1 true; `and` is min, `or` max."""
    truths: dict[str, int] = {}
    for each in book.rules:
        parts = [_compare(book, c, values, truths) for c in each.when]
        parts += [-_compare(book, c, values, truths) for c in each.unless]
        if each.any:
            parts.append(
                max(min((_compare(book, c, values, truths) for c in option), default=1) for option in each.any)
            )
        truths[each.id] = min(parts)
    return {rule_id: {-1: False, 0: None, 1: True}[truth] for rule_id, truth in truths.items()}


def _compare(book: Book, condition: Condition, values: Mapping[str, Scalar], truths: Mapping[str, int]) -> int:
    right: Any = book.operand(condition)
    if condition.fact:
        known, left = condition.fact in values, values.get(condition.fact)
    else:
        known, left = truths[condition.finding] != 0, truths[condition.finding] == 1
    if condition.operator == "known":
        return 1 if known == right else -1
    if not known:
        return 0
    assert left is not None
    holds = {
        "is_": left == right,
        "is_not": left != right,
        "at_least": condition.operator == "at_least" and left >= right,
        "above": condition.operator == "above" and left > right,
        "at_most": condition.operator == "at_most" and left <= right,
        "below": condition.operator == "below" and left < right,
    }[condition.operator]
    return 1 if holds else -1
