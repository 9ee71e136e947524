"""Every case beside a rule is a test of that rule, by both evaluators, named `<rule-id>: <name of the case>`."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import replace

import pytest

from cds_service.engine.compile import Ruleset, compile_ruleset
from cds_service.engine.durable import Hosts
from cds_service.engine.values import Normaliser, finding_key
from cds_service.knowledge import Knowledge
from cds_service.knowledge.model import Case, RuleDefinition
from cds_service.tools.commands.check import result_of
from tests.support.shipped import inspection


@functools.cache
def knowledge() -> Knowledge:
    """The files of this checkout with the policy values that the cases are written for."""
    found = inspection()
    assert found.knowledge is not None, "\n".join(found.problems)
    return replace(found.knowledge, policies=found.knowledge.shipped_policies)


def cases() -> Iterator[object]:
    """Every case of every rule; none where the files cannot be read, which tests/test_collection.py reports."""
    if inspection().knowledge is None:
        return
    for rule in knowledge().rules:
        for case in knowledge().cases.get(rule.id, ()):
            yield pytest.param(rule, case, id=f"{rule.id}: {case.name}")


@pytest.mark.parametrize(("rule", "case"), list(cases()))
def test_case(rule: RuleDefinition, case: Case) -> None:
    assert result_of(knowledge(), rule, case) == case.result


@pytest.fixture(scope="module")
def hosts() -> Hosts:
    return Hosts()


@functools.cache
def ruleset(rule: RuleDefinition) -> Ruleset:
    """The one rule, compiled for durable-rules."""
    return compile_ruleset(knowledge(), "case_" + rule.id.replace("-", "_"), [rule])


@pytest.mark.parametrize(("rule", "case"), list(cases()))
def test_case_in_durable_rules(rule: RuleDefinition, case: Case, hosts: Hosts) -> None:
    values = Normaliser(knowledge().catalogue)(case.facts)
    values.update({finding_key(name): value for name, value in case.findings.items()})
    host = hosts.take()
    fired = host.run(ruleset(rule), values)
    hosts.give(host)
    assert (rule.id in fired) == (case.result == "fires")
