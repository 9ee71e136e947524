"""Whether the words of a dosage instruction say something else than its structure: another amount or frequency.

A clause that names an amount and how often is what is given; other clauses may speak of other things ("vital signs
every 4 hours"). A pack that is smaller than the dose, the total of a day and a maximum are no other dose.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from cds_service.chart.tokens import words_of
from cds_service.chart.units import UnitTable
from cds_service.chart.words import fold
from cds_service.facts.amount_words import amount_words
from cds_service.facts.how_often import HowOften

_CLAUSE: Final = re.compile(r"[;\n]|,(?!\d)|(?<=[^\W\d_]{3})\.(?=\s|$)")
_MOST_TEXT: Final = 2000
_MOST_SHOWN: Final = 40
_SAME: Final = 1e-6


@dataclass(frozen=True, slots=True)
class Otherwise:
    """The most that words and structure together amount to in a day, in milligrams, and the words."""

    bound_mg: float
    text: str


@dataclass(frozen=True, slots=True)
class _Clause:
    masses: tuple[float, ...]
    often: frozenset[float]


def written(instruction: Mapping[str, Any]) -> str:
    """What an instruction says in words, to whoever prepares and to whoever takes it."""
    texts = (instruction.get(name) for name in ("text", "patientInstruction"))
    return "; ".join(text.strip() for text in texts if isinstance(text, str) and text.strip())


def shown(text: str) -> str:
    """Words as a reason quotes them."""
    return f'"{text if len(text) <= _MOST_SHOWN else text[: _MOST_SHOWN - 1] + "…"}"'


def otherwise(
    instruction: Mapping[str, Any], dose: float, often: float, mass: UnitTable, how: HowOften
) -> Otherwise | None:
    """What the words say that the structure does not; None where both may be meant. `dose` is in milligrams, `often` in
    doses a day."""
    text, named = written(instruction), frozenset(_timed(instruction, how))
    clauses = list(_clauses(text, mass, how))
    given = [clause for clause in clauses if clause.masses and clause.often] or clauses
    times = named | {times for clause in given for times in clause.often}
    more = [
        mg for clause in clauses for mg in clause.masses if mg > dose + _SAME and not _total(clause, mg, dose * often)
    ]
    same = any(_is(mg, dose) for clause in clauses for mg in clause.masses)
    odd = [mg for clause in clauses for mg in clause.masses if mg < dose and not _is_part(mg, dose)]
    differs = bool(times) and (max(times) > often + _SAME or not any(_is(each, often) for each in times))
    if not more and (same or not odd) and not differs:
        return None
    return Otherwise(max([dose, *more]) * max([often, *times]), text or _timing_text(instruction))


def _clauses(text: str, mass: UnitTable, how: HowOften) -> Iterator[_Clause]:
    for clause in _CLAUSE.split(text[:_MOST_TEXT]):
        # Behind such a word stands a maximum.
        told = clause if how.bounds.isdisjoint(words_of(fold(clause))) else ""
        yield _Clause(amount_words(mass, told).masses, how.within(told))


def _timed(instruction: Mapping[str, Any], how: HowOften) -> Iterator[float]:
    """What the words of a timing say beside what it says in numbers."""
    found = how.whole(_timing_text(instruction))
    if found is not None:
        yield found


def _timing_text(instruction: Mapping[str, Any]) -> str:
    timing = instruction.get("timing")
    code = timing.get("code") if isinstance(timing, Mapping) else None
    text = code.get("text") if isinstance(code, Mapping) else None
    return text if isinstance(text, str) else ""


def _total(clause: _Clause, mg: float, daily: float) -> bool:
    """Whether an amount is that of the whole day."""
    return _is(mg, daily) and all(_is(times, 1.0) for times in clause.often)


def _is_part(mg: float, dose: float) -> bool:
    """Whether some packs of an amount make the dose."""
    return _is(round(dose / mg) * mg, dose)


def _is(one: float, other: float) -> bool:
    return abs(one - other) <= _SAME
