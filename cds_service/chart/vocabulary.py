"""Coded and written concepts of a chart, and the value sets at work on them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain
from typing import Any

from cds_service.chart.recognition import Meaning, Recogniser, Recognition, Written
from cds_service.chart.words import fold, words_of
from cds_service.knowledge.model import ValueSet


@dataclass(frozen=True, slots=True)
class Concept:
    """A CodeableConcept, normalised: codes as (system, code), words lower-case.

    `written` is the concept as it came; `known` remembers what it was recognised as: equal concepts of a process are
    one object (see `concept`).
    """

    codes: tuple[tuple[str, str], ...]
    displays: tuple[str, ...]
    text: str
    label: str
    written: Written
    known: dict[Recogniser, Recognition] = field(default_factory=dict, compare=False, repr=False)

    @property
    def empty(self) -> bool:
        """Nothing at all to recognise it by."""
        return not self.codes and not self.displays and not self.text


_APPENDED = re.compile(r"( \((disorder|finding|situation)\)|, unspecified)+$")
NOTHING = Concept((), (), "", "", Written((), ""))


# A chart has a few dozen distinct concepts, again and again. Long ones are rare and would fill the memory: so many
# characters a concept times the number remembered is the bound.
_LONGEST = 256
_CODING = 32  # characters that each further coding counts for, however short it is


@lru_cache(maxsize=4096)
def _one(
    codes: tuple[tuple[str, str], ...], displays: tuple[str, ...], text: str, label: str, written: Written
) -> Concept:
    return Concept(codes, displays, text, label, written)


def normalise(text: str) -> str:
    """Lower case, one kind of dash and apostrophe, single spaces: how words are compared."""
    return _short(text) if len(text) <= _LONGEST else _normalised(text)


@lru_cache(maxsize=8192)
def _short(text: str) -> str:
    return _normalised(text)


def _normalised(text: str) -> str:
    folded = unicodedata.normalize("NFKC", text).casefold()
    return re.sub(r"\s+", " ", re.sub(r"[‐-―−]", "-", folded)).strip()


def concept(value: object) -> Concept:
    """A Concept from a CodeableConcept as it came; anything else gives an empty one."""
    if not isinstance(value, Mapping):
        return NOTHING
    listed = (c for c in _list(value.get("coding")) if isinstance(c, Mapping))
    codings = [c for c in listed if c.get("code") or c.get("display")]
    codes = tuple((str(c.get("system", "")), str(c["code"])) for c in codings if c.get("code"))
    # Aligned with `codings`, so that an excluded code can silence its own display only.
    displays = tuple(normalise(str(c.get("display") or "")) for c in codings)
    text = str(value.get("text") or "")
    label = text or next((str(c["display"]) for c in codings if c.get("display")), "")
    label = label or (codes[0][1] if codes else "")
    told = ((str(c.get("system") or ""), str(c.get("code") or ""), str(c.get("display") or "")) for c in codings)
    written = Written(tuple(told), text)
    length = len(text) + sum(map(len, chain(*written.codings))) + _CODING * (len(codings) - 1)
    made = _one if length <= _LONGEST else Concept
    return made(codes, tuple(d for d in displays if d), normalise(text), label[:120], written)


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


class Matcher:
    """One value set: does this concept mean that?"""

    def __init__(self, value_set: ValueSet, recogniser: Recogniser) -> None:
        self.id = value_set.id
        self._recogniser = recogniser
        phrases = (*value_set.text, *(c.display for c in value_set.codes))
        self._exact = frozenset(words_of(fold(text)) for text in phrases)

    def matches(self, found: Concept) -> bool:
        """True where the concept says this of the patient as of now, for certain or in doubt."""
        return self.recognised(found).holds(self.id)

    def mentions(self, found: Concept) -> bool:
        """The same, also where it says that this is past: for what is never over, such as an allergy."""
        meaning = self.meaning(found)
        return meaning is not None and meaning.sense != "denied"

    def meaning(self, found: Concept) -> Meaning | None:
        """How the concept says this; None where it does not."""
        return self.recognised(found).meanings.get(self.id)

    def recognised(self, found: Concept) -> Recognition:
        """Everything that the concept is, looked up once a process."""
        known = found.known.get(self._recogniser)
        if known is None:
            known = found.known[self._recogniser] = self._recogniser.recognise(found.written)
        return known

    def names(self, found: Concept) -> bool:
        """True where the concept says this and nothing else: its codes are in the set, or unknown to it and every word
        beside them is one of its phrases.

        Stricter than `matches`: "CRS in a patient with gout" matches gout and does not name it.
        """
        told = [text for text in (found.text, *found.displays) if text]
        if found.codes and all(self._recogniser.has(self.id, *code) for code in found.codes):
            return all(self._is_exact(text) or text in found.displays for text in told)
        if any(self._recogniser.bars(self.id, *code) for code in found.codes):
            return False
        return bool(told) and all(self._is_exact(text) for text in told)

    def _is_exact(self, text: str) -> bool:
        return words_of(fold(_bare(text))) in self._exact


def _bare(text: str) -> str:
    """Without what terminologies append to a display: SNOMED CT's semantic tag, ICD-10's "unspecified"."""
    return _APPENDED.sub("", text)


def matchers(value_sets: Mapping[str, ValueSet], recogniser: Recogniser) -> dict[str, Matcher]:
    """Every value set, ready to match."""
    return {name: Matcher(value_set, recogniser) for name, value_set in value_sets.items()}
