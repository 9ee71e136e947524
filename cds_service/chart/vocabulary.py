"""Value sets at work: does this concept mean that?

A code decides where there is one; words decide in text-only concepts and in the displays of unlisted codes. A phrase
that a set excludes silences the clause that it stands in, so that "family history of sepsis" never reads as sepsis.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache
from typing import Any

from cds_service.knowledge.model import ValueSet


@dataclass(frozen=True, slots=True)
class Concept:
    """A CodeableConcept, normalised: codes as (system, code), words lower-case.

    `known` remembers which value sets it is in: equal concepts of a process are one object (see `concept`).
    """

    codes: tuple[tuple[str, str], ...]
    displays: tuple[str, ...]
    text: str
    label: str
    known: dict[Matcher, bool] = field(default_factory=dict, compare=False, repr=False)

    @property
    def empty(self) -> bool:
        """Nothing at all to recognise it by."""
        return not self.codes and not self.displays and not self.text


class Outcome(Enum):
    """What a concept is to a value set. What is not understood may be one of ours."""

    OURS = "ours"
    SOMETHING_ELSE = "something else"
    NOT_UNDERSTOOD = "not understood"


# Three letters in a row, of any script, are words; one character of a script without spaces is a word already.
_WORDS = re.compile(r"[^\W\d_]{3}|[\u2e80-\U0003ffff]")
# Systems whose every code is what it says: it is in our value set, or it is something else.
WHOLE_SYSTEMS = ("http://loinc.org", "http://hl7.org/fhir/sid/icd-10")
_APPENDED = re.compile(r"( \((disorder|finding|situation)\)|, unspecified)+$")
NOTHING = Concept((), (), "", "")


# A chart has a few dozen distinct concepts, again and again. Long texts are rare and would fill the memory.
_LONGEST = 256


@lru_cache(maxsize=4096)
def _one(codes: tuple[tuple[str, str], ...], displays: tuple[str, ...], text: str, label: str) -> Concept:
    return Concept(codes, displays, text, label)


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
    codings = [c for c in _list(value.get("coding")) if isinstance(c, Mapping)]
    codes = tuple((str(c.get("system", "")), str(c["code"])) for c in codings if c.get("code"))
    # Aligned with `codings`, so that an excluded code can silence its own display only.
    displays = tuple(normalise(str(c.get("display") or "")) for c in codings if c.get("code") or c.get("display"))
    text = str(value.get("text") or "")
    label = text or next((str(c["display"]) for c in codings if c.get("display")), "")
    label = label or (codes[0][1] if codes else "")
    made = _one if len(text) + sum(map(len, displays)) <= _LONGEST else Concept
    return made(codes, tuple(d for d in displays if d), normalise(text), label[:120])


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


class Matcher:
    """One value set, compiled once."""

    def __init__(self, value_set: ValueSet) -> None:
        self.id = value_set.id
        self._codes = frozenset((c.system, c.code) for c in value_set.codes)
        self._prefixes = tuple((c.system, c.code) for c in value_set.codes if c.match == "prefix")
        self._excluded = frozenset((e.system, e.code) for e in value_set.exclusions if e.code)
        self._words = _phrases(value_set.text)
        self._exact = frozenset(normalise(t) for t in (*value_set.text, *(c.display for c in value_set.codes)))
        self._hedge = _phrases(e.text for e in value_set.exclusions if e.text)

    def matches(self, found: Concept) -> bool:
        """True where a code is in the set, or its words are and no code of the set's exclusions stands beside."""
        known = found.known.get(self)
        if known is None:
            known = found.known[self] = self._judge(found)
        return known

    def outcome(self, found: Concept) -> Outcome:
        """One of ours, recognisably something else, or not understood."""
        if self.matches(found):
            return Outcome.OURS
        return Outcome.SOMETHING_ELSE if is_recognisable(found) else Outcome.NOT_UNDERSTOOD

    def names(self, found: Concept) -> bool:
        """True where the concept says this and nothing else: its codes are in the set, or unknown to it and every word
        beside them is one of its phrases.

        Stricter than `matches`: "CRS in a patient with gout" matches gout and does not name it.
        """
        told = [text for text in (found.text, *found.displays) if text]
        if found.codes and all(self._has(code) for code in found.codes):
            return all(_bare(text) in self._exact or text in found.displays for text in told)
        if any(code in self._excluded for code in found.codes):
            return False
        return bool(told) and all(_bare(text) in self._exact for text in told)

    def _has(self, code: tuple[str, str]) -> bool:
        return code in self._codes or any(code[0] == s and code[1].startswith(c) for s, c in self._prefixes)

    def _judge(self, found: Concept) -> bool:
        if any(self._has(code) for code in found.codes):
            return True
        if self._words is None:
            return False
        if any(code in self._excluded for code in found.codes):
            return self._says(found.text) and found.text not in found.displays
        return self._says(found.text) or any(self._says(display) for display in found.displays)

    def _says(self, text: str) -> bool:
        if not text or self._words is None:
            return False
        for found in self._words.finditer(text):
            if self._hedge is None or not self._hedge.search(_clause(text, found.start(), found.end())):
                return True
        return False


def is_recognisable(found: Concept) -> bool:
    """Whether a concept says in words, or by a code of a system known whole, what it is."""
    if any(_WORDS.search(text) for text in (found.text, *found.displays)):
        return True
    return any(system.startswith(WHOLE_SYSTEMS) for system, _ in found.codes)


def _bare(text: str) -> str:
    """Without what terminologies append to a display: SNOMED CT's semantic tag, ICD-10's "unspecified"."""
    return _APPENDED.sub("", text)


def _clause(text: str, start: int, end: int) -> str:
    """The part of a text around a match: "sepsis, no pneumonia" says two things."""
    begin = max(text.rfind(", ", 0, start), text.rfind("; ", 0, start)) + 1
    stops = [at for at in (text.find(", ", end), text.find("; ", end)) if at >= 0]
    return text[begin : min(stops, default=len(text))]


def _phrases(phrases: Iterable[str]) -> re.Pattern[str] | None:
    """Whole words or phrases, longest first; None where there are none."""
    ordered = sorted({normalise(p) for p in phrases}, key=len, reverse=True)
    if not ordered:
        return None
    # Scripts without spaces between words (CJK) have no word boundary to ask for.
    spaced = [re.escape(p) for p in ordered if not any(ord(c) >= 0x2E80 for c in p)]
    unspaced = [re.escape(p) for p in ordered if any(ord(c) >= 0x2E80 for c in p)]
    parts = ([rf"(?<!\w)(?:{'|'.join(spaced)})(?!\w)"] if spaced else []) + unspaced
    return re.compile("|".join(parts))


def matchers(value_sets: Mapping[str, ValueSet]) -> dict[str, Matcher]:
    """Every value set, ready to match."""
    return {name: Matcher(value_set) for name, value_set in value_sets.items()}
