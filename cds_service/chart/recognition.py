"""What a coded or written concept is: in which value sets, how it is meant, and whether it was understood at all.

Every concept is looked at once, for all value sets together. There are three outcomes: it is in a value set; it is
recognisably something else; or it is not understood, and then no value set may be said not to hold it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from cds_service.chart.codes import CodeIndex, Systems
from cds_service.chart.counts import none_found
from cds_service.chart.inverted import Inverted
from cds_service.chart.kinds import kinds
from cds_service.chart.meanings import Meaning, Recognition, join, say_beside
from cds_service.chart.phrases import beside, parts, phrases
from cds_service.chart.scopes import Phrase
from cds_service.chart.spellings import Forms, taken_apart, transcribed
from cds_service.chart.stains import one_spelling
from cds_service.chart.tokens import words_of
from cds_service.chart.words import Lexicon, fold
from cds_service.knowledge.model import CodeSystems, Languages, ValueSet

_LEAST_LETTERS: Final = 3
_SHORT_TOKEN: Final = 5
_LONGEST_ABBREVIATED: Final = 60  # characters; a longer text says more than an abbreviation
_TOKEN: Final = re.compile(r"[^\W\d_]+")


@dataclass(frozen=True, slots=True)
class Written:
    """A concept as a chart writes it: (system, code, display) of each coding, and the text, none of them folded."""

    codings: tuple[tuple[str, str, str], ...]
    text: str


class Recogniser:
    """All value sets of a site, its languages and its code systems, ready to recognise any concept."""

    def __init__(
        self, value_sets: Mapping[str, ValueSet], systems: CodeSystems, languages: Languages, scripts: Iterable[str]
    ) -> None:
        self._systems = Systems(systems)
        self._codes = CodeIndex(self._systems)
        self._not_these: dict[tuple[str, tuple[str, ...]], set[str]] = {}
        for value_set in value_sets.values():
            self._index(value_set)
        self._qualifiers = frozenset(v.id for v in value_sets.values() if v.qualifies)
        self._ordinary = frozenset(v.id for v in value_sets.values() if v.ordinary)
        told = [value_set for value_set in value_sets.values() if not value_set.fillers]
        stained, apart = one_spelling(languages.stains, fold), taken_apart(languages)
        counted = none_found(languages.counts, fold)
        forms = Forms(languages)
        index = Inverted(kinds(told, forms), map(fold, languages.placeholders.beside))
        self._lexicon = Lexicon(phrases(told, languages, forms), lambda text: apart(counted(stained(text))), index)
        self._whole = frozenset(
            words_of(fold(form)) for text in languages.placeholders.whole for form in transcribed(text)
        )
        named = (text for value_set in told if not value_set.qualifies for text in value_set.names)
        self._names = frozenset(words_of(fold(text)) for text in named)
        self._parts = parts(languages.placeholders.nothing, languages.placeholders.things)
        self._anywhere = Lexicon(
            (form, Phrase("placeholder")) for text in languages.placeholders.anywhere for form in transcribed(text)
        )
        self._beside = beside(languages)
        self._short = frozenset(text.upper() for text in languages.abbreviations)
        self._no_words = frozenset(word for text in languages.no_words for word in words_of(fold(text)))
        self._scripts = frozenset(script.upper() for script in scripts)

    def _index(self, value_set: ValueSet) -> None:
        self._codes.add(value_set.id, value_set.codes)
        for tree in value_set.trees:
            families = self._systems.members(tree.family)
            self._codes.add_tree(value_set.id, families, tree.codes, included=True)
            self._codes.add_tree(value_set.id, families, tree.without, included=False)
        for exclusion in value_set.exclusions:
            if exclusion.code:
                spelling = self._systems.spelled(exclusion.system, exclusion.code)
                self._not_these.setdefault((spelling.family, spelling.forms), set()).add(value_set.id)

    def has(self, set_id: str, system: str, code: str) -> bool:
        """Whether a code is in a value set."""
        return set_id in self._codes.sets_of(system, code)

    def knows(self, system: str) -> bool:
        """Whether a code system is one of the public ones, and none of a hospital's own."""
        return self._systems.is_known(system)

    def qualifies(self, set_id: str) -> bool:
        """Whether a value set says nothing alone: what is in it names no condition, drug or finding of its own."""
        return set_id in self._qualifiers

    def bars(self, set_id: str, system: str, code: str) -> bool:
        """Whether a code is one that a value set excludes."""
        spelling = self._systems.spelled(system, code)
        return set_id in self._not_these.get((spelling.family, spelling.forms), ())

    def recognise(self, written: Written) -> Recognition:
        """What a concept is."""
        meanings: dict[str, Meaning] = {}
        barred: set[str] = set()
        displays: dict[str, frozenset[str]] = {}
        for system, code, display in written.codings:
            spelling = self._systems.spelled(system, code)
            barred |= self._not_these.get((spelling.family, spelling.forms), set())
            if code:
                meanings.update(dict.fromkeys(self._codes.sets_of(system, code), Meaning("said", by_code=True)))
            if display and not self._systems.says_nothing(system, code):
                left_out = self._codes.left_out(system, code)
                displays[display] = displays.get(display, left_out) & left_out
        shown = tuple(displays)
        contradicts = not meanings and self._is_something_else(written)
        for text in dict.fromkeys((*([written.text] if written.text else []), *shown)):
            # What a code is not, its display does not make it; words of the clinician's own beside it may.
            own = text not in shown
            told = self._read(text, contradicts and own)
            join(meanings, told, frozenset() if own else barred | displays[text])
            # A display is the terminology's; where there are words of the clinician's own, they say how it is meant.
            if own or not written.text or text == written.text:
                say_beside(meanings, told)
        tells = not meanings.keys() <= self._qualifiers
        if tells and not (self._by_words(meanings) and self._tells_nothing(meanings, (written.text, *shown))):
            return Recognition(meanings)
        if barred:  # a code that a value set says it is not
            return Recognition(meanings)
        return Recognition(meanings, self._puzzle(written, shown))

    @staticmethod
    def _by_words(meanings: Mapping[str, Meaning]) -> bool:
        """Whether no code speaks for any of these."""
        return not any(meaning.by_code for meaning in meanings.values())

    def _tells_nothing(self, meanings: Mapping[str, Meaning], texts: tuple[str, ...]) -> bool:
        """Whether all of these words are a placeholder, although a value set may hold some of them ("see comment",
        "patient intubated, cannot answer"), or are ordinary in a script that is not read here: where nobody reads it,
        one word that is known does not make the others so."""
        if meanings.keys() <= self._ordinary | self._qualifiers and not any(map(self._in_read_script, texts)):
            return True
        return all(self._is_nothing(text, words_of(fold(text))) for text in texts if text)

    def _is_nothing(self, text: str, words: tuple[str, ...]) -> bool:
        """Whether a text is a placeholder, or holds one that says so wherever it stands."""
        return self._is_placeholder(words) or (
            self._anywhere.may_mention(words) and bool(self._anywhere.mentions(text))
        )

    def _is_placeholder(self, words: tuple[str, ...]) -> bool:
        """Whether words are one that is listed, or only made of parts that say nothing; a phrase that says something
        as a whole is none ("no allergies known")."""
        if words in self._whole:
            return True
        if words in self._names:
            return False
        at, told = 0, False
        while at < len(words):
            found = self._parts.get(words[at], ())
            part = next((part for part in found if words[at : at + len(part[0])] == part[0]), None)
            if part is None:
                return False
            at, told = at + len(part[0]), told or part[1]
        return told

    def _read(self, text: str, contradicted: bool) -> dict[str, Meaning]:
        told: dict[str, Meaning] = {}
        for mention in self._lexicon.mentions(text):
            meaning = Meaning(mention.sense, year=mention.year, contradicted=contradicted, excluded=mention.excluded)
            join(told, {mention.set_id: meaning}, frozenset())
        return told

    def _puzzle(self, written: Written, displays: Iterable[str]) -> str:
        """Why a concept that is in no value set is not recognisably something else; "" where it is."""
        told = [(system, code) for system, code, _ in written.codings if code]
        if self._is_something_else(written):
            return ""
        if any(self._systems.says_nothing(s, c) for s, c in told):
            return "it says that nothing is known"
        texts = [text for text in (written.text, *displays) if text.strip()]
        if not texts:
            return "a code without words" if told else "neither a code nor words"
        reasons = [self._unread(text) for text in texts]
        return "" if "" in reasons else reasons[0]

    def _is_something_else(self, written: Written) -> bool:
        """Whether a code is of a system that is known whole: one that is in no value set is something else."""
        told = ((system, code) for system, code, _ in written.codings if code)
        return any(self._systems.is_whole(s) and not self._systems.says_nothing(s, c) for s, c in told)

    def _unread(self, text: str) -> str:
        """Why words say nothing that could be understood; "" where they do."""
        folded = fold(text)
        words = words_of(folded)
        letters = [c for c in folded if c.isalpha()]
        if not letters:
            return "no words"
        if self._is_nothing(text, words):
            return "words that say nothing"
        if text.strip().upper() in self._short:
            return ""
        if not self._in_read_script(text):
            return "words in a script that is not read here"
        if sum(map(_letters_in, letters)) < _LEAST_LETTERS:
            return "too few letters"
        return "an abbreviation that is not listed" if self._is_abbreviation(text) else ""

    def _is_abbreviation(self, text: str) -> bool:
        """Whether a text is one short token in capitals that no list holds; what only says that it is in doubt, or how
        it is, makes it no better known: "IPA (probable)"."""
        told = _TOKEN.findall(text) if len(text) <= _LONGEST_ABBREVIATED else []
        names = [token for token in told if fold(token) not in self._beside]
        if len(names) != 1 or any(c.isdigit() for c in text):
            return False
        (name,) = names
        return name.isupper() and len(name) <= _SHORT_TOKEN and name not in self._short

    def _in_read_script(self, text: str) -> bool:
        """Whether a text, or at least a word of it, is of a script that is read here."""
        folded = fold(text)
        letters = [c for c in folded if c.isalpha()]
        alone = bool(letters) and all(_script(c) in self._scripts for c in letters)
        return alone or any(map(self._is_read, words_of(folded)))

    def _is_read(self, word: str) -> bool:
        """Whether a word is one of a script that is read here, and no unit, form or numeral ("mg", "II")."""
        long_enough = len(word) >= _LEAST_LETTERS and word not in self._no_words
        return long_enough and all(_script(c) in self._scripts for c in word)


def _letters_in(sign: str) -> int:
    """How many letters a sign stands for: a Korean syllable is written of two or three, and a Chinese character, which
    is a syllable or a word, counts as two."""
    script = _script(sign)
    if script == "HANGUL":
        return len(unicodedata.normalize("NFD", sign))
    return 2 if script == "CJK" else 1


def _script(character: str) -> str:
    """The script of a letter, by the first word of its Unicode name: LATIN, CJK, HANGUL, HIRAGANA, CYRILLIC ..."""
    return unicodedata.name(character, "").partition(" ")[0]
