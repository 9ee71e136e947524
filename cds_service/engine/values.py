"""What a fact's value may be: strict types by the catalogue, checked once for both evaluators."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Protocol

from cds_service.knowledge.checks.comparisons import DECIMALS, MAX_NUMBER, MAX_TEXT
from cds_service.knowledge.model import Catalogue, Condition, FactDefinition, RuleDefinition

Scalar = bool | int | float | str


def finding_key(rule_id: str) -> str:
    """Where a finding stands among the values; a fact may have the same name as a rule."""
    return f"finding:{rule_id}"


def least_key(name: str) -> str:
    """Where the least that a number can be stands among the values, where only that is known (">16500")."""
    return f"least:{name}"


def most_key(name: str) -> str:
    """The same for the most that it can be ("<60")."""
    return f"most:{name}"


class RuleBook(Protocol):
    """What the engine needs of `Knowledge`."""

    @property
    def rules(self) -> tuple[RuleDefinition, ...]:
        """All rules, sorted by stratum, then id."""

    @property
    def catalogue(self) -> Catalogue:
        """Every fact that a rule may name."""

    def operand(self, condition: Condition) -> Scalar:
        """The right-hand side of a comparison, policies resolved."""


class Normaliser:
    """Checks known facts against the catalogue. Messages never carry a value: it may be a patient's."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._checks = {name: _check(definition) for name, definition in catalogue.facts.items()}
        self._types = {name: definition.type for name, definition in catalogue.facts.items()}

    def __call__(self, values: Mapping[str, Scalar]) -> dict[str, Scalar]:
        """The same facts, numbers rounded; TypeError names the fact that the catalogue refuses."""
        checks = self._checks
        normal: dict[str, Scalar] = {}
        for name, value in values.items():
            check = checks.get(name) or self._bound(name)
            checked = None if check is None else check(value)
            if checked is None:
                raise TypeError(self._complaint(name, value))
            normal[name] = checked
        return normal

    def _bound(self, name: str) -> Callable[[object], Scalar | None] | None:
        """The check of a bound: only numbers have one."""
        side, _, fact = name.partition(":")
        return self._checks[fact] if side in ("least", "most") and self._types.get(fact) == "number" else None

    def _complaint(self, name: str, value: object) -> str:
        expected = self._types.get(name)
        if expected is None:
            return f"fact {name!r}: not in the facts catalogue; compute only facts that it declares"
        return (
            f"fact {name!r}: expected a {expected}{_LIMITS[expected]}, got a {type(value).__name__};"
            " leave unknown facts out, and fix the module that computes this one"
        )


_LIMITS = {
    "boolean": "",
    "integer": f" between -{MAX_NUMBER} and {MAX_NUMBER}",
    "number": f", finite, between -{MAX_NUMBER} and {MAX_NUMBER}",
    "code": f" from the fact's `values`, printable, of at most {MAX_TEXT} characters",
}


def fits(definition: FactDefinition, value: object) -> bool:
    """Whether a value is of a fact's type."""
    return _check(definition)(value) is not None


def _check(definition: FactDefinition) -> Callable[[object], Scalar | None]:
    """A function that returns the value to use, or None where the value is not of that type."""
    if definition.type == "code":
        return _code_check(frozenset(definition.values))
    return {"boolean": _boolean, "integer": _integer, "number": _number}[definition.type]


def _code_check(allowed: frozenset[str]) -> Callable[[object], Scalar | None]:
    def code(value: object) -> Scalar | None:
        if not isinstance(value, str) or len(value) > MAX_TEXT or not value.isprintable():
            return None
        return value if not allowed or value in allowed else None

    return code


def _boolean(value: object) -> bool | None:
    """A bool, not an int: `True == 1` holds in durable and in Python alike."""
    return value if type(value) is bool else None


def _integer(value: object) -> int | None:
    """An int, not a bool."""
    return value if type(value) is int and -MAX_NUMBER < value < MAX_NUMBER else None


def _number(value: object) -> int | float | None:
    """A finite number, rounded to `DECIMALS`."""
    if type(value) is float:
        return round(value, DECIMALS) if math.isfinite(value) and -MAX_NUMBER < value < MAX_NUMBER else None
    return _integer(value)
