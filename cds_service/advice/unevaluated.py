"""The answer where the rules could not be evaluated: said, nothing offered, every block that was found still shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cds_service.advice.model import Answer, OrderAssessment
from cds_service.contract import INSUFFICIENT, UNEVALUATED
from cds_service.engine import Findings
from cds_service.facts.model import Fact
from cds_service.knowledge.model import Finding, RuleDefinition
from cds_service.knowledge.occasions import Occasion

# A rule of the service itself. It has no file: no content is left to trust.
RULE = RuleDefinition.model_construct(
    id=UNEVALUATED, title="The rules could not be evaluated", version="1.0.0", status="active",
    stratum="safety", hooks=("order-select", "order-sign", "patient-view"), orders=(), rationale="", card=UNEVALUATED,
    evidence=(), policies=(), limits=(), pathway="", regimen="", when=(), any=(), unless=(), finding=Finding(),
)  # fmt: skip
NOTHING_FOUND = Findings({}, frozenset(), (), "")


def unevaluated(
    occasion: Occasion, rules: Sequence[RuleDefinition], facts: Mapping[str, Fact], findings: Findings, trouble: str
) -> OrderAssessment:
    """The assessment of an order whose evaluation failed on the way. `trouble` says in plain words what failed."""
    blocks = [
        Answer("block", rule.finding.indicator, rule, occasion)
        for rule in rules
        if rule.finding.decision == "block" and rule.finding.indicator and is_found(rule, findings)
    ]
    answers = (
        *sorted(blocks, key=lambda a: a.indicator != "critical"),
        Answer(INSUFFICIENT, "warning", RULE, occasion),
    )
    return OrderAssessment(occasion, tuple(rules), facts, findings, answers, trouble=trouble)


def is_found(rule: RuleDefinition, findings: Findings) -> bool:
    """Whether either of the two evaluators found that a rule holds."""
    outcome = findings.outcomes.get(rule.id)
    return rule.id in findings.fired or (outcome is not None and outcome.truth is True)
