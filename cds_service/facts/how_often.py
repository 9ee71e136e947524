"""How often words say that a dose is given: doses a day, by the phrases that `rules/orders.yaml` lists."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from cds_service.chart.tokens import words_of
from cds_service.chart.words import fold
from cds_service.knowledge.model import Frequencies

_MOST_TEXT: Final = 2000
_MOST_DIGITS: Final = 3
_NUMBER: Final = "{n}"
Words = tuple[str, ...]


class _Phrase(NamedTuple):
    """Its words, where a number stands for `{n}`; how many doses a day it says, or what they are for the number: as
    many (1), or one in so many parts of a day (24: hours)."""

    words: Words
    times: float
    divides: bool = False


class HowOften:
    """The phrases, found in one walk over a text's words."""

    def __init__(self, frequencies: Frequencies) -> None:
        self._phrases: dict[str, list[_Phrase]] = {}
        for phrase in _phrases(frequencies):
            self._phrases.setdefault(phrase.words[0], []).append(phrase)
        for found in self._phrases.values():
            found.sort(key=lambda phrase: -len(phrase.words))
        self._alone = {words_of(fold(text)): each.times for each in frequencies.alone for text in each.words}
        self.bounds = frozenset(word for text in frequencies.bounds for word in words_of(fold(text)))

    def whole(self, text: str) -> float | None:
        """Doses a day where a text says nothing else."""
        words = words_of(fold(text[:_MOST_TEXT]))
        if words in self._alone:
            return self._alone[words]
        found = next(self._found(words), None)
        return found[1] if found is not None and found[0] == range(len(words)) else None

    def within(self, text: str) -> frozenset[float]:
        """Every number of doses a day that a text names."""
        return frozenset(times for _, times in self._found(words_of(fold(text[:_MOST_TEXT]))))

    def _found(self, words: Words) -> Iterator[tuple[range, float]]:
        at = 0
        while at < len(words):
            found = next(self._at(words, at), None)
            if found is not None:
                yield range(at, found[0]), found[1]
            at = found[0] if found is not None else at + 1

    def _at(self, words: Words, at: int) -> Iterator[tuple[int, float]]:
        """The longest phrase that begins at a place: where it ends, and what it says."""
        for first in (words[at], _NUMBER) if words[at].isdecimal() else (words[at],):
            for phrase in self._phrases.get(first, ()):
                end = at + len(phrase.words)
                times = _told(phrase, words[at:end])
                if times is not None:
                    yield end, times


def _told(phrase: _Phrase, words: Words) -> float | None:
    """How many doses a day a phrase says with these words; None where they are not its own."""
    if len(words) < len(phrase.words):
        return None
    number = None
    for own, word in zip(phrase.words, words, strict=True):
        if own == _NUMBER and word.isdecimal() and len(word) <= _MOST_DIGITS:
            number = int(word)
        elif own != word:
            return None
    if number is None:
        return phrase.times
    if number == 0:
        return None
    return phrase.times / number if phrase.divides else phrase.times * number


def _phrases(frequencies: Frequencies) -> Iterator[_Phrase]:
    yield from (_Phrase(_parts(text), 24.0, divides=True) for text in frequencies.every_hours)
    yield from (_Phrase(_parts(text), 1.0, divides=True) for text in frequencies.every_days)
    yield from (_Phrase(_parts(text), 1.0) for text in frequencies.times_a_day)
    yield from (_Phrase(words_of(fold(text)), each.times) for each in frequencies.per_day for text in each.words)


def _parts(text: str) -> Words:
    before, _, after = text.partition(_NUMBER)
    return (*words_of(fold(before)), _NUMBER, *words_of(fold(after)))
