"""What a text says, in one pass: which phrases stand in it, and whether they are said, doubted, past or denied.

A text is folded (case, accents, width, invisible signs) and cut into words; in scripts without spaces every character
is a word. Words make clauses. A cue, such as "no" or "history of", acts on the phrases of its own clause: before it,
after it, or both, as its language says. Every step is linear in the text, whatever the number of phrases.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Final

from cds_service.chart.inverted import Inverted, continued
from cds_service.chart.lists import joined
from cds_service.chart.scopes import Cue, Hit, Phrase, Scope, Sense, longest, silenced, trailing_cue
from cds_service.chart.sentences import Sentences
from cds_service.chart.tokens import Answer, marks_of, spaced_words, words_of

# Signs that carry no meaning of their own: (TM) and (R) before NFKC would write them as letters, superscript digits.
_SIGNS: Final = re.compile(r"[™®℠©℗]|\((?:tm|r|c|sm)\)|[⁰¹²³⁴-⁹]", re.IGNORECASE)
_MARKS: Final = re.compile("[\u0300-\u036f]")
# A full stop ends a sentence after a word: "E. coli" is one name, and "1.5" one number (`Sentences` knows more). The
# sign comes first, then what stands around it: the signs are looked for ten times as fast so.
_BREAK: Final = re.compile(r"[;\n|!。；、,.](?:(?<=[;\n|!。；、])|(?<=,)(?!\d)|(?<=[^\W\d_]{3}\.)(?=\s|$))")
_COMMAS: Final = ",、"
_LAST_WORD: Final = re.compile(r"[^\W\d_]{3,}$")
_SHORTENED: Final = 12  # letters of a word that may be shortened by a full stop
_YEARS: Final = range(1950, 2100)


def fold(text: str) -> str:
    """Lower case without accents, invisible signs, width and trade marks: how words are compared."""
    if text.isascii() and "(" not in text:
        return text.lower()
    bare = "".join(c for c in _SIGNS.sub(" ", text) if unicodedata.category(c) != "Cf")
    parts = unicodedata.normalize("NFD", unicodedata.normalize("NFKC", bare).casefold())
    return unicodedata.normalize("NFC", _MARKS.sub("", parts))


@dataclass(frozen=True, slots=True)
class Mention:
    """One phrase in a text: the value set, how it is meant, and the year that its clause names (0: none). One that is
    `excluded` is denied by an exclusion of its set, and not by words of denial."""

    set_id: str
    sense: Sense
    year: int
    excluded: bool = False


# Nobody writes so many words without a stop; a text that does is cut, so that what repeats itself is read once.
_LONGEST_CLAUSE: Final = 256
_TAIL: Final = 3  # letters of a word by which it is known whether it may end like a phrase
Clause = tuple[str, ...]


class Lexicon:
    """Every phrase of all value sets and every cue of all languages, found in one walk over a text's words."""

    def __init__(
        self,
        phrases: Iterable[tuple[str, Phrase]],
        spell: Callable[[str], str] = str,
        inverted: Inverted | None = None,
    ) -> None:
        """`spell` gives a folded text its one spelling: "gram (-)" and "gram-negative"; `inverted` are names in the
        order of an index."""
        self._spell = spell
        self._inverted = inverted or Inverted()
        self._one: dict[str, list[Phrase]] = {}
        # Longer phrases by their first two words: many begin with "no".
        self._more: dict[tuple[str, str], list[tuple[Clause, Phrase, bool]]] = {}
        self._ends: dict[int, dict[str, list[Phrase]]] = {}
        self._firsts: set[str] = set()  # words that begin a phrase, and those that begin one of a value set
        self._terms: set[str] = set()
        self._tails: set[str] = set()
        self._denials: set[str] = set()  # words that begin a denial of what follows
        self._shortened: set[str] = set()  # longer words whose full stop ends no sentence: "susp"
        self._sentences = Sentences(fold)
        self._ahead = 2  # clauses after its own that a phrase may reach into, or that say how it ended
        for text, phrase in phrases:
            self._add(text, phrase)
        for found in self._more.values():
            found.sort(key=lambda entry: -len(entry[0]))

    def _add(self, text: str, phrase: Phrase) -> None:
        folded = self._spell(fold(text))
        words = words_of(folded)
        if not words:
            return
        if folded.startswith("*"):
            self._ends.setdefault(len(words[0]), {}).setdefault(words[0], []).append(phrase)
            self._tails.add(words[0][-_TAIL:])
            return
        self._mark(folded, words, phrase)
        self._firsts.add(words[0])
        if phrase.cue and phrase.cue.sense == "denied" and phrase.cue.side == "before":
            self._denials.add(words[0])
        if phrase.set_id:
            self._terms.add(words[0])
        if len(words) == 1:
            self._one.setdefault(words[0], []).append(phrase)
        else:
            breaks = len(_BREAK.findall(folded))
            self._ahead = max(self._ahead, breaks)
            self._more.setdefault((words[0], words[1]), []).append((words[2:], phrase, breaks > 0))

    def _mark(self, folded: str, words: Clause, phrase: Phrase) -> None:
        """What a phrase tells of where sentences end."""
        if phrase.set_id:
            self._sentences.name(words)
        if folded.endswith("."):
            self._sentences.abbreviation(words)
            if phrase == Phrase() and len(words) == 1:
                self._shortened.add(words[0])
        if phrase.ordinal:
            self._sentences.ordinal(words)
        if phrase.cue and phrase.cue.last:
            self._sentences.answer(words)

    def may_mention(self, words: Clause) -> bool:
        """Whether a word begins a phrase of a value set that is no ending: a quick look before the walk."""
        return not self._terms.isdisjoint(words)

    def mentions(self, text: str) -> tuple[Mention, ...]:
        """What a text says of any value set, in order; what it says again in the same words only once."""
        clauses = self._cut(self._spell(fold(self._sentences.cut(text))))
        distinct = set().union(*clauses)
        terms = {w for w in distinct if w in self._terms or w[-_TAIL:] in self._tails}
        if not terms:
            return ()
        # What a clause says depends on its own words and on those after it.
        windows = {
            tuple((clause, marks_of(clause)) for clause in window): window
            for at, c in enumerate(clauses)
            if not terms.isdisjoint(c) and (window := tuple(clauses[at : at + 1 + self._ahead]))
        }
        return tuple(mention for window in windows.values() for mention in self._told(window))

    def _cut(self, folded: str) -> list[Clause]:
        """The words of each clause, those of a list that is denied as one."""
        run: list[Clause] = []
        clauses: list[Clause] = []
        start = 0
        for sign in chain(_BREAK.finditer(folded), (None,)):
            if sign is not None and sign[0] == "." and self._is_shortened(folded, sign.start()):
                continue
            words = spaced_words(folded[start : sign.start() if sign else len(folded)])
            if words:
                run.append(continued(words) if run else words)
            if sign is None or sign[0] not in _COMMAS:
                clauses += self._lists(run)
                run = []
            start = sign.end() if sign else start
        return [piece for words in clauses for piece in _pieces(words)]

    def _is_shortened(self, folded: str, stop: int) -> bool:
        """Whether the word before a full stop is one that the stop shortens: "susp. pneumonia"."""
        word = _LAST_WORD.search(folded[max(0, stop - _SHORTENED) : stop])
        return word is not None and word[0] in self._shortened

    def _lists(self, run: list[Clause]) -> Iterable[Clause]:
        """Clauses between which only commas stand; most texts deny nothing, and are not looked at twice."""
        if len(run) < 2:
            return run
        denies = not self._denials.isdisjoint(chain.from_iterable(run))
        answers = any(isinstance(word, Answer) for word in run[-1])
        return joined(run, self._hits) if denies or answers else run

    def _told(self, window: tuple[Clause, ...]) -> Iterator[Mention]:
        """What the first of some clauses says."""
        words = tuple(chain.from_iterable(window))
        cut = [number for number, clause in enumerate(window) for _ in clause]
        found = (*self._hits(words), *self._inverted.hits(words, cut))
        hits = [hit for hit in found if not hit.phrase.final or _is_last(hit, cut)]
        clauses = _turned(_joined(cut, hits), hits)
        told: dict[int, list[Hit]] = {}
        for hit in hits:
            if hit.phrase.cue is not None and hit.phrase.cue.last and not _is_last(hit, clauses):
                continue
            if hit.crosses or clauses[hit.start] == clauses[hit.end - 1]:
                told.setdefault(clauses[hit.start], []).append(hit)
        own = set(clauses[: len(window[0])])
        return self._mentions(words, clauses, told, own)

    def _hits(self, words: Clause) -> Iterator[Hit]:
        last = len(words) - 1
        for at, word in enumerate(words):
            if word in self._firsts:
                for rest, phrase, crosses in self._more.get((word, words[at + 1]), ()) if at < last else ():
                    end = at + 2 + len(rest)
                    if not rest or words[at + 2 : end] == rest:
                        yield Hit(at, end, phrase, crosses)
                for phrase in self._one.get(word, ()):
                    yield Hit(at, at + 1, phrase)
            if word[-_TAIL:] in self._tails:
                for length, ends in self._ends.items():
                    for phrase in ends.get(word[-length:], ()) if len(word) > length else ():
                        yield Hit(at, at + 1, phrase)

    def _mentions(
        self, words: Clause, clauses: Sequence[int], told: Mapping[int, list[Hit]], own: Collection[int]
    ) -> Iterator[Mention]:
        years = _years(words, clauses)
        begins: dict[int, int] = {}
        for at, clause in enumerate(clauses):
            begins.setdefault(clause, at)
        for clause in (number for number in told if number in own):
            hits = told[clause]
            terms = longest(hit for hit in hits if hit.phrase.set_id and not hit.phrase.excludes)
            if not terms:
                continue
            following = told.get(clause + 1, [])
            trailing, active = _behind(told, clause, begins, words, clauses)
            scope = Scope(hits, terms, words, range(begins[clause], begins.get(clause + 1, len(words))))
            year = years.get(clause, 0) or (years.get(clause + 1, 0) if _names_nothing(following) else 0)
            silent_places, wide = silenced(hits, terms)
            for hit in terms:
                silent = hit.phrase.set_id in wide or (hit.phrase.set_id, hit.start) in silent_places
                sense = "denied" if silent else scope.sense(hit, trailing, active)
                yield Mention(hit.phrase.set_id, sense, year, silent)


