"""Evaluates rules with three-valued logic, independently of durable, and explains every result.

Nothing here is shared with the compiler for durable: both read the rules as the reviewer wrote them.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from cds_service.engine.values import RuleBook, Scalar, finding_key, least_key, most_key
from cds_service.knowledge.model import Condition, RuleDefinition, conditions

Truth = bool | None
Test = Callable[[Mapping[str, Scalar]], Truth]
Truths = tuple[Truth, ...]

_REMEMBERED = 64
"""Outcomes kept per rule, some 300 bytes each: few combinations come up again and again."""

_COMPARE: dict[str, Callable[[Scalar, Scalar], bool]] = {
    "is_": operator.eq,
    "is_not": operator.ne,
    "at_least": operator.ge,
    "above": operator.gt,
    "at_most": operator.le,
    "below": operator.lt,
}


# Which bound proves a comparison, and which refutes it.
_PROVES = {
    "at_least": (least_key, most_key),
    "above": (least_key, most_key),
    "at_most": (most_key, least_key),
    "below": (most_key, least_key),
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one rule, and why. Names are those of facts and of earlier findings, each once.

    `truth`: None is unknown.
    `holds`: their comparisons hold (an `unless` holds where it is proven absent).
    `fails`: they are known and kept the rule silent.
    `missing`: they are unknown and could still change the result.
    """

    truth: bool | None
    holds: tuple[str, ...]
    fails: tuple[str, ...]
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Literal:
    """One comparison of one rule: the name it asks for, where its truth stands, and whether it is negated."""

    name: str
    at: int
    negated: bool

    def truth(self, truths: Truths) -> Truth:
        value = truths[self.at]
        return value if value is None or not self.negated else not value


class Stratum:
    """The rules of one stratum: each distinct comparison is made once, and outcomes are remembered."""

    def __init__(self, book: RuleBook, rules: Iterable[RuleDefinition]) -> None:
        tests: dict[tuple[object, ...], tuple[int, Test]] = {}
        self._rules = tuple((rule.id, _Rule(book, rule, tests)) for rule in rules)
        self.rule_ids = tuple(rule_id for rule_id, _ in self._rules)
        self._tests = tuple(test for _, test in tests.values())

    def evaluate(self, values: Mapping[str, Scalar]) -> dict[str, Outcome]:
        """Rule id -> outcome. `values`: known facts by name, earlier findings by `finding_key`."""
        truths = [test(values) for test in self._tests]
        return {rule_id: rule.outcome(truths) for rule_id, rule in self._rules}


class _Rule:
    """One rule over the truths of its comparisons."""

    def __init__(self, book: RuleBook, rule: RuleDefinition, tests: dict[tuple[object, ...], tuple[int, Test]]) -> None:
        places: list[int] = []

        def literal(condition: Condition, negated: bool = False) -> _Literal:
            places.append(_place(book, condition, tests))
            return _Literal(condition.fact or condition.finding, len(places) - 1, negated)

        self._when = tuple(literal(condition) for condition in rule.when)
        self._any = tuple(tuple(literal(condition) for condition in option) for option in rule.any)
        self._unless = tuple(literal(condition, negated=True) for condition in rule.unless)
        self._places = tuple(places)
        self._remembered: dict[Truths, Outcome] = {}

    def outcome(self, truths: list[Truth]) -> Outcome:
        mine = tuple([truths[place] for place in self._places])
        known = self._remembered.get(mine)
        if known is None:
            if len(self._remembered) >= _REMEMBERED:
                self._remembered.clear()
            known = self._remembered[mine] = self._explain(mine)
        return known

    def _explain(self, truths: Truths) -> Outcome:
        required = self._when + self._unless
        options = [_all(literal.truth(truths) for literal in option) for option in self._any]
        one_of = _any(options) if options else True
        truth = _all([*(literal.truth(truths) for literal in required), one_of])
        holds = [literal for literal in self._when if literal.truth(truths)]
        fails = [literal for literal in required if literal.truth(truths) is False]
        missing = [literal for literal in required if literal.truth(truths) is None]
        for option, result in zip(self._any, options, strict=True):
            if result or not one_of:
                holds += [literal for literal in option if literal.truth(truths)]
            if one_of is False:
                fails += [literal for literal in option if literal.truth(truths) is False]
            if one_of is None and result is None:
                missing += [literal for literal in option if literal.truth(truths) is None]
        holds += [literal for literal in self._unless if literal.truth(truths)]
        return Outcome(
            truth,
            holds=_names(holds),
            fails=_names(fails) if truth is False else (),
            missing=_names(missing) if truth is None else (),
        )


def _names(literals: Iterable[_Literal]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(literal.name for literal in literals))


def _all(truths: Iterable[Truth]) -> Truth:
    """Kleene's and: false dominates."""
    seen = set(truths)
    return False if False in seen else None if None in seen else True


def _any(truths: Iterable[Truth]) -> Truth:
    """Kleene's or: true dominates."""
    seen = set(truths)
    return True if True in seen else None if None in seen else False


def _place(book: RuleBook, condition: Condition, tests: dict[tuple[object, ...], tuple[int, Test]]) -> int:
    """Where this comparison's truth will stand; comparisons that rules share are made once."""
    key = condition.fact or finding_key(condition.finding)
    operand = book.operand(condition)
    same = (key, condition.operator, type(operand), operand)
    if same not in tests:
        tests[same] = (len(tests), _test(key, condition.operator, operand))
    return tests[same][0]


def truths(book: RuleBook, rule: RuleDefinition, values: Mapping[str, Scalar]) -> Truths:
    """The truth of each comparison of a rule as it is written, in the order of its file: an `unless` is not turned
    round. `values` as in `Stratum.evaluate`."""
    return tuple(
        _test(c.fact or finding_key(c.finding), c.operator, book.operand(c))(values) for _, c in conditions(rule)
    )


def _test(key: str, operator_name: str, operand: Scalar) -> Test:
    """One comparison: unknown where the value is unknown, but `known` is always true or false."""
    if operator_name == "known":
        return lambda values: (key in values) is operand
    compare = _COMPARE[operator_name]

    def test(values: Mapping[str, Scalar]) -> Truth:
        value = values.get(key)
        return None if value is None else compare(value, operand)

    return _bounded(test, key, operator_name, operand) if operator_name in _PROVES else test


def _bounded(test: Test, key: str, operator_name: str, operand: Scalar) -> Test:
    """The same for a number of which only the least or the most is known: true or false where that decides."""
    compare, (proving, refuting) = _COMPARE[operator_name], _PROVES[operator_name]
    proves, refutes = proving(key), refuting(key)

    def decided(values: Mapping[str, Scalar]) -> Truth:
        truth = test(values)
        if truth is None:
            if proves in values and compare(values[proves], operand):
                return True
            if refutes in values and not compare(values[refutes], operand):
                return False
        return truth

    return decided
