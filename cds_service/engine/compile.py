"""Compiles rules for durable: conjunctions of typed comparisons, and the one flat fact they ask about."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cds_service.engine.values import MAX_TEXT, RuleBook, Scalar, accepts, finding_key
from cds_service.errors import KnowledgeError
from cds_service.knowledge.model import Condition, RuleDefinition

Expression = dict[str, Any]
"""`{key: value}` for equality, `{"$gte": {key: value}}` and the like for the rest."""

MAX_COMPILED = 60
"""durable gives up (error 303) on a fact with more than 64 pending branches."""

MAX_KEYS = 240
"""durable refuses (error 302) messages of 255 properties."""

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
_OPPOSITE = {
    "is_": "is_not",
    "is_not": "is_",
    "at_least": "below",
    "below": "at_least",
    "above": "at_most",
    "at_most": "above",
}

_ORDERED = ("at_least", "above", "at_most", "below")
_ALLOWED: dict[str, tuple[tuple[str, ...], str, str]] = {
    "boolean": (("is_",), "boolean", "`is: true` or `is: false`"),
    "code": (("is_", "is_not"), "code", f"`is` or `isNot` with a text of at most {MAX_TEXT} characters"),
    "integer": (("is_", *_ORDERED), "number", "`is` or a bound with a number of at most 4 decimals"),
    "number": (("is_", *_ORDERED), "number", "`is` or a bound with a number of at most 4 decimals"),
}
"""Fact type -> operators allowed, type of the operand (a policy of 2.5 may bound an integer), wording."""


@dataclass(frozen=True, slots=True)
class Ruleset:
    """One stratum for durable.

    `conditions`: compiled rule -> its conjunction; `rule_ids`: compiled rule -> rule.
    `values`: (name among the values, key of the flat fact) of everything compared;
    `known`: the same for everything whose being known is asked, always in the flat fact.
    """

    name: str
    conditions: Mapping[str, tuple[Expression, ...]]
    rule_ids: Mapping[str, str]
    values: tuple[tuple[str, str], ...]
    known: tuple[tuple[str, str], ...]

    def flat_fact(self, values: Mapping[str, Scalar]) -> dict[str, Scalar]:
        """The flat fact of one evaluation: only keys that these rules use, unknown ones left out."""
        fact = {key: values[name] for name, key in self.values if name in values}
        for name, key in self.known:
            fact[key] = name in values
        return fact


def compile_ruleset(book: RuleBook, name: str, rules: Iterable[RuleDefinition]) -> Ruleset:
    """Compile the rules of one stratum; KnowledgeError says which limit was passed and what to do."""
    keys = _Keys()
    conditions: dict[str, tuple[Expression, ...]] = {}
    rule_ids: dict[str, str] = {}
    for rule in rules:
        for compiled, expressions in _alternatives(book, rule, keys):
            conditions[compiled] = expressions
            rule_ids[compiled] = rule.id
    if len(conditions) > MAX_COMPILED:
        most = ", ".join(f"{rule} ({n})" for rule, n in Counter(rule_ids.values()).most_common(3))
        raise KnowledgeError(
            f"rules: {name}: {len(conditions)} compiled rules (every `any` list is one), at most"
            f" {MAX_COMPILED} allowed; most are in {most}: move rules to another stratum or compute a fact"
        )
    _check_keys(name, [*keys.values.values(), *keys.known.values()])
    return Ruleset(name, conditions, rule_ids, tuple(keys.values.items()), tuple(keys.known.items()))


class _Keys:
    """Hands out keys of the flat fact: letters, digits and underscores only."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self.known: dict[str, str] = {}

    def value(self, condition: Condition) -> str:
        name = condition.fact or finding_key(condition.finding)
        return self.values.setdefault(name, _identifier(condition))

    def is_known(self, condition: Condition) -> str:
        name = condition.fact or finding_key(condition.finding)
        return self.known.setdefault(name, f"known_{_identifier(condition)}")


def _identifier(condition: Condition) -> str:
    kind, name = ("fact", condition.fact) if condition.fact else ("finding", condition.finding)
    return f"{kind}_{name.replace('-', '_')}"


def _alternatives(book: RuleBook, rule: RuleDefinition, keys: _Keys) -> Iterator[tuple[str, tuple[Expression, ...]]]:
    """(name, conjunction) of every compiled rule: one, or one per list of `any` named `<id>#n`."""
    unless = [expression for c in rule.unless for expression in _expressions(book, c, keys, negated=True)]
    when = [expression for c in rule.when for expression in _expressions(book, c, keys)]
    if not rule.any:
        yield rule.id, _conjunction(when + unless)
    for n, option in enumerate(rule.any, start=1):
        if not option:
            raise KnowledgeError(f"rules: {rule.id}: any: list {n} is empty; write a condition or remove the list")
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
    yield {symbol: {keys.value(condition): operand}} if symbol else {keys.value(condition): operand}


def check_condition(book: RuleBook, rule: RuleDefinition, condition: Condition) -> str:
    """What is wrong with one comparison: the fact's name, the operator or the operand; "" if nothing."""
    where = f"rules: {rule.id}: {condition.fact or condition.finding}"
    operand, operator = book.operand(condition), condition.operator
    definition = book.catalogue.facts.get(condition.fact)
    if condition.fact and definition is None:
        return f"{where}: not in the facts catalogue; see `rules/facts.yaml`"
    if operator == "known":
        return ""
    if definition is None:
        right = operator == "is_" and isinstance(operand, bool)
        return "" if right else f"{where}: a finding is compared with `is: true`, `is: false` or `known`"
    operators, kind, wording = _ALLOWED[definition.type]
    if operator not in operators or not accepts(definition, operand, kind):
        values = f", one of {', '.join(definition.values)}" if definition.values else ""
        return f"{where}: expected {wording}{values}; found {operator.rstrip('_')}: {operand!r}"
    return ""


def _check_keys(name: str, keys: list[str]) -> None:
    """durable tells keys apart by a 32-bit hash only."""
    if len(keys) > MAX_KEYS:
        raise KnowledgeError(
            f"rules: {name}: {len(keys)} facts and findings compared, at most {MAX_KEYS} allowed; use fewer"
        )
    reserved = (
        "id",
        "sid",
        "$s",
        "$m",
        SENTINEL,
        "$and",
        "$or",
        "$ex",
        "$nex",
        *filter(None, _SYMBOLS.values()),
    )
    hashes: dict[int, str] = {}
    for key in (*reserved, *keys):
        other = hashes.setdefault(_hash(key), key)
        if other != key:
            raise KnowledgeError(f"rules: {name}: durable cannot tell {key!r} from {other!r}; rename one of them")


def _hash(key: str) -> int:
    """32-bit FNV-1, in the variant that durable uses (xor, then multiply)."""
    value = 2166136261
    for byte in key.encode():
        value = ((value ^ byte) * 16777619) & 0xFFFFFFFF
    return value