def _behind(
    told: Mapping[int, list[Hit]], clause: int, begins: Mapping[int, int], words: Sequence[str], clauses: Sequence[int]
) -> tuple[Cue | None, bool]:
    """The cue of the next clause, if it says something of this one; and whether that, or what follows such a cue, takes
    a past back: "pneumonia, resolved, recurred yesterday"."""
    found: Cue | None = None
    for number in (clause + 1, clause + 2):
        hits = told.get(number, [])
        cue = trailing_cue(hits, begins.get(number, -1), words, clauses) if _names_nothing(hits) else None
        if cue is None:
            break
        if cue.sense == "said":
            return found, True
        found = found or cue
    return found, False


def _names_nothing(hits: Iterable[Hit]) -> bool:
    """Whether a clause has no name of its own; what a set excludes is no name of anything."""
    return all(h.phrase.qualifies for h in hits if h.phrase.set_id and not h.phrase.excludes)


def _is_last(hit: Hit, clauses: Sequence[int]) -> bool:
    """Whether nothing of its clause follows."""
    return hit.end == len(clauses) or _is_first(hit.end, clauses)


def _is_first(at: int, clauses: Sequence[int]) -> bool:
    """Whether a clause begins with a word."""
    return at == 0 or clauses[at] != clauses[at - 1]


