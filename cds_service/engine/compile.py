"""Compiles rules for durable: conjunctions of typed comparisons, and the one flat fact they ask about."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cds_service.engine.values import RuleBook, Scalar, finding_key, least_key, most_key
from cds_service.knowledge.model import Condition, RuleDefinition

Expression = dict[str, Any]
"""`{key: value}` for equality, `{"$gte": {key: value}}` and the like for the rest."""

SENTINEL = "sentinel"
"""Key of the second fact of every evaluation, and name of the rule that it fires."""

_SYMBOLS = {
    "is_": "",
    "is_not": "$neq",
    "at_least": "$gte",
    "above": "$gt",
    "at_most": "$lte",
    "below": "$lt",
}
_SIDES = {"$gte": "least", "$gt": "least", "$lte": "most", "$lt": "most"}
_OPPOSITE = {
    "is_": "is_not",
    "is_not": "is_",
    "at_least": "below",
    "below": "at_least",
    "above": "at_most",
    "at_most": "above",
}


@dataclass(frozen=True, slots=True)
class Ruleset:
    """One stratum for durable.

    `conditions`: compiled rule -> its conjunction; `rule_ids`: compiled rule -> rule.
    `values`: (name among the values, its bound that may stand for it, key of the flat fact) of everything compared;
    `known`: the same for everything whose being known is asked, always in the flat fact.
    """

    name: str
    conditions: Mapping[str, tuple[Expression, ...]]
    rule_ids: Mapping[str, str]
    values: tuple[tuple[str, str, str], ...]
    known: tuple[tuple[str, str], ...]

    def flat_fact(self, values: Mapping[str, Scalar]) -> dict[str, Scalar]:
        """The flat fact of one evaluation: only keys that these rules use, unknown ones left out."""
        fact: dict[str, Scalar] = {}
        for name, bound, key in self.values:
            if name in values:
                fact[key] = values[name]
            elif bound in values:
                fact[key] = values[bound]
        for name, key in self.known:
            fact[key] = name in values
        return fact


def compile_ruleset(book: RuleBook, name: str, rules: Iterable[RuleDefinition]) -> Ruleset:
    """Compile the rules of one stratum. Expects rules that passed `knowledge.checks`: few enough, keys apart."""
    keys = _Keys()
    conditions: dict[str, tuple[Expression, ...]] = {}
    rule_ids: dict[str, str] = {}
    for rule in rules:
        for compiled, expressions in _alternatives(book, rule, keys):
            conditions[compiled] = expressions
            rule_ids[compiled] = rule.id
    return Ruleset(name, conditions, rule_ids, tuple(keys.values.values()), tuple(keys.known.items()))


class _Keys:
    """Hands out keys of the flat fact: letters, digits and underscores only."""

    def __init__(self) -> None:
        self.values: dict[tuple[str, str], tuple[str, str, str]] = {}
        self.known: dict[str, str] = {}

    def value(self, condition: Condition, symbol: str = "") -> str:
        """The key of what is compared. Greater than something is also the least that a number can be, and less than it
        the most: each has a key of its own."""
        name, side = condition.fact or finding_key(condition.finding), _SIDES.get(symbol, "")
        bound = {"least": least_key, "most": most_key}[side](name) if side else name
        key = f"{condition.key}__{side}" if side else condition.key
        return self.values.setdefault((name, side), (name, bound, key))[2]

    def is_known(self, condition: Condition) -> str:
        name = condition.fact or finding_key(condition.finding)
        return self.known.setdefault(name, f"known_{condition.key}")


def _alternatives(book: RuleBook, rule: RuleDefinition, keys: _Keys) -> Iterator[tuple[str, tuple[Expression, ...]]]:
    """(name, conjunction) of every compiled rule: one, or one per list of `any` named `<id>#n`."""
    unless = [expression for c in rule.unless for expression in _expressions(book, c, keys, negated=True)]
    when = [expression for c in rule.when for expression in _expressions(book, c, keys)]
    if not rule.any:
        yield rule.id, _conjunction(when + unless)
    for n, option in enumerate(rule.any, start=1):
        own = [expression for c in option for expression in _expressions(book, c, keys)]
        yield f"{rule.id}#{n}", _conjunction(when + own + unless)


def _conjunction(expressions: list[Expression]) -> tuple[Expression, ...]:
    """Each comparison once: a repeated one only costs."""
    return tuple({repr(expression): expression for expression in expressions}.values())


def _expressions(book: RuleBook, condition: Condition, keys: _Keys, negated: bool = False) -> Iterator[Expression]:
    """One condition, or its negation; both hold only where the value is known (but for `known` itself)."""
    operand, name = book.operand(condition), condition.operator
    if name == "known":
        yield {keys.is_known(condition): bool(operand) is not negated}
        return
    if negated and isinstance(operand, bool):
        yield {keys.value(condition): not operand}
        return
    symbol = _SYMBOLS[_OPPOSITE[name] if negated else name]
    if symbol == "$neq":
        # durable skips comparisons of absent keys, `$neq` too; the flag makes us independent of that.
        yield {keys.is_known(condition): True}
    yield {symbol: {keys.value(condition, symbol): operand}} if symbol else {keys.value(condition): operand}
