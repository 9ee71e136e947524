"""A folded text as words; in scripts without spaces every character is one.

A word is a plain string, equal to every other word of the same letters. Where signs or spaces matter it remembers what
stands right before it: `Opened` and `Closed` a bracket, `Answer` a colon, `Slashed` a slash (`Halved` one or a plus
between spaces), `Parted` a dash, an arrow, a bullet, dots or a tab, `Apart` a space in a text of a script without
spaces.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

# Scripts that write without spaces, or glue particles to words: Han, kana, Hangul, Thai, Lao, Khmer.
_UNSPACED: Final = "\u0e00-\u0eff\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff"
_WORD: Final = re.compile(rf"[{_UNSPACED}]|[^\W\d_{_UNSPACED}]+|\d+|\?")
# A dash parts statements between spaces only: "CAR-T", "gram -" are words.
_PARTS: Final = r"\s-+(?=\s+[^\s])|\s[–*](?=\s)|[—→•·…\t]|[=-]+>|>>+|\.\.+"
_TOKEN: Final = re.compile(rf"\s[/+](?=\s)|{_PARTS}|[()\[\]:/\s]|{_WORD.pattern}")
_CHARACTER: Final = re.compile(rf"[{_UNSPACED}]")
_MARKED: Final = re.compile(rf"[()\[\]:/+{_UNSPACED}]|{_PARTS}")


class Marked(str):
    """A word that something stands before."""

    __slots__ = ()


class Slashed(Marked):
    """The first word after a slash."""

    __slots__ = ()


class Halved(Slashed):
    """The first word after a slash or a plus between spaces."""

    __slots__ = ()


class Apart(Marked):
    """A word that stands apart from the one before it."""

    __slots__ = ()


class Opened(Apart):
    """The first word in brackets."""

    __slots__ = ()


class Closed(Apart):
    """The first word after brackets."""

    __slots__ = ()


class Answer(Apart):
    """The first word after a colon."""

    __slots__ = ()


class Parted(Apart):
    """The first word after a sign that parts two statements."""

    __slots__ = ()


_KINDS: Final[dict[str, type[Marked]]] = {
    "(": Opened,
    "[": Opened,
    ")": Closed,
    "]": Closed,
    ":": Answer,
    "/": Slashed,
}
_PARTING: Final = "-–—*→•·…\t=>."


def words_of(text: str) -> tuple[str, ...]:
    """The words of a folded text, without what stands between them."""
    return tuple(_WORD.findall(text))


def spaced_words(text: str) -> tuple[str, ...]:
    """The same; each remembers a bracket or, in a text of a script without spaces, a space before it."""
    if not _MARKED.search(text):
        return words_of(text)
    made: list[str] = []
    before: type[Marked] | None = None
    for token in _TOKEN.findall(text):
        if token in _KINDS:
            before = _KINDS[token]
        elif token[1:] in ("/", "+"):
            before = Halved
        elif token.strip(" ")[:1] in _PARTING and token.strip(" "):
            before = Parted
        elif token.isspace():
            before = before or Apart
        else:
            made.append(before(token) if before else token)
            before = None
    return tuple(made)


def marks_of(words: Iterable[str]) -> tuple[type[str], ...]:
    """What stands before each word: two clauses are the same only if these are."""
    return tuple(map(type, words))


def is_unspaced(word: str) -> bool:
    """Whether a word is a character of a script without spaces."""
    return bool(_CHARACTER.match(word))
