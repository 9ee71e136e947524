"""Coded and written concepts of a chart, and the value sets at work on them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache

from cds_service.chart.meanings import Meaning, Recognition
from cds_service.chart.recognition import Recogniser, Written
from cds_service.chart.spellings import transcribed
from cds_service.chart.tokens import words_of
from cds_service.chart.words import fold
from cds_service.knowledge.model import ValueSet


@dataclass(frozen=True, slots=True)
class Concept:
    """A CodeableConcept, normalised: codes as (system, code), words lower-case.

    `written` is the concept as it came; `known` remembers what it was recognised as, and `named` which value sets it
    names: equal concepts of a process are one object (see `concept`).
    """

    codes: tuple[tuple[str, str], ...]
    displays: tuple[str, ...]
    text: str
    label: str
    written: Written
    known: dict[Recogniser, Recognition] = field(default_factory=dict, compare=False, repr=False)
    named: dict[Matcher, bool] = field(default_factory=dict, compare=False, repr=False)

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
Codings = tuple[tuple[str, str, str], ...]


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
    if not isinstance(value, dict):
        return NOTHING
    text = str(value.get("text") or "")
    coded = value.get("coding")
    codings: Codings = ()
    if isinstance(coded, dict):
        coded = [coded]
    if isinstance(coded, list):
        items = [c for c in coded if isinstance(c, dict)]
        told = [(str(c.get("system") or ""), str(c.get("code") or ""), str(c.get("display") or "")) for c in items]
        codings = tuple(told)
    if not text and not codings:
        return NOTHING
    length = len(text) + sum([len(system) + len(code) + len(display) for system, code, display in codings])
    length += _CODING * max(0, len(codings) - 1)
    return _remembered(codings, text) if length <= _LONGEST else _concept(codings, text)


_CLAUSE = re.compile(r"[;\n。；、]|[,.](?=\s|$)")


def clauses_of(text: str) -> list[Concept]:
    """Each clause of a text for itself."""
    return [concept({"text": clause}) for clause in _CLAUSE.split(text) if clause.strip()]


@lru_cache(maxsize=4096)
def _remembered(codings: Codings, text: str) -> Concept:
    return _concept(codings, text)


def _concept(codings: Codings, text: str) -> Concept:
    codes = tuple((system, code) for system, code, _ in codings if code)
    displays = tuple(normal for *_, display in codings if display and (normal := normalise(display)))
    label = text or next((display for *_, display in codings if display), "") or (codes[0][1] if codes else "")
    return Concept(codes, displays, normalise(text), label[:120], Written(codings, text))


class Matcher:
    """One value set: does this concept mean that?"""

    def __init__(self, value_set: ValueSet, recogniser: Recogniser) -> None:
        self.id = value_set.id
        self.recogniser = recogniser
        self._phrases = (*value_set.names, *(c.display for c in value_set.codes))

    def matches(self, found: Concept) -> bool:
        """True where the concept says this of the patient as of now, for certain or in doubt."""
        return self.id in self.recognised(found).held

    def mentions(self, found: Concept) -> bool:
        """The same, also where it says that this is past: for what is never over, such as an allergy."""
        return self.id in self.recognised(found).mentioned

    def without(self, text: str) -> str:
        """The text, folded, without the phrases of this value set: what else it names."""
        return self._any_phrase.sub(" ", fold(text))

    @cached_property
    def _any_phrase(self) -> re.Pattern[str]:
        """The longest first: "streptococcus mitis" before "mitis"; whatever stands between their words."""
        told = sorted(
            {words_of(fold(form)) for text in self._phrases for form in transcribed(text)} - {()},
            key=lambda words: -len("".join(words)),
        )
        said = (r"[\W_]*".join(map(re.escape, words)) for words in told)
        return re.compile("|".join(rf"(?<![^\W\d_]){text}(?![^\W\d_])" for text in said) or r"(?!)")

    @property
    def phrases(self) -> Sequence[str]:
        """All its phrases: its words, and the displays of its codes."""
        return self._phrases

    @property
    def phrase(self) -> str:
        """The first of its phrases."""
        return self._phrases[0] if self._phrases else ""

    def meaning(self, found: Concept) -> Meaning | None:
        """How the concept says this; None where it does not."""
        return self.recognised(found).meanings.get(self.id)

    def recognised(self, found: Concept) -> Recognition:
        """Everything that the concept is, looked up once a process."""
        known = found.known.get(self.recogniser)
        if known is None:
            known = found.known[self.recogniser] = self.recogniser.recognise(found.written)
        return known

    def names(self, found: Concept) -> bool:
        """True where the concept says this and nothing else: its codes are in the set, or unknown to it and every word
        beside them is one of its phrases.

        Stricter than `matches`: "CRS in a patient with gout" matches gout and does not name it.
        """
        named = found.named.get(self)
        if named is None:
            named = found.named[self] = self._names(found)
        return named

    def _names(self, found: Concept) -> bool:
        told = [text for text in (found.text, *found.displays) if text]
        if found.codes and all(self.recogniser.has(self.id, *code) for code in found.codes):
            return all(self._is_exact(text) or text in found.displays for text in told)
        if any(self.recogniser.bars(self.id, *code) for code in found.codes):
            return False
        return bool(told) and all(self._is_exact(text) for text in told)

    def _is_exact(self, text: str) -> bool:
        return words_of(fold(_bare(text))) in self._exact

    @cached_property
    def _exact(self) -> frozenset[tuple[str, ...]]:
        """Few value sets are ever asked what a concept names."""
        return frozenset(words_of(fold(form)) for text in self._phrases for form in transcribed(text))


def _bare(text: str) -> str:
    """Without what terminologies append to a display: SNOMED CT's semantic tag, ICD-10's "unspecified"."""
    return _APPENDED.sub("", text)


def is_coded(found: Concept, sets: Sequence[Matcher]) -> bool:
    """Whether a code, and not only words, puts a concept in one of some value sets."""
    meanings = (matcher.meaning(found) for matcher in sets)
    return any(meaning is not None and meaning.by_code for meaning in meanings)


def one_of(sets: Sequence[Matcher], past: bool = False) -> Callable[[Concept], bool]:
    """Whether a concept says one of some value sets of the patient as of now; with `past` also that it is over."""
    names, any_set = frozenset(matcher.id for matcher in sets), sets[0]
    if past:
        return lambda found: not names.isdisjoint(any_set.recognised(found).mentioned)
    return lambda found: not names.isdisjoint(any_set.recognised(found).held)


def matchers(value_sets: Mapping[str, ValueSet], recogniser: Recogniser) -> dict[str, Matcher]:
    """Every value set, ready to match."""
    return {name: Matcher(value_set, recogniser) for name, value_set in value_sets.items()}
