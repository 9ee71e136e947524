"""The other forms of a phrase: as another language spells it, in the plural, inflected, or with "ae" for an umlaut.

A phrase is written once; a chart may write it in each of these ways. Only phrases get more forms, never the text of a
chart: "ae" stays what it is in words of other languages.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

from cds_service.chart.words import fold
from cds_service.knowledge.model import Languages
from cds_service.knowledge.model.language import Adjectives, Plurals

_UMLAUTS: Final = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue"})
_LONGEST_INVERTED: Final = 4  # words of a name that an index turns round
_LEAST: Final = 4  # letters of a word that has a plural, or that begins a compound


def transcribed(text: str) -> tuple[str, ...]:
    """A text, and the same where no umlauts can be typed: "Lungenentzuendung"."""
    return (text,) if text.isascii() else tuple(dict.fromkeys((text, text.translate(_UMLAUTS))))


def taken_apart(languages: Languages) -> Callable[[str], str]:
    """Rewrites a folded text so that the end of a compound is a word: "sepsisverdacht" is "sepsis-verdacht"."""
    ends = tuple(fold(end) for spelling in languages.spellings.values() for end in spelling.compounds)
    said = "|".join(map(re.escape, ends)) or r"(?!)"
    written = re.compile(rf"(?<=[^\W\d_]{{{_LEAST}}})({said})(?![^\W\d_])")
    return lambda text: written.sub(r"-\1", text) if any(end in text for end in ends) else text


class Forms:
    """Every form of a phrase, by languages that were looked through once; each phrase is made once, whoever asks."""

    def __init__(self, languages: Languages) -> None:
        spellings = tuple(languages.spellings.values())
        self._spellings = spellings
        self._inflections = tuple(_Inflection(each.adjectives) for each in spellings if each.adjectives is not None)
        self._heads = frozenset(fold(head) for head in languages.syndromes if not head.startswith("*"))
        self._head_ends = tuple(fold(head).removeprefix("*") for head in languages.syndromes if head.startswith("*"))
        self._made: dict[tuple[str, bool], Iterable[str]] = {}
        self._plurals = tuple((each.plurals, tuple(each.plurals.nouns)) for each in spellings if each.plurals.nouns)

    def of(self, text: str, international: bool = False) -> Iterable[str]:
        """A phrase in every form; names of an `international` value set also in the spelling of every language and in
        the plural."""
        asked = text, international
        if asked not in self._made:
            self._made[asked] = self._forms(text, international)
        return self._made[asked]

    def _forms(self, text: str, international: bool) -> Iterable[str]:
        spelled = (text, *(self._spelled(text) if international else ()))
        found = dict.fromkeys(form for each in spelled for form in transcribed(each))
        for form in tuple(found):
            for inflection in self._inflections:
                found.update(dict.fromkeys(inflection.of(form)))
            if international:
                found.update(dict.fromkeys(self._in_plural(form)))
        return found

    def indexed(self, text: str) -> Iterator[str]:
        """The name of an illness as an index writes it, with the noun first: "myocarditis, viral"."""
        words = fold(text).split(" ")
        if not 1 < len(words) <= _LONGEST_INVERTED or "," in text:
            return
        if self._is_head(words[-1]):
            yield f"{words[-1]}, {' '.join(words[:-1])}"
        elif self._is_head(words[0]):
            yield f"{words[0]}, {' '.join(words[1:])}"

    def _is_head(self, word: str) -> bool:
        return word in self._heads or word.endswith(self._head_ends)

    def bare(self, text: str) -> Iterable[str]:
        """A folded phrase, and the same with its adjectives as they stand behind a noun: "interstitiell"."""
        return dict.fromkeys((text, *(inflection.bare(text) for inflection in self._inflections)))

    def _spelled(self, text: str) -> Iterator[str]:
        """A word of Greek or Latin as each language writes it; nothing where it does not end like one."""
        word = fold(text)
        for spelling in self._spellings if " " not in word else ():
            ending = _longest(word, spelling.endings)
            if ending:
                stem = word.removesuffix(ending)
                for letters, others in spelling.letters:
                    stem = stem.replace(letters, others)
                yield stem + spelling.endings[ending]

    def _in_plural(self, text: str) -> Iterator[str]:
        """More than one of it: "pneumonien", "neumonias bacterianas"."""
        words = fold(text).split(" ")
        for plurals, endings in self._plurals:
            noun = 0 if plurals.first else -1
            if words[noun].endswith(endings):
                ending = _longest(words[noun], plurals.nouns)
                made = [_agreed(word, plurals) for word in words]
                made[noun] = words[noun].removesuffix(ending) + plurals.nouns[ending]
                yield " ".join(made)


class _Inflection:
    """With each ending of its adjectives: "septischer schock", "septischem schock"."""

    def __init__(self, adjectives: Adjectives) -> None:
        stems, endings = "|".join(adjectives.stems), "|".join(adjectives.endings)
        self._endings = adjectives.endings
        self._written = re.compile(rf"(?<=[^\W\d_]{{2}})({stems})(?:{endings})(?![^\W\d_])")
        # Most phrases have none of these letters side by side, which is seen at a glance.
        self._glance = {stem + ending[0] for stem in adjectives.stems for ending in adjectives.endings}

    def bare(self, text: str) -> str:
        """Without any ending."""
        return self._written.sub(r"\1", text)

    def of(self, text: str) -> Iterator[str]:
        if any(letters in text for letters in self._glance) and self._written.search(text):
            yield from (self._written.sub(rf"\1{ending}", text) for ending in self._endings)


def _agreed(word: str, plurals: Plurals) -> str:
    """An adjective beside a noun in the plural."""
    ending = _longest(word, plurals.adjectives) if len(word) >= _LEAST else ""
    return word.removesuffix(ending) + plurals.adjectives[ending] if ending else word


def _longest(word: str, endings: Mapping[str, str]) -> str:
    return max((end for end in endings if word.endswith(end)), key=len, default="")
