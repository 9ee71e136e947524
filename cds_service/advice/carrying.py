"""Which facts an answer rests on, and which unknown ones could have changed it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from cds_service.advice.model import Answer
from cds_service.engine import Findings
from cds_service.facts.model import Fact, Facts


def carrying(rule_id: str, findings: Findings, facts: Facts) -> Iterator[str]:
    """Names of the facts that made a rule hold, through the findings that it rests on, in the order of its conditions;
    a name may come twice."""
    outcome = findings.outcomes.get(rule_id)
    for name in outcome.holds if outcome else ():
        if name in facts:
            yield name
        else:
            yield from carrying(name, findings, facts)


def because(answer: Answer, findings: Findings, facts: Facts) -> tuple[Fact, ...]:
    """The known facts behind an answer; a dose by weight rests on the weight."""
    names = dict.fromkeys(carrying(answer.rule.id, findings, facts))
    if answer.plan is not None and answer.plan.weight_kg is not None:
        names["weight"] = None
    return tuple(facts[n] for n in names if facts[n].value is not None)


def lacking(findings: Findings, facts: Facts, names: Iterable[str], rules: Iterable[str]) -> tuple[Fact, ...]:
    """The unknown facts among `names`, and those that could change the result of one of the rules, each once."""
    wanted = dict.fromkeys(names)
    for rule in rules:
        if missing := findings.outcomes[rule].missing:
            wanted.update(dict.fromkeys(missing))
    return tuple(facts[n] for n in wanted if n in facts and facts[n].value is None)
