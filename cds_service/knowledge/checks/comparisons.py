"""What a fact may be compared with: its type's comparisons, and values that both evaluators read alike."""

from __future__ import annotations

import math

from cds_service.knowledge.model import FactDefinition

Scalar = bool | int | float | str

ORDERINGS = ("at_least", "above", "at_most", "below")

DECIMALS = 4
"""Numbers are compared after rounding to this many decimals: durable refuses floats such as 1e-7."""

MAX_NUMBER = 10**12
"""Larger numbers may be written with an exponent, which durable misreads. No clinical number is near: what is beyond is
an error of whoever wrote it, and is neither compared nor printed."""

MAX_TEXT = 128


def operators(fact: FactDefinition) -> tuple[str, ...]:
    """The comparisons that fit a fact. Numbers are never compared for equality: they are measured and rounded."""
    if fact.type == "boolean":
        return ("is_", "known")
    if fact.type == "code":
        return ("is_", "is_not", "known")
    return (*(("is_",) if fact.type == "integer" else ()), *ORDERINGS, "known")


def misfit(fact: FactDefinition, value: Scalar, *, is_bound: bool = False) -> str:
    """What was expected of a value of this fact; empty where it fits. A bound of a whole number need not be whole."""
    if fact.type == "boolean":
        return "" if isinstance(value, bool) else "true or false"
    if fact.type == "code":
        return _code(fact, value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "a whole number" if fact.type == "integer" and not is_bound else "a number"
    if not math.isfinite(value) or abs(value) >= MAX_NUMBER or round(value, DECIMALS) != value:
        return f"a number of at most {DECIMALS} decimals, below 10^12"
    is_whole = isinstance(value, int) or fact.type != "integer" or is_bound
    return "" if is_whole else "a whole number"


def _code(fact: FactDefinition, value: Scalar) -> str:
    if fact.values:
        return "" if value in fact.values else f"one of {', '.join(fact.values)}"
    fits = isinstance(value, str) and len(value) <= MAX_TEXT and value.isprintable()
    return "" if fits else f"a code: a text of at most {MAX_TEXT} characters"
