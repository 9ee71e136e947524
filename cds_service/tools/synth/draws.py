"""Random draws: each part of each patient has a source of its own, so that no part moves another."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Protocol, TypeVar

from cds_service.tools.synth.course import HOUR
from cds_service.tools.synth.figure_findings import ByAge
from cds_service.tools.synth.figure_parts import Range


class _Shared(Protocol):
    @property
    def share(self) -> float: ...


_Kind = TypeVar("_Kind", bound=_Shared)


def source(seed: int, number: int, part: str) -> Random:
    """The source of one part of one patient; the same whatever else is drawn."""
    return Random(f"{seed}/{number}/{part}")


def between(draw: Random, span: Range) -> float:
    """Evenly between two numbers."""
    return span[0] + (span[1] - span[0]) * draw.random()


def whole(draw: Random, span: Range) -> int:
    """A whole number from the first to the last, both among them."""
    return int(span[0]) + int(draw.random() * (int(span[1]) - int(span[0]) + 1))


def minutes(draw: Random, hours: Range) -> int:
    """Whole minutes of so many hours."""
    return round(between(draw, hours) * HOUR)


def pick(draw: Random, kinds: Sequence[_Kind]) -> _Kind:
    """One of several by their shares, which need not sum to one."""
    left = draw.random() * sum(kind.share for kind in kinds)
    for kind in kinds:
        left -= kind.share
        if left < 0:
            return kind
    return kinds[-1]


def by_age(draw: Random, figure: ByAge, age: int) -> float:
    """A figure of a child, by years of age."""
    return between(draw, figure.base) + figure.per_year * age
