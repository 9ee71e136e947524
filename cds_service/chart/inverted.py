"""Names in the order of an index: "Pneumonia, organizing" is an organizing pneumonia, and no infection.

What a value set excludes is written once, as it is spoken. A list of problems may put the noun first, and what kind of
it behind a comma, a colon, a dash or in brackets: those words alone, up to the end of their clause. So "pneumonia,
interstitial infiltrates" stays a pneumonia.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from cds_service.chart.scopes import Hit, Phrase
from cds_service.chart.tokens import Apart, Closed, Marked

Words = tuple[str, ...]
_QUALIFIERS: Final = 3  # words such as "acute" before what kind it is


class Continued(Marked):
    """The first word after a comma."""

    __slots__ = ()


class Kind(NamedTuple):
    """An excluded name in two parts, as an index has it: the noun, and which kind of it is none of the value set, but
    may be another's."""

    noun: Words
    kind: Words
    phrase: Phrase


class Inverted:
    """Every excluded name of some value sets, ready to be found in the order of an index. `beside` are words that say
    how something is, and nothing of what it is."""

    def __init__(self, kinds: Iterable[Kind] = (), beside: Iterable[str] = ()) -> None:
        self._beside = frozenset(beside)
        self._kinds: dict[str, list[Kind]] = {}
        for each in dict.fromkeys(kinds):
            self._kinds.setdefault(each.kind[0], []).append(each)

    def hits(self, words: Sequence[str], clauses: Sequence[int]) -> Iterator[Hit]:
        """Each such name in some words; `clauses` is the number of the clause of each word. A few steps a word."""
        for at, word in enumerate(words):
            if not _parts(word) or isinstance(word, Closed):
                continue
            for begin in self._begins(words, at):
                for noun, kind, phrase in self._kinds.get(words[begin], ()):
                    start, end = at - len(noun), begin + len(kind)
                    told = tuple(words[max(start, 0) : at]) == noun and tuple(words[begin:end]) == kind
                    if told and _ends(words, clauses, end):
                        yield Hit(start, end, phrase, crosses=True)

    def _begins(self, words: Sequence[str], at: int) -> Iterator[int]:
        """Where the kind may begin: right there, or behind words such as "acute"."""
        for begin in range(at, min(at + _QUALIFIERS + 1, len(words))):
            yield begin
            if words[begin] not in self._beside:
                return


def continued(words: Words) -> Words:
    """A clause that a comma begins; where another sign stands there too, that one counts."""
    first = words[0]
    return words if _parts(first) else (Continued(first), *words[1:])


def _parts(word: str) -> bool:
    """Whether a sign, and not only a space, stands before a word."""
    return isinstance(word, (Continued, Apart)) and type(word) is not Apart


def _ends(words: Sequence[str], clauses: Sequence[int], end: int) -> bool:
    """Whether what kind it is has been said whole: nothing of the clause follows but a sign or a number."""
    if end >= len(words) or clauses[end] != clauses[end - 1] or words[end].isdecimal():
        return True
    return _parts(words[end])
