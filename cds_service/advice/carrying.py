"""Which facts an answer rests on, and which unknown ones could have changed it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from cds_service.advice.model import Answer, Missing
from cds_service.contract import INSUFFICIENT
from cds_service.engine import Findings
from cds_service.facts.model import Fact, Facts
from cds_service.knowledge.model import RuleDefinition


def carrying(rule_id: str, findings: Findings, facts: Facts) -> tuple[str, ...]:
    """Names of the facts that made a rule hold, through the findings that it rests on, in the order of its conditions,
    each once."""
    return tuple(dict.fromkeys(_carrying(rule_id, findings, facts, set())))


def _carrying(rule_id: str, findings: Findings, facts: Facts, seen: set[str]) -> Iterator[str]:
    outcome = findings.outcomes.get(rule_id)
    for name in outcome.holds if outcome else ():
        if name in facts:
            yield name
        elif name not in seen:  # several findings may rest on one
            seen.add(name)
            yield from _carrying(name, findings, facts, seen)


def because(answer: Answer, findings: Findings, facts: Facts) -> tuple[Fact, ...]:
    """The known facts behind an answer; a dose by weight rests on the weight."""
    names = dict.fromkeys(carrying(answer.rule.id, findings, facts))
    if answer.plan is not None and answer.plan.weight_kg is not None:
        names["weight"] = None
    return tuple(facts[n] for n in names if facts[n].value is not None or facts[n].is_bounded)


def lacking(findings: Findings, facts: Facts, names: Iterable[str], rules: Iterable[str]) -> tuple[Fact, ...]:
    """The unknown facts among `names`, and those that could change the result of one of the rules, each once."""
    wanted = dict.fromkeys(names)
    for rule in rules:
        if missing := findings.outcomes[rule].missing:
            wanted.update(dict.fromkeys(missing))
    return tuple(facts[n] for n in wanted if n in facts and facts[n].value is None)


def stating(missing: Sequence[Missing]) -> RuleDefinition:
    """The rule that says all that is missing: one that says so itself, where there is one."""
    return next((m.rule for m in missing if m.rule.finding.decision == INSUFFICIENT), missing[0].rule)
