"""The exported conditions mean what the rules mean: a FHIRPath engine that knows nothing of ours evaluates them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import fhirpathpy
import pytest

from cds_service.knowledge import Knowledge
from cds_service.knowledge.model import Condition, RuleDefinition
from cds_service.tools.commands.check import result_of
from cds_service.tools.export.fhirpath import comparison, expressions
from tests.support.exported import Resources

UNKNOWN: list[Any] = []
RESULTS = {(True,): "fires", (False,): "silent", (): "unknown"}
Scalar = bool | int | float | str


def compiled(written: list[str]) -> Callable[[Mapping[str, Any]], str]:
    """What an applicability of all these conditions says to environment variables."""
    whole = " and ".join(f"({expression})" for expression in written)
    evaluate: Any = fhirpathpy.compile(whole)

    def result(environment: Mapping[str, Any]) -> str:
        return RESULTS[tuple(evaluate({}, dict(environment)))]

    return result


def conditions(resources: Resources, rule: RuleDefinition) -> list[str]:
    (action,) = resources[f"PlanDefinition/{rule.id}"]["action"]
    return [condition["expression"]["expression"] for condition in action["condition"]]


def environment(
    resources: Resources, facts: Mapping[str, Scalar], findings: Mapping[str, bool]
) -> dict[str, Scalar | list[Any]]:
    """Every variable that the libraries promise, from the libraries alone; what a case leaves out is unknown."""
    variables: dict[str, Any] = {p["name"]: UNKNOWN for p in resources["Library/facts"]["parameter"]}
    for parameter in resources["Library/policies"]["parameter"]:
        value = parameter["extension"][0]["extension"][0]
        variables[parameter["name"]] = (
            value["valueQuantity"]["value"] if "valueQuantity" in value else value["valueBoolean"]
        )
    plans = [name.partition("/")[2] for name in resources if name.startswith("PlanDefinition/")]
    variables |= {f"finding.{plan}": UNKNOWN for plan in plans}
    told = {**facts, **{f"finding.{name}": value for name, value in findings.items()}}
    assert told.keys() <= variables.keys()
    return variables | told


def test_every_case_of_every_rule(ours: Knowledge, resources: Resources) -> None:
    count = 0
    for rule in ours.rules:
        evaluate = compiled(conditions(resources, rule))
        for case in ours.cases[rule.id]:
            found = evaluate(environment(resources, case.facts, case.findings))
            assert found == case.result, f"{rule.id}: {case.name}"
            count += 1
    assert count == sum(len(cases) for cases in ours.cases.values()) > len(ours.rules)


def test_cases_with_one_value_more_unknown(ours: Knowledge, resources: Resources) -> None:
    """Where cases say nothing, our own evaluator is asked: each case again, with each of its values left out."""
    for rule in ours.rules:
        evaluate = compiled(conditions(resources, rule))
        for case in ours.cases[rule.id]:
            for name in case.facts:
                fewer = case.model_copy(update={"facts": {k: v for k, v in case.facts.items() if k != name}})
                found = evaluate(environment(resources, fewer.facts, fewer.findings))
                assert found == result_of(ours, rule, fewer), f"{rule.id}: {case.name}, without {name}"


FACT: Any = {"fact": "a-fact"}
OPERATORS = [
    # condition, what each value makes of it
    ({**FACT, "is": True}, {True: "fires", False: "silent"}),
    ({**FACT, "is": False}, {True: "silent", False: "fires"}),
    ({**FACT, "is": 2}, {1: "silent", 2: "fires", 3: "silent"}),
    ({**FACT, "is": "it's \\ so"}, {"it's \\ so": "fires", "it's so": "silent"}),
    ({**FACT, "is": "rose"}, {"rose": "fires", "fell": "silent"}),
    ({**FACT, "isNot": "rose"}, {"rose": "silent", "fell": "fires"}),
    ({**FACT, "atLeast": 2}, {1: "silent", 2: "fires", 2.5: "fires"}),
    ({**FACT, "above": 2.5}, {2: "silent", 2.5: "silent", 3: "fires"}),
    ({**FACT, "atMost": 2}, {1.9: "fires", 2: "fires", 3: "silent"}),
    ({**FACT, "below": -1.5}, {-2: "fires", -1.5: "silent", 0: "silent"}),
    ({**FACT, "below": 0.00001}, {0: "fires", 0.0001: "silent"}),
    ({**FACT, "below": 1e21}, {10**12: "fires"}),
    ({**FACT, "atLeast": "policy.limit"}, {9: "silent", 10: "fires"}),
    ({"finding": "a-rule", "is": True}, {True: "fires", False: "silent"}),
]
OPPOSITE = {"fires": "silent", "silent": "fires", "unknown": "unknown"}


@pytest.mark.parametrize(("members", "results"), OPERATORS, ids=[str(members) for members, _ in OPERATORS])
def test_an_operator(members: dict[str, Any], results: dict[Any, str]) -> None:
    condition = Condition.model_validate(members)
    name = "finding.a-rule" if condition.finding else "a-fact"
    said, negated = compiled([comparison(condition)]), compiled([f"({comparison(condition)}).not()"])
    for value, expected in [*results.items(), (None, "unknown")]:
        variables = {name: UNKNOWN if value is None else value, "policy.limit": 10}
        assert said(variables) == expected
        assert negated(variables) == OPPOSITE[expected]


def test_whether_a_fact_is_known_is_always_answered() -> None:
    for known, expected in ((True, ("fires", "silent")), (False, ("silent", "fires"))):
        evaluate = compiled([comparison(Condition(fact="a-fact", known=known))])
        assert (evaluate({"a-fact": False}), evaluate({"a-fact": UNKNOWN})) == expected


KLEENE = [(a, b) for a in (True, False, None) for b in (True, False, None)]


@pytest.mark.parametrize(("a", "b"), KLEENE)
def test_alternatives_and_exceptions(a: bool | None, b: bool | None) -> None:
    """`any` is or, a list of it is and, `unless` is not; unknown is neither."""
    first, second = Condition(fact="a", is_=True), Condition(fact="b", is_=True)
    rule = {"when": (), "any": (), "unless": ()}
    variables = {"a": UNKNOWN if a is None else a, "b": UNKNOWN if b is None else b}
    either = RuleDefinition.model_construct(**{**rule, "any": ((first,), (second,))})
    both = RuleDefinition.model_construct(**{**rule, "any": ((first, second),)})
    except_for = RuleDefinition.model_construct(**{**rule, "when": (first,), "unless": (second,)})
    for shape, expected in ((either, _or(a, b)), (both, _and(a, b)), (except_for, _and(a, _not(b)))):
        truth = (expected,) if expected is not None else ()
        assert compiled(list(expressions(shape)))(variables) == RESULTS[truth]


def _and(a: bool | None, b: bool | None) -> bool | None:
    return False if False in (a, b) else None if None in (a, b) else True


def _not(a: bool | None) -> bool | None:
    return None if a is None else not a


def _or(a: bool | None, b: bool | None) -> bool | None:
    return _not(_and(_not(a), _not(b)))
