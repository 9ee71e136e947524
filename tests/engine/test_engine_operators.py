"""Every operator at its boundary, wanted and negated, in both evaluators."""

from __future__ import annotations

from typing import Any

import pytest
from engine_book import Book, rule, run, truth_of

from cds_service.engine import Engine, Scalar

BOUNDARIES: list[tuple[str, dict[str, Any], Scalar, bool]] = [
    ("grade", {"is": 2}, 2, True),
    ("grade", {"is": 2}, 3, False),
    ("grade", {"is": 0}, 0, True),
    ("grade", {"is": -1}, -1, True),
    ("grade", {"atLeast": 2}, 1, False),
    ("grade", {"atLeast": 2}, 2, True),
    ("grade", {"above": 2}, 2, False),
    ("grade", {"above": 2}, 3, True),
    ("grade", {"atMost": 2}, 2, True),
    ("grade", {"atMost": 2}, 3, False),
    ("grade", {"below": 2}, 1, True),
    ("grade", {"below": 2}, 2, False),
    ("grade", {"atLeast": 2.5}, 2, False),
    ("grade", {"atLeast": 2.5}, 3, True),
    ("crp", {"atLeast": 100}, 99.9999, False),
    ("crp", {"atLeast": 100}, 100, True),
    ("crp", {"atLeast": 100}, 100.0, True),
    ("crp", {"above": 0.1}, 0.1, False),
    ("crp", {"above": 0.1}, 0.1001, True),
    ("crp", {"atMost": -2.5}, -2.5, True),
    ("crp", {"below": -2.5}, -2.5, False),
    ("crp", {"below": 0}, -0.0, False),
    ("crp", {"is": 1}, 1.0, True),
    ("crp", {"is": 0.3}, 0.1 + 0.2, True),
    ("crp", {"atLeast": 999_999_999_999}, 999_999_999_998.5, False),
    ("crp", {"above": 0}, 1e-7, False),
    ("septic", {"is": True}, True, True),
    ("septic", {"is": True}, False, False),
    ("septic", {"is": False}, False, True),
    ("septic", {"is": False}, True, False),
    ("source", {"is": "asserted"}, "asserted", True),
    ("source", {"is": "asserted"}, "asserted ", False),
    ("source", {"is": "asserted"}, "assert", False),
    ("source", {"is": "asserted"}, "Asserted", False),
    ("source", {"is": "assert"}, "asserted", False),
    ("source", {"is": ""}, "", True),
    ("source", {"is": ""}, "x", False),
    ("source", {"is": 'a "b" \\ é'}, 'a "b" \\ é', True),
    ("source", {"is": "70"}, "65", False),
    ("source", {"isNot": "asserted"}, "derived", True),
    ("source", {"isNot": "asserted"}, "asserted", False),
    ("route", {"is": "iv"}, "iv", True),
    ("route", {"isNot": "iv"}, "subcutaneous", True),
    ("septic", {"known": True}, False, True),
    ("septic", {"known": False}, False, False),
]


@pytest.mark.parametrize(("fact", "comparison", "value", "holds"), BOUNDARIES)
def test_boundary(fact: str, comparison: dict[str, Any], value: Scalar, holds: bool) -> None:
    assert truth_of(rule(when=[{"fact": fact, **comparison}]), **{fact: value}) is holds


@pytest.mark.parametrize(("fact", "comparison", "value", "holds"), BOUNDARIES)
def test_boundary_of_the_negation(fact: str, comparison: dict[str, Any], value: Scalar, holds: bool) -> None:
    definition = rule(when=[{"fact": "dialysis", "is": True}], unless=[{"fact": fact, **comparison}])
    assert truth_of(definition, dialysis=True, **{fact: value}) is not holds


@pytest.mark.parametrize(("fact", "comparison"), [(f, c) for f, c, _, _ in BOUNDARIES if "known" not in c])
def test_unknown_never_holds_nor_its_negation(fact: str, comparison: dict[str, Any]) -> None:
    wanted = rule(when=[{"fact": fact, **comparison}])
    negated = rule(when=[{"fact": "dialysis", "is": True}], unless=[{"fact": fact, **comparison}])
    assert truth_of(wanted) is None
    assert truth_of(negated, dialysis=True) is None


def test_known_is_always_true_or_false() -> None:
    assert truth_of(rule(when=[{"fact": "crp", "known": True}])) is False
    assert truth_of(rule(when=[{"fact": "crp", "known": False}])) is True
    assert truth_of(rule(when=[{"fact": "crp", "known": False}], unless=[{"fact": "age", "known": True}])) is True


def test_a_policy_stands_for_its_value() -> None:
    engine = Engine(Book(rule(when=[{"fact": "crp", "atLeast": "policy.limit"}]), limit=8.5))
    assert run(engine, crp=8.5).fired == {"only"}
    assert not run(engine, crp=8.4).fired


def test_comparisons_that_differ_only_in_type_are_not_confused() -> None:
    """`True == 1` in Python, and durable shares nodes between equal comparisons."""
    book = Book(
        rule("one", when=[{"fact": "grade", "is": 1}]),
        rule("one-or-more", when=[{"fact": "grade", "atLeast": 1}]),
        rule("septic", when=[{"fact": "septic", "is": True}]),
        rule("text", when=[{"fact": "source", "is": "1"}]),
        rule("true-text", when=[{"fact": "source", "is": "true"}]),
    )
    engine = Engine(book)
    assert run(engine, grade=1, septic=False, source="true").fired == {"one", "one-or-more", "true-text"}
    assert run(engine, grade=2, septic=True, source="1").fired == {"one-or-more", "septic", "text"}


@pytest.mark.parametrize("unless", [False, True])
@pytest.mark.parametrize("side", ["least", "most"])
@pytest.mark.parametrize("operator", ["atLeast", "above", "atMost", "below"])
def test_a_bound_says_what_every_number_within_it_says_and_nothing_else(operator: str, side: str, unless: bool) -> None:
    """ ">16500" is above 10000, and nobody knows whether it is above 20000; `unless` the other way round."""
    condition = {"fact": "crp", operator: 5}
    body = {"when": [{"fact": "septic", "is": True}], "unless": [condition]} if unless else {"when": [condition]}
    engine = Engine(Book(rule(**body)))
    for bound in (3, 4.9999, 5, 5.0001, 7):
        within = [n for n in (0, 3, 4.9999, 5, 5.0001, 6, 7, 9) if (n >= bound if side == "least" else n <= bound)]
        said = {run(engine, septic=True, crp=number).outcomes["only"].truth for number in within}
        found = run(engine, **{"septic": True, f"{side}:crp": bound}).outcomes["only"].truth
        assert found is (said.pop() if len(said) == 1 else None), bound


def test_a_bound_is_no_known_value() -> None:
    assert truth_of(rule(when=[{"fact": "crp", "known": True}]), **{"least:crp": 5.0}) is False


def test_only_a_number_has_a_bound() -> None:
    with pytest.raises(TypeError):
        run(Engine(Book(rule(when=[{"fact": "grade", "atLeast": 2}]))), **{"least:grade": 2})
