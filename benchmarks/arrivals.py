"""When calls arrive, whatever becomes of those before them: the schedule of an open-loop load."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from typing import Final


def evenly(rate: float, seconds: float, seed: int = 0) -> Iterator[float]:
    """Moments in seconds since the start, `rate` a second, the first one at once. Nothing of it is random."""
    number = 0
    while (at := number / rate) < seconds:
        yield at
        number += 1


def poisson(rate: float, seconds: float, seed: int = 0) -> Iterator[float]:
    """The same on average, but independent of one another, as calls of many who do not know of each other are."""
    draw = random.Random(seed)
    at = draw.expovariate(rate)
    while at < seconds:
        yield at
        at += draw.expovariate(rate)


SCHEDULES: Final[Mapping[str, Callable[[float, float, int], Iterator[float]]]] = {"poisson": poisson, "even": evenly}


def sights(first: float, seed: int) -> Iterator[bool]:
    """Without end, whether the next call brings a chart that nobody saw before: a share of `first` (0 to 1) does."""
    draw = random.Random(seed)
    while True:
        yield draw.random() < first
