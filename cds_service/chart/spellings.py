"""The other forms of a phrase: as another language spells it, in the plural, inflected, or with "ae" for an umlaut.

A phrase is written once; a chart may write it in each of these ways. Only phrases get more forms, never the text of a
chart: "ae" stays what it is in words of other languages.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Final

from cds_service.chart.words import fold
from cds_service.knowledge.model import Languages
from cds_service.knowledge.model.language import Adjectives, Plurals

_UMLAUTS: Final = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue"})
_LEAST: Final = 4  # letters of a word that has a plural


def transcribed(text: str) -> tuple[str, ...]:
    """A text, and the same where no umlauts can be typed: "Lungenentzuendung"."""
    return tuple(dict.fromkeys((text, text.translate(_UMLAUTS))))


def forms(text: str, languages: Languages, international: bool = False) -> Iterator[str]:
    """A phrase in every form; names of an `international` value set also in the spelling of every language and in the
    plural."""
    spelled = (text, *(_spelled(text, languages) if international else ()))
    found = dict.fromkeys(form for each in spelled for form in transcribed(each))
    for form in tuple(found):
        found.update(dict.fromkeys(_inflected(form, languages)))
        if international:
            found.update(dict.fromkeys(_plurals(form, languages)))
    yield from found


def _spelled(text: str, languages: Languages) -> Iterator[str]:
    """A word of Greek or Latin as each language writes it; nothing where it does not end like one."""
    word = fold(text)
    for spelling in languages.spellings.values() if " " not in word else ():
        ending = _longest(word, spelling.endings)
        if ending:
            stem = word.removesuffix(ending)
            for letters, others in spelling.letters:
                stem = stem.replace(letters, others)
            yield stem + spelling.endings[ending]


def _inflected(text: str, languages: Languages) -> Iterator[str]:
    """With each ending of its adjectives: "septischer schock", "septischem schock"."""
    for spelling in languages.spellings.values():
        if spelling.adjectives is not None and (written := _adjective(spelling.adjectives)).search(text):
            yield from (written.sub(rf"\1{ending}", text) for ending in spelling.adjectives.endings)


@lru_cache(maxsize=16)
def _adjective(adjectives: Adjectives) -> re.Pattern[str]:
    stems, endings = "|".join(adjectives.stems), "|".join(adjectives.endings)
    return re.compile(rf"(?<=[^\W\d_]{{2}})({stems})(?:{endings})(?![^\W\d_])")


def _plurals(text: str, languages: Languages) -> Iterator[str]:
    """More than one of it: "pneumonien", "neumonias bacterianas"."""
    words = fold(text).split(" ")
    for spelling in languages.spellings.values():
        plurals = spelling.plurals
        noun = 0 if plurals.first else -1
        ending = _longest(words[noun], plurals.nouns)
        if ending:
            made = [_agreed(word, plurals) for word in words]
            made[noun] = words[noun].removesuffix(ending) + plurals.nouns[ending]
            yield " ".join(made)


def _agreed(word: str, plurals: Plurals) -> str:
    """An adjective beside a noun in the plural."""
    ending = _longest(word, plurals.adjectives) if len(word) >= _LEAST else ""
    return word.removesuffix(ending) + plurals.adjectives[ending] if ending else word


def _longest(word: str, endings: Mapping[str, str]) -> str:
    return max((end for end in endings if word.endswith(end)), key=len, default="")
