"""Every phrase that the knowledge lists, ready for the lexicon: of value sets, cues and placeholders."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from cds_service.chart.scopes import Cue, Phrase, Sense, Side
from cds_service.chart.words import fold, words_of
from cds_service.knowledge.model import Cues, Languages, ValueSet

_SIDES: Final[Mapping[str, Side]] = {
    "before": "before",
    "just_before": "before",
    "after": "after",
    "just_after": "after",
    "both": "both",
    "last": "after",
}
_ANYWHERE: Final = 10_000  # words: somebody else may stand anywhere in a clause


def phrases(value_sets: Iterable[ValueSet], languages: Languages) -> Iterator[tuple[str, Phrase]]:
    """Each text with what it stands for; texts that stand for the same share it."""
    for value_set in value_sets:
        named = Phrase(value_set.id, qualifies=value_set.qualifies, listed=value_set.listed)
        yield from _alike(_texts(value_set, languages), named)
        excluded = (exclusion.text for exclusion in value_set.exclusions if exclusion.text)
        yield from _alike(excluded, Phrase(value_set.id, excludes=True))
    for language in languages.languages.values():
        yield from _cues(language.denied, "denied", languages)
        yield from _cues(language.doubted, "doubted", languages)
        yield from _cues(language.past, "past", languages)
        yield from _alike(language.people.both, Phrase(cue=Cue("denied", "both", _ANYWHERE, person=True)))
        yield from _alike(language.active, Phrase(cue=Cue("said", "both", _ANYWHERE)))
        yield from _alike(language.turns, Phrase(turn=True))
        yield from _alike(language.joins, Phrase(join=True))
        yield from _alike(language.times, Phrase(when=True))
        yield from _alike(language.lists.ends, Phrase(alternative=True))
        yield from _alike(language.lists.begins, Phrase(lists=True))


def _texts(value_set: ValueSet, languages: Languages) -> Iterator[str]:
    """Its words, those of an international one in the spelling of every language."""
    for text in value_set.text:
        yield from dict.fromkeys((text, *(_spelled(text, languages) if value_set.international else ())))


def _spelled(text: str, languages: Languages) -> Iterator[str]:
    """A word of Greek or Latin as each language writes it; nothing where it does not end like one."""
    word = fold(text)
    for spelling in languages.spellings.values() if " " not in word else ():
        ending = max((end for end in spelling.endings if word.endswith(end)), key=len, default="")
        if ending:
            stem = word.removesuffix(ending)
            for letters, others in spelling.letters:
                stem = stem.replace(letters, others)
            yield stem + spelling.endings[ending]


def parts(nothing: Iterable[str], things: Iterable[str]) -> Mapping[str, list[tuple[tuple[str, ...], bool]]]:
    """Parts of placeholders by their first word, the longest first; whether each says that nothing is known."""
    found: dict[str, list[tuple[tuple[str, ...], bool]]] = {}
    for texts, tells in ((nothing, True), (things, False)):
        for words in dict.fromkeys(words_of(fold(text)) for text in texts):
            found.setdefault(words[0], []).append((words, tells))
    for beginning in found.values():
        beginning.sort(key=lambda part: -len(part[0]))
    return found


def beside(languages: Languages) -> frozenset[str]:
    """Words that say how certain something is, or how it is, and nothing of what it is; each for itself."""
    doubts = [language.doubted for language in languages.languages.values()]
    told = (text for cues in doubts for place in _SIDES for text in getattr(cues, place))
    active = (text for language in languages.languages.values() for text in language.active)
    texts = (*told, *active, *languages.placeholders.beside)
    return frozenset(word for text in texts for word in words_of(fold(text)))


def _cues(cues: Cues, sense: Sense, languages: Languages) -> Iterator[tuple[str, Phrase]]:
    for place, side in _SIDES.items():
        reach, answers = getattr(languages.reach, place), place == "last"
        yield from _alike(getattr(cues, place), Phrase(cue=Cue(sense, side, reach, last=answers)))


def _alike(texts: Iterable[str], phrase: Phrase) -> Iterator[tuple[str, Phrase]]:
    return ((text, phrase) for text in texts)
