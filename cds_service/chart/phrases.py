"""Every phrase that the knowledge lists, ready for the lexicon: of value sets, cues and placeholders."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Final

from cds_service.chart.scopes import Cue, Phrase, Sense, Side
from cds_service.chart.spellings import Forms, transcribed
from cds_service.chart.tokens import words_of
from cds_service.chart.words import fold
from cds_service.knowledge.model import Cues, Language, Languages, People, ValueSet

_SIDES: Final[Mapping[str, Side]] = {
    "before": "before",
    "just_before": "before",
    "before_word": "before",
    "after": "after",
    "just_after": "after",
    "both": "both",
    "last": "after",
}
_ANYWHERE: Final = 10_000  # words: somebody else may stand anywhere in a clause
_NOTHING: Final = -1  # words: not even what stands right there


def phrases(value_sets: Iterable[ValueSet], languages: Languages, forms: Forms) -> Iterator[tuple[str, Phrase]]:
    """Each text with what it stands for; texts that stand for the same share it."""
    for value_set in value_sets:
        yield from _named(value_set, forms)
    for language in languages.languages.values():
        for text, phrase in _of_language(language, languages):
            yield from _alike(forms.of(text), phrase)
    yield from _of_results(languages)
    yield from _alike(languages.abbreviated, Phrase())
    yield from _alike(languages.tests, Phrase(test=True))
    yield from _alike(languages.tested, Phrase(tested=True))
    yield from _alike(languages.syndromes, Phrase(syndrome=True))


def _of_language(language: Language, languages: Languages) -> Iterator[tuple[str, Phrase]]:
    yield from _cues(language.denied, "denied", languages)
    yield from _cues(language.doubted, "doubted", languages)
    yield from _cues(language.past, "past", languages)
    yield from _alike(language.people.both, Phrase(cue=Cue("denied", "both", _ANYWHERE, person=True)))
    yield from _alike(_bystanders(language.people), Phrase(cue=Cue("doubted", "before", _NOTHING)))
    paired = Cue("denied", "before", languages.reach.before, paired=True)
    yield from _alike(language.paired, Phrase(cue=paired))
    yield from _alike(_active(language), Phrase(cue=Cue("said", "both", _ANYWHERE)))
    yield from _alike(language.turns, Phrase(turn=True))
    yield from _alike(language.joins, Phrase(join=True))
    yield from _alike(language.times, Phrase(when=True))
    yield from _alike(language.lists.ends, Phrase(alternative=True))
    yield from _alike(language.lists.begins, Phrase(lists=True))
    yield from _alike(language.lists.closes, Phrase(closes=True))
    yield from _alike(language.lists.complaints, Phrase(listed=True))
    yield from _alike(language.headings, Phrase(heading=True))
    yield from _alike(language.ordinals, Phrase(ordinal=True))
    yield from _alike(language.under_way.treated, Phrase(treated=True))
    yield from _alike(language.under_way.since, Phrase(since=True))


def _of_results(languages: Languages) -> Iterator[tuple[str, Phrase]]:
    """How laboratories deny what was looked for, and what only looks as if it were of the name before it: of two cues
    that overlap the longer one counts, and that one reaches nothing."""
    denied, apart = languages.not_grown, languages.apart
    yield from _alike(denied.before, Phrase(cue=Cue("denied", "before", languages.reach.before)))
    yield from _alike(denied.after, Phrase(cue=Cue("denied", "after", denied.reach)))
    of_another = (f"{what} {denial}" for what in apart.of for denial in apart.denials)
    yield from _alike((*apart.texts, *of_another), Phrase(cue=Cue("doubted", "before", _NOTHING)))


def _bystanders(people: People) -> Iterator[str]:
    """Persons who have nothing of what is told: of two cues that overlap the longer one counts, and that one reaches
    nothing."""
    for person in people.both:
        yield from (f"{before} {person}" for before in people.beside.before)
        yield from (f"{person} {after}" for after in people.beside.after)


def _active(language: Language) -> Iterator[str]:
    """What takes a past back: words for it, and what is only partly so, or not, before a word for the past."""
    yield from language.active
    past = language.past
    for begun in language.unfinished:
        yield from (f"{begun} {over}" for over in (*past.just_before, *past.after, *past.just_after))


def _named(value_set: ValueSet, forms: Forms) -> Iterator[tuple[str, Phrase]]:
    """Its names, and what is none of them."""
    named = name_of(value_set)
    excluded = (exclusion.text for exclusion in value_set.exclusions if exclusion.text)
    for texts, phrase in ((value_set.names, named), (excluded, Phrase(value_set.id, excludes=True))):
        told = dict.fromkeys(form for text in texts for form in forms.of(text, value_set.international))
        yield from _alike(told, phrase)
        if phrase is named and value_set.indexed:
            # More words behind it may begin something else: "pneumonia, viral load pending".
            turned = (form for text in told for form in forms.indexed(text) if form not in told)
            yield from _alike(dict.fromkeys(turned), replace(phrase, final=True))


def name_of(value_set: ValueSet) -> Phrase:
    """What each of its names stands for."""
    return Phrase(value_set.id, qualifies=value_set.qualifies, listed=value_set.listed)


def parts(nothing: Iterable[str], things: Iterable[str]) -> Mapping[str, list[tuple[tuple[str, ...], bool]]]:
    """Parts of placeholders by their first word, the longest first; whether each says that nothing is known."""
    found: dict[str, list[tuple[tuple[str, ...], bool]]] = {}
    for texts, tells in ((nothing, True), (things, False)):
        for words in dict.fromkeys(words_of(fold(form)) for text in texts for form in transcribed(text)):
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
        reach, narrow = getattr(languages.reach, place), place == "before_word"
        yield from _alike(
            getattr(cues, place), Phrase(cue=Cue(sense, side, reach, last=place == "last", narrow=narrow))
        )


def _alike(texts: Iterable[str], phrase: Phrase) -> Iterator[tuple[str, Phrase]]:
    return ((text, phrase) for text in texts)
