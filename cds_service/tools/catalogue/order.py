"""Rules and cards in the order in which the public contract decides: hard stops first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from cds_service.contract import OWN_CARD, PATHWAY, RANK, SEVERITY, UNEVALUATED
from cds_service.knowledge import Knowledge
from cds_service.knowledge.model import RuleDefinition

# (decision that stands for its rank, title, what it means for the others)
RANKS: Final = (
    ("block", "Blocks", "A contraindication. Nothing is suggested beside it, whatever else is known or missing."),
    ("order-exceeds-max", "More than the daily maximum", "The order is stopped; a lower dose may be offered."),
    ("duplicate", "Already active or ordered", "The combined dose is stated; no second order is offered."),
    ("vaccine-warning", "Live vaccines", "While the drug is active or ordered."),
    ("insufficient-data", "Something needed is unknown", "Unknown is never taken for no. Nothing is suggested."),
    ("review", "A person decides first", "What was found is stated; nothing is suggested."),
    ("suggest", "The pathway's own answer", "One pathway answers: the first of these whose rules hold."),
    ("order-ok", "The order fits", "A complete draft that is a permitted regimen of the pathway."),
    ("caution", "Cautions", "They stand beside the answer and do not change it."),
    ("monitoring", "Monitoring", "Orders that go with the answer, each its own choice."),
    ("status", "Where the patient stands", "Without an order: the one card when a chart is opened. It orders nothing."),
)
_FINDINGS: Final = "Findings that other rules build on"
PARTS: Final = "Words that stand on other cards"
CARD_GROUPS: Final = (*(title for _, title, _ in RANKS), PARTS)


@dataclass(frozen=True, slots=True)
class Step:
    """One rank of the contract; `groups` are (pathway or "", rules), the most severe first."""

    anchor: str
    title: str
    meaning: str
    groups: tuple[tuple[str, tuple[RuleDefinition, ...]], ...]


def steps(knowledge: Knowledge) -> Iterator[Step]:
    """Every rule, once, by the rank of its decision; those without one last."""
    for decision, title, meaning in RANKS:
        of_rank = [r for r in knowledge.rules if r.finding.decision and RANK[r.finding.decision] == RANK[decision]]
        if decision in PATHWAY:
            by_pathway = ((name, [r for r in of_rank if r.pathway == name]) for name in knowledge.orders.pathways)
            named = [(name, rules) for name, rules in by_pathway if rules]
            groups = [*named, ("", [r for r in of_rank if r.pathway not in dict(named)])]
        else:
            groups = [("", of_rank)]
        if of_rank:
            yield Step(decision, title, meaning, tuple((name, _ranked(rules)) for name, rules in groups if rules))
    if found := [rule for rule in knowledge.rules if rule.finding.decision is None]:
        yield Step("findings", _FINDINGS, "They decide nothing themselves.", (("", _ranked(found)),))


def _ranked(rules: Iterable[RuleDefinition]) -> tuple[RuleDefinition, ...]:
    return tuple(sorted(rules, key=lambda rule: (severity(rule), rule.title)))


def severity(rule: RuleDefinition) -> int:
    """0 for the most severe; what has no indicator comes last."""
    return SEVERITY.get(rule.finding.indicator or "", len(SEVERITY))


def drawn(knowledge: Knowledge) -> tuple[str, ...]:
    """The pathways with rules that decide, in the order in which they answer."""
    deciding = {rule.pathway for rule in knowledge.rules if rule.finding.decision}
    return tuple(name for name in knowledge.orders.pathways if name in deciding)


def card_group(knowledge: Knowledge, name: str) -> str:
    """Which of CARD_GROUPS a card belongs to: the hardest decision that it words."""
    own = (rule.finding.decision for rule in knowledge.rules if rule.card == name)
    decisions: list[str] = [decision for decision in own if decision]
    if name == UNEVALUATED:
        decisions = ["insufficient-data"]
    elif name in OWN_CARD:
        decisions = [name]
    if not decisions:
        return PARTS
    rank = min(RANK[decision] for decision in decisions)
    return next(title for decision, title, _ in RANKS if RANK[decision] == rank)
