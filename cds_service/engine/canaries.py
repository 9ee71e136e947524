"""Canaries: for each rule a state in which it must fire and one in which it must stay silent, for the running engine.

A rule that stops firing looks like a patient without a problem. The states are the first such cases beside the rule,
which people wrote and reviewed, so neither evaluator nor compiler has a say in what is expected. A case is written for
the thresholds as they are shipped: where a site has changed one, the case's value moves to the same side of the site's.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from cds_service.engine.values import Normaliser, Scalar, finding_key
from cds_service.knowledge import Knowledge
from cds_service.knowledge.model import Case, RuleDefinition, conditions

MUST: Mapping[str, bool] = {"fires": True, "silent": False}
"""What canaries are asked to do, and whether the rule fires then."""


@dataclass(frozen=True, slots=True)
class Canary:
    """One state of one rule. `name` is that of its case."""

    name: str
    values: Mapping[str, Scalar]
    fires: bool


@dataclass(frozen=True, slots=True)
class Dead:
    """A canary that did not do what it must, and why: never with a value of a patient, for there is none."""

    rule: str
    trouble: str


def canaries(knowledge: Knowledge) -> dict[str, tuple[Canary, ...]]:
    """Rule id, as it is evaluated -> its canaries: one that must fire and one that must not, if it has such cases."""
    normalise = Normaliser(knowledge.catalogue)
    found: dict[str, tuple[Canary, ...]] = {}
    for rule in knowledge.rules:
        group = knowledge.cases.get(rule.id, ())
        first = (next((case for case in group if case.result == result), None) for result in MUST)
        mine = tuple(_canary(knowledge, rule, case, normalise) for case in first if case is not None)
        found.update(dict.fromkeys(knowledge.occasions.names(rule), mine))
    return found


def lacking(rule_id: str, mine: Sequence[Canary]) -> Iterator[Dead]:
    """What a rule has no canary for."""
    for result, fires in MUST.items():
        if all(canary.fires is not fires for canary in mine):
            yield Dead(rule_id, f"no case with `result: {result}` is there to try")


def _canary(knowledge: Knowledge, rule: RuleDefinition, case: Case, normalise: Normaliser) -> Canary:
    facts = {name: _moved(knowledge, rule, name, value) for name, value in case.facts.items()}
    findings = {finding_key(name): value for name, value in case.findings.items()}
    return Canary(case.name, {**normalise(facts), **findings}, MUST[case.result])


def _moved(knowledge: Knowledge, rule: RuleDefinition, fact: str, value: Scalar) -> Scalar:
    """A case's value, moved to where it stands to this site's thresholds as it stands to the shipped ones."""
    here = dict(_thresholds(knowledge, rule, fact))
    if isinstance(value, bool | str) or all(each == other for each, other in here.items()):
        return value
    shipped = sorted(here)
    place = bisect_left(shipped, value)
    if value in here:
        return here[value]
    if place in (0, len(shipped)):  # below or above them all: as far away as before
        nearest = shipped[0 if place == 0 else -1]
        return value + here[nearest] - nearest
    between = (here[shipped[place - 1]] + here[shipped[place]]) / 2
    return round(between) if isinstance(value, int) else between


def _thresholds(knowledge: Knowledge, rule: RuleDefinition, fact: str) -> Iterator[tuple[float, float]]:
    """What a rule compares a number with: as shipped, and at this site."""
    as_shipped = replace(knowledge, policies=knowledge.shipped_policies)
    for _, condition in conditions(rule):
        shipped, here = as_shipped.operand(condition), knowledge.operand(condition)
        if condition.fact == fact and not isinstance(shipped, bool | str) and not isinstance(here, bool | str):
            yield shipped, here
