"""What became of the calls of a load: counts, exact percentiles and a histogram of how long they took."""

from __future__ import annotations

import math
from array import array
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from benchmarks.slow_clients import Answer

SHARES: Final = (0.5, 0.9, 0.99, 0.999, 1.0)
BOUNDS: Final = tuple(step * 10.0**power for power in range(-4, 2) for step in (1.0, 1.5, 2.0, 3.0, 5.0, 7.0))
"""Seconds at which buckets begin, from 0.1 ms to 70 s, six to each power of ten; one more begins at 0."""


def percentile(ordered: Sequence[float], share: float) -> float:
    """The least of the values, which are in order, within which a `share` (0 to 1) of them is; nan of none."""
    if not ordered:
        return math.nan
    return ordered[max(math.ceil(round(share * len(ordered), 9)) - 1, 0)]


def strict(found: Any) -> Any:
    """The same as JSON has it (RFC 8259): what is no number, as a percentile of nothing, is null."""
    if isinstance(found, dict):
        return {name: strict(each) for name, each in found.items()}
    if isinstance(found, list | tuple):
        return [strict(each) for each in found]
    return None if isinstance(found, float) and not math.isfinite(found) else found


@dataclass(frozen=True, slots=True)
class Bucket:
    """How many took `least` seconds or more, and less than `below`."""

    least: float
    below: float
    count: int


def buckets(seconds: Iterable[float]) -> list[Bucket]:
    """From the first one that holds any to the last, with the empty ones between."""
    counts = Counter(bisect_right(BOUNDS, each) for each in seconds)
    if not counts:
        return []
    edges = (0.0, *BOUNDS, math.inf)
    return [Bucket(edges[n], edges[n + 1], counts[n]) for n in range(min(counts), max(counts) + 1)]


def bars(found: Sequence[Bucket], width: int = 50) -> Iterator[str]:
    """A line for each bucket. What holds any has a mark, however few they are beside the others."""
    most = max((each.count for each in found), default=0)
    for each in found:
        marks = "#" * math.ceil(each.count / most * width)
        yield f"{each.least * 1e3:9.4g} ms  {each.count:9,}  {marks}".rstrip()


@dataclass(slots=True)
class Tally:
    """Of one run. Seconds count from the moment for which a call was scheduled, unless they say otherwise."""

    seconds: float = 0.0
    """How long it took, with the answers that came after the last call."""
    took: array[float] = field(default_factory=lambda: array("d"))
    """Of each answer 200."""
    worked: array[float] = field(default_factory=lambda: array("d"))
    """The same answers, from the moment at which the call was really sent."""
    late: array[float] = field(default_factory=lambda: array("d"))
    """Of each call, by how much the generator began after its moment."""
    statuses: Counter[int] = field(default_factory=Counter)
    """0: no answer came."""
    slowest: dict[int, float] = field(default_factory=dict)
    unevaluated: int = 0
    sent: int = 0
    """Bytes of the calls, with heads."""
    received: int = 0
    """Bytes of the answers 200, with heads."""

    @property
    def answered(self) -> int:
        """Answers 200."""
        return len(self.took)

    def add(self, answer: Answer, late: float, waited: float, size: int) -> None:
        """One call of `size` bytes, which was begun `late` after its moment and sent `waited` after it."""
        self.late.append(late)
        self.sent += size
        self.statuses[answer.status] += 1
        self.slowest[answer.status] = max(answer.seconds, self.slowest.get(answer.status, 0.0))
        self.unevaluated += answer.unevaluated
        if answer.status == 200:
            self.took.append(answer.seconds)
            self.worked.append(answer.seconds - waited)
            self.received += answer.size
