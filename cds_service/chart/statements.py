"""Where signs part the statements of a clause: "no DVT - pneumonia" denies a thrombosis and tells of a pneumonia."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Sequence
from itertools import accumulate
from typing import Final

from cds_service.chart.tokens import Answer, Closed, Halved, Opened, Parted

_PARTING: Final = (Answer, Halved, Opened, Parted)


class Statements:
    """The signs of one clause, and what stands before each; asked of any two words without walking what is between."""

    def __init__(self, words: Sequence[str], clause: range, silent: Collection[int], listed: Collection[int]) -> None:
        """`silent` are places of words that only announce, or name a person; `listed` those of names in lists."""
        self._words, self._begin, self._stop = words, clause.start, clause.stop
        self._signs = [at for at in clause if isinstance(words[at], _PARTING)]
        self._closed = [at for at in clause if isinstance(words[at], Closed)]
        telling = [at not in silent for at in clause] if self._signs else []
        self._told = list(accumulate(telling, initial=0))
        names = (each and at not in listed for at, each in zip(clause, telling, strict=False))
        self._unlisted = list(accumulate(names, initial=0))

    def parted(self, start: int, end: int, firm: bool) -> bool:
        """Whether a cue that ends at `start` has what it speaks of before a colon, a dash, a slash or a bracket, so
        that another statement has begun by `end`: "no DVT - pneumonia", but not "ruled out: sepsis", "no signs of the
        following: sepsis".

        What may be explained there goes on: "no infection (sepsis or UTI)"; after one that is not `firm`, a doubt or a
        past, behind any sign: "history of severe sepsis: E. coli".
        """
        for at in self._signs[bisect_right(self._signs, start) : bisect_right(self._signs, end)]:
            told = self._between(self._told, start, at)
            if not told or self._is_closed(at, end):
                continue
            unlisted = self._between(self._unlisted, start, at)
            weak = isinstance(self._words[at], (Halved, Opened))
            if (unlisted or not weak) if firm else unlisted == told:
                return True
        return False

    def _between(self, counted: Sequence[int], start: int, end: int) -> int:
        first, last = (min(max(at, self._begin), self._stop) - self._begin for at in (start, end))
        return counted[last] - counted[first]

    def _is_closed(self, at: int, end: int) -> bool:
        """Whether brackets that open at a word are closed again up to another."""
        following = bisect_right(self._closed, at)
        return isinstance(self._words[at], Opened) and following < len(self._closed) and self._closed[following] <= end
