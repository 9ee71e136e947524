"""The comparisons of a rule as FHIRPath, whose three-valued logic is that of the rules.

Facts, findings and policies are environment variables; what is unknown is the empty collection. A comparison with it is
empty, as is a `not()` of it; `and` and `or` are those of Kleene (FHIRPath, Boolean logic).
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Final

from cds_service.knowledge.model import POLICY_PREFIX, Condition, RuleDefinition

FINDING: Final = "finding."
_SYMBOLS: Final = {"is_": "=", "is_not": "!=", "at_least": ">=", "above": ">", "at_most": "<=", "below": "<"}


def expressions(rule: RuleDefinition) -> Iterator[str]:
    """All must hold: each of `when`, one of `any` as alternatives in parentheses, and none of `unless`."""
    yield from map(comparison, rule.when)
    if rule.any:
        yield " or ".join(f"({' and '.join(map(comparison, alternative))})" for alternative in rule.any)
    for condition in rule.unless:
        yield f"({comparison(condition)}).not()"


def comparison(condition: Condition) -> str:
    """One comparison, such as ``%`crs-grade` >= %`policy.crs-treatment-grade` ``."""
    name = _variable(condition.fact or f"{FINDING}{condition.finding}")
    if condition.operator == "known":
        return f"{name}.exists()" if condition.operand else f"{name}.empty()"
    return f"{name} {_SYMBOLS[condition.operator]} {_operand(condition.operand)}"


def _variable(name: str) -> str:
    """Always delimited: names hold hyphens and dots."""
    return f"%`{name}`"


def _operand(written: bool | int | float | str) -> str:
    if isinstance(written, bool):
        return str(written).lower()
    if isinstance(written, str):
        return _variable(written) if written.startswith(POLICY_PREFIX) else _text(written)
    return f"{Decimal(str(written)):f}"  # FHIRPath has no exponents


def _text(written: str) -> str:
    escaped = written.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
