"""What value sets of illnesses exclude, in two parts: the noun, and which kind of it is none of the set.

The parts are found in what is listed already: one of them is a name of the set itself. Where the whole is a name of
another set ("latent tuberculosis"), the parts are one too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from cds_service.chart.inverted import Kind, Words
from cds_service.chart.phrases import name_of
from cds_service.chart.scopes import Phrase
from cds_service.chart.spellings import Forms
from cds_service.chart.tokens import words_of
from cds_service.chart.words import fold
from cds_service.knowledge.model import ValueSet


def kinds(value_sets: Iterable[ValueSet], forms: Forms) -> Iterator[Kind]:
    """Every excluded name of the value sets whose names may stand in a list, for each of its two parts."""
    sets = tuple(value_sets)
    elsewhere: dict[Words, dict[Phrase, None]] = {}
    for each in sets:
        for text in each.text:
            elsewhere.setdefault(words_of(fold(text)), {})[name_of(each)] = None
    for value_set in (each for each in sets if each.listed):
        excluded = (each.text for each in value_set.exclusions if each.text and each.inverted)
        nouns = _Nouns(value_set, forms)
        for words in _in_words(excluded, value_set, forms):
            parts = [part for cut in range(1, len(words)) for part in nouns.parts(words[:cut], words[cut:])]
            for phrase in (Phrase(value_set.id, excludes=True), *elsewhere.get(words, ())):
                yield from (Kind(noun, kind, phrase) for noun, kind in parts)


class _Nouns:
    """The names of a value set, whole and by their ends ("*pneumonia")."""

    def __init__(self, value_set: ValueSet, forms: Forms) -> None:
        self._forms = forms
        self._names = _in_words((text for text in value_set.text if text[0] != "*"), value_set, forms)
        self._ends = tuple(fold(text[1:]) for text in value_set.text if text[0] == "*")

    def parts(self, before: Words, after: Words) -> Iterator[tuple[Words, Words]]:
        """Two parts as noun and kind, where the noun is a name; adjectives also as they stand behind one."""
        for noun, kind in ((after, before), (before, after)):
            if noun in self._names or (len(noun) == 1 and noun[0].endswith(self._ends)):
                bare = self._forms.bare(" ".join(kind))
                yield from ((noun, tuple(each.split(" "))) for each in bare)


def _in_words(texts: Iterable[str], value_set: ValueSet, forms: Forms) -> set[Words]:
    return {words_of(fold(form)) for text in texts for form in forms.of(text, value_set.international)}
