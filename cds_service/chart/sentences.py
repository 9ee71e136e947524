"""Where a sentence ends after a short word or a number: "No growth at 24 h. E. coli", "1. No CRS 2. Sepsis".

A full stop after a long word ends its sentence anyway. After one or two letters, or a number, it may as well stand in a
name ("E. coli"), an abbreviation ("V. a. Pneumonie") or a date ("3. Mai"): what the phrases of the vocabulary hold
together stays together, and the rest is cut. Upper and lower case count here, so this looks at a text as it came.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise
from typing import Final

Words = tuple[str, ...]

_SIGN: Final = re.compile(r"[.:](?=\s+([^\s]{1,24}))")
_BACK: Final = 16  # characters before a sign that are looked at, whatever the length of the text
_NUMBER: Final = re.compile(r"(?<![^\W_])(?P<number>\d+)[ ]?(?P<unit>[^\W\d_]{1,2})?$")
_SHORT: Final = re.compile(r"(?<![^\W_])(?:(?P<one>[^\W\d_]{1,4})\.? ?)?(?<![^\W_])(?P<short>[^\W\d_]{1,2})$")
_FIRST: Final = re.compile(r"\d+|[^\W\d_]+")
_DATE: Final = re.compile(r"\d{1,2}\.")
_DAY: Final = re.compile(r"(?<!\d)\d{1,2}\.\d{1,2}$")
_LIST: Final = re.compile(r"(?:^|\s)\d{1,3}$")


class Sentences:
    """The short words that the vocabulary knows before a full stop, and what they may stand before."""

    def __init__(self, fold: Callable[[str], str]) -> None:
        self._fold = fold
        self._bound: set[tuple[str, str]] = set()  # words of one name: ("e", "coli"), ("2", "crs")
        self._abbreviations: set[Words] = set()  # ("v", "a"), ("dr",)
        self._ordinals: set[str] = set()  # what may follow a number with a stop: "mai"
        self._answers: set[str] = set()  # short words that are a sentence of their own: "no"

    def name(self, words: Words) -> None:
        """Hold the words of a name together."""
        self._bound.update((a, b) for a, b in pairwise(words) if len(a) <= 2 or a.isdecimal())

    def abbreviation(self, words: Words) -> None:
        """Let no stop after these words end a sentence."""
        self._abbreviations.add(words[-2:])

    def ordinal(self, words: Words) -> None:
        """Let no stop between a number and this word end a sentence."""
        self._ordinals.add(words[0])

    def answer(self, words: Words) -> None:
        """Let a stop after a word that is an answer end a sentence always."""
        if len(words) == 1:
            self._answers.add(words[0])

    def cut(self, text: str) -> str:
        """The text with a line break after each sign that ends a sentence although a short word stands before it."""
        if not _SIGN.search(text):
            return text
        made, start = [], 0
        for sign in _SIGN.finditer(text):
            before = text[max(0, sign.start() - _BACK) : sign.start()]
            if self._ends(before, sign[0], sign[1]):
                made.append(text[start : sign.end()])
                start = sign.end()
        return "\n".join((*made, text[start:]))

    def _ends(self, before: str, sign: str, after: str) -> bool:
        following = _FIRST.search(after)
        first = self._fold(following[0]) if following else ""
        number = _NUMBER.search(before)
        if sign == ":":
            return bool(_LIST.search(before)) and number is not None and (number["number"], first) not in self._bound
        if number is not None and not number["unit"]:
            dated = _DATE.match(after) or (_DAY.search(before) and after[0].islower())
            return not dated and first not in self._ordinals
        if number is not None:
            return (self._fold(number["unit"]), first) not in self._bound
        return self._ends_after_letters(before, after, first)

    def _ends_after_letters(self, before: str, after: str, first: str) -> bool:
        """A capital on both sides, as in "hepatitis B. Pneumonia", or an abbreviation in capitals, as in "No PE.
        pneumonia", which no name and no shortened word explains."""
        found = _SHORT.search(before)
        if found is None:
            return False
        short = self._fold(found["short"])
        if short in self._answers:
            return not first.isdecimal()
        known = {(short,), (self._fold(found["one"] or ""), short)} & self._abbreviations
        capitals = found["short"][0].isupper() and after.lstrip("\"'([")[:1].isupper()
        shouted = found["short"].isupper() and (len(short) > 1 or before[: found.start("short")].endswith("-"))
        return (capitals or shouted) and not known and (short, first) not in self._bound