def _pieces(words: Clause) -> Iterator[Clause]:
    """A clause; one that is too long in pieces, between which an empty one keeps what trails a clause from trailing a
    piece."""
    yield words[:_LONGEST_CLAUSE]
    for start in range(_LONGEST_CLAUSE, len(words), _LONGEST_CLAUSE):
        yield ()
        yield words[start : start + _LONGEST_CLAUSE]


def _joined(clauses: list[int], hits: Iterable[Hit]) -> list[int]:
    """Clauses as one where a phrase of a value set reaches from one into the next: "CRS, grade 3?" is all in doubt."""
    spans = (range(clauses[hit.start], clauses[hit.end - 1]) for hit in hits if hit.crosses and hit.phrase.set_id)
    gone = sorted(set(chain.from_iterable(spans)))
    return [clause - bisect_left(gone, clause) for clause in clauses] if gone else clauses


def _turned(clauses: list[int], hits: Iterable[Hit]) -> list[int]:
    """Clauses cut once more where a word such as "but" turns the sentence, and does not begin one."""
    marks = {hit.start for hit in hits if hit.phrase.turn and not _is_first(hit.start, clauses)}
    if not marks:
        return clauses
    made, added = [], 0
    for at, clause in enumerate(clauses):
        added += at in marks
        made.append(clause + added)
    return made


def _years(words: Sequence[str], clauses: Sequence[int]) -> dict[int, int]:
    """The latest year that each clause names."""
    found: dict[int, int] = {}
    for word, clause in zip(words, clauses, strict=True):
        if len(word) == 4 and word.isdecimal() and int(word) in _YEARS:
            found[clause] = max(found.get(clause, 0), int(word))
    return found
