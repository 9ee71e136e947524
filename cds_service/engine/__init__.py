"""Evaluates the rules on one patient's facts: in durable-rules, and independently in three-valued logic."""

from __future__ import annotations

import logging
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass

from cds_service.engine.canaries import Canary, Dead, lacking
from cds_service.engine.compile import Ruleset, compile_ruleset
from cds_service.engine.durable import Hosts
from cds_service.engine.logic import Outcome, Stratum, Truths, truths
from cds_service.engine.values import Normaliser, RuleBook, Scalar, finding_key
from cds_service.knowledge.model import STRATA, RuleDefinition, runs_at

__all__ = ["Engine", "Findings", "Outcome", "RuleBook", "Scalar", "Truths"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Findings:
    """What both evaluators found.

    `outcomes`: rule id -> outcome by the independent evaluator, all strata, in order.
    `fired`: ids of the rules that durable-rules fired.
    `disagreements`: ids of the rules on which the two differ.
    `failure`: "" or what went wrong in durable-rules; then `fired` and `disagreements` are empty.
    """

    outcomes: Mapping[str, Outcome]
    fired: frozenset[str]
    disagreements: tuple[str, ...]
    failure: str


@dataclass(frozen=True, slots=True)
class _Step:
    """One stratum, compiled for both evaluators."""

    logic: Stratum
    ruleset: Ruleset


@dataclass(frozen=True, slots=True)
class _Plan:
    """The rules of one hook and order kind."""

    rules: tuple[RuleDefinition, ...]
    steps: tuple[_Step, ...]


_EMPTY = _Plan((), ())


class Engine:
    """All rules, compiled once. Safe to use from several threads and after a fork."""

    def __init__(self, knowledge: RuleBook, off: Container[str] = ()) -> None:
        """Compile every rule that is not retired. Expects rules that passed `knowledge.checks`.

        `off` are ids of rules that are checked and never evaluated.
        """
        self._book = knowledge
        self._normalise = Normaliser(knowledge.catalogue)
        self._hosts = Hosts()
        self._plans: dict[tuple[str, str], _Plan] = {}
        active = [rule for rule in knowledge.rules if rule.status != "retired" and rule.id not in off]
        steps: dict[tuple[RuleDefinition, ...], _Step] = {}
        for hook, kind in dict.fromkeys((h, k) for rule in active for h in rule.hooks for k in _kinds(rule)):
            rules = tuple(rule for rule in active if runs_at(rule, hook) and kind in _kinds(rule))
            self._plans[hook, kind] = _plan(knowledge, rules, f"{hook}_{kind}", steps)

    def rules(self, hook: str, kind: str) -> tuple[RuleDefinition, ...]:
        """The rules of a hook and an order kind ("" for rules without orders), in order of evaluation."""
        return self._plans.get((hook, kind), _EMPTY).rules

    def warm(self) -> None:
        """Prepare a host with all rulesets, so that the first request does not wait. Call it after a fork."""
        host = self._hosts.take()
        host.run_all(self._rulesets().values(), {})
        self._hosts.give(host)

    def dead(self, canaries: Mapping[str, tuple[Canary, ...]]) -> tuple[Dead, ...]:
        """The canaries, by rule id, that this process's evaluators do not answer as they must. Raises nothing.

        Each rule is tried in every ruleset that it is compiled into.
        """
        steps = {id(step): step for plan in self._plans.values() for step in plan.steps}.values()
        ids = dict.fromkeys(rule_id for step in steps for rule_id in step.logic.rule_ids)
        found = [dead for rule_id in ids for dead in lacking(rule_id, canaries.get(rule_id, ()))]
        for step in steps:
            for rule_id in step.logic.rule_ids:
                found += self._dead_of(step, rule_id, canaries.get(rule_id, ()))
        return tuple(dict.fromkeys(found))

    def _dead_of(self, step: _Step, rule_id: str, canaries: tuple[Canary, ...]) -> Iterator[Dead]:
        for canary in canaries:
            must = "fire" if canary.fires else "stay silent"
            truth = step.logic.evaluate(canary.values)[rule_id].truth
            if truth is not canary.fires:
                yield Dead(rule_id, f"must {must} on its case {canary.name!r}, and does not")
            try:
                host = self._hosts.take()
                fired = rule_id in host.run_all((step.ruleset,), canary.values)
            except Exception as error:
                self._hosts.drop()
                yield Dead(rule_id, f"could not be tried: {_describe(error)}")
                continue
            self._hosts.give(host)
            if fired is not canary.fires:
                yield Dead(rule_id, f"must {must} in durable-rules on its case {canary.name!r}, and does not")

    def set_apart(self) -> None:
        """From now on run durable-rules in processes of their own. Call it after a fork, before there are threads."""
        from cds_service.engine.apart import Nursery

        self._hosts = Hosts(Nursery(self._rulesets()).host)

    def _rulesets(self) -> dict[str, Ruleset]:
        return {step.ruleset.name: step.ruleset for plan in self._plans.values() for step in plan.steps}

    def run(self, hook: str, kind: str, values: Mapping[str, Scalar]) -> Findings:
        """Evaluate one patient's known facts (kebab-case name -> value; unknown ones left out).

        TypeError: a value is not of its fact's type. Failures of durable-rules are reported, never raised.
        """
        plan = self._plans.get((hook, kind), _EMPTY)
        known = self._normalise(values)
        outcomes: dict[str, Outcome] = {}
        for step in plan.steps:
            results = step.logic.evaluate(known)
            outcomes.update(results)
            _add_findings(known, results)
        if not plan.steps:
            return Findings(outcomes, frozenset(), (), "")
        try:
            fired, disagreements = self._run_durable(plan, known, outcomes)
        except Exception as error:  # whatever it is, the independent evaluator's answer stands and is marked
            self._hosts.drop()
            failure = _describe(error)
            _log.error("rules of %s for %s: %s", hook, kind, failure)
            return Findings(outcomes, frozenset(), (), failure)
        return Findings(outcomes, fired, disagreements, "")

    def truths(
        self, rules: Iterable[RuleDefinition], values: Mapping[str, Scalar], outcomes: Mapping[str, Outcome]
    ) -> dict[str, Truths]:
        """Rule id -> the truth of each of its comparisons as written, in the order of its file: of the `values` that a
        run evaluated, and the `outcomes` that it found."""
        known = self._normalise(values)
        _add_findings(known, outcomes)
        return {rule.id: truths(self._book, rule, known) for rule in rules}

    def _run_durable(
        self, plan: _Plan, known: dict[str, Scalar], outcomes: Mapping[str, Outcome]
    ) -> tuple[frozenset[str], tuple[str, ...]]:
        """(fired, disagreements). A finding that the two see differently is unknown to later strata."""
        host = self._hosts.take()
        fired: set[str] = set()
        disagreements: tuple[str, ...] = ()
        left = plan.steps
        while left:
            # `known` holds every finding already: while the two agree, no stratum waits for another.
            found = host.run_all([step.ruleset for step in left], known)
            differ: list[str] = []
            while left and not differ:
                ids, left = left[0].logic.rule_ids, left[1:]
                fired.update(rule_id for rule_id in ids if rule_id in found)
                differ = [i for i in ids if (outcomes[i].truth is True) is not (i in found)]
            for rule_id in differ:
                known.pop(finding_key(rule_id), None)
            disagreements += tuple(differ)
        self._hosts.give(host)
        return frozenset(fired), disagreements


def _kinds(rule: RuleDefinition) -> tuple[str, ...]:
    """The kinds of order for which it is to be compiled ("" for a rule without orders)."""
    return tuple(scope for scope in rule.orders if isinstance(scope, str)) or ("",)


def _add_findings(known: dict[str, Scalar], results: Mapping[str, Outcome]) -> None:
    """Findings are facts of later strata; an unknown one is left out like any unknown fact."""
    for rule_id, outcome in results.items():
        if outcome.truth is not None:
            known[finding_key(rule_id)] = outcome.truth


def _describe(error: Exception) -> str:
    """The first thing that went wrong: deleting the session may fail after it."""
    first = error.__context__ or error
    return f"{type(first).__name__}: {first}"


def _plan(
    knowledge: RuleBook, rules: tuple[RuleDefinition, ...], name: str, steps: dict[tuple[RuleDefinition, ...], _Step]
) -> _Plan:
    """Compile stratum by stratum; strata of the same rules, such as those of two hooks, share one ruleset."""
    ordered: list[RuleDefinition] = []
    mine: list[_Step] = []
    for stratum in STRATA:
        members = tuple(rule for rule in rules if rule.stratum == stratum)
        if not members:
            continue
        ordered += members
        if members not in steps:
            ruleset = compile_ruleset(knowledge, f"{name}_{stratum}".replace("-", "_").replace("/", "_"), members)
            steps[members] = _Step(Stratum(knowledge, members), ruleset)
        mine.append(steps[members])
    return _Plan(tuple(ordered), tuple(mine))
