"""What a text says, in one pass: which phrases stand in it, and whether they are said, doubted, past or denied.

A text is folded (case, accents, width, invisible signs) and cut into words; in scripts without spaces every character
is a word. Words make clauses. A cue, such as "no" or "history of", acts on the phrases of its own clause: before it,
after it, or both, as its language says. Every step is linear in the text, whatever the number of phrases.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

Sense = Literal["said", "doubted", "past", "denied"]
# The most alarming reading first: a text that says one thing twice is read by the first of these.
SENSES: Final[tuple[Sense, ...]] = ("said", "doubted", "past", "denied")
Side = Literal["before", "after", "both"]

# Signs that carry no meaning of their own: (TM) and (R) before NFKC would write them as letters, superscript digits.
_SIGNS: Final = re.compile(r"[™®℠©℗]|\((?:tm|r|c|sm)\)|[⁰¹²³⁴-⁹]", re.IGNORECASE)
_MARKS: Final = re.compile("[\u0300-\u036f]")
# Scripts that write without spaces, or glue particles to words: Han, kana, Hangul, Thai, Lao, Khmer.
_UNSPACED: Final = "\u0e00-\u0eff\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff"
_WORD: Final = re.compile(rf"[{_UNSPACED}]|[^\W\d_{_UNSPACED}]+|\d+|\?")
# A full stop ends a sentence only after a word: "E. coli" is one name, and "1.5" one number.
_BREAK: Final = re.compile(r"[;\n。；]|,(?!\d)|、|(?<=[^\W\d_]{3})\.(?=\s|$)")
_YEARS: Final = range(1950, 2100)


def fold(text: str) -> str:
    """Lower case without accents, invisible signs, width and trade marks: how words are compared."""
    if text.isascii() and "(" not in text:
        return text.lower()
    bare = "".join(c for c in _SIGNS.sub(" ", text) if unicodedata.category(c) != "Cf")
    parts = unicodedata.normalize("NFD", unicodedata.normalize("NFKC", bare).casefold())
    return unicodedata.normalize("NFC", _MARKS.sub("", parts))


def words_of(text: str) -> tuple[str, ...]:
    """The words of a folded text, without what stands between them."""
    return tuple(_WORD.findall(text))


@dataclass(frozen=True, slots=True)
class Cue:
    """Words that change how the phrases of their clause are meant: those on the other side of it, at most `reach` words
    away. `side` says where the cue stands. `sense` "said" takes a past back; a `person` is somebody else, who may stand
    anywhere in the clause."""

    sense: Sense
    side: Side
    reach: int
    person: bool = False


@dataclass(frozen=True, slots=True)
class Phrase:
    """A phrase of a value set (`excludes`: it silences that set in its clause), a cue, or a word that ends the reach of
    the cues before it: `turn` begins a clause of its own ("but"), `join` goes on with the same one ("with"). `when`
    begins a time or a reason ("in", "last"), which a cue alone in its clause may be followed by."""

    set_id: str = ""
    excludes: bool = False
    cue: Cue | None = None
    turn: bool = False
    join: bool = False
    when: bool = False


@dataclass(frozen=True, slots=True)
class Mention:
    """One phrase in a text: the value set, how it is meant, and the year that its clause names (0: none)."""

    set_id: str
    sense: Sense
    year: int


@dataclass(frozen=True, slots=True)
class _Hit:
    """A phrase at its words; one that holds a comma itself ("Staphylococcus, coagulase negative") crosses clauses."""

    start: int
    end: int
    phrase: Phrase
    crosses: bool = False


class Lexicon:
    """Every phrase of all value sets and every cue of all languages, found in one walk over a text's words."""

    def __init__(self, phrases: Iterable[tuple[str, Phrase]]) -> None:
        self._one: dict[str, list[Phrase]] = {}
        # Longer phrases by their first two words: many begin with "no".
        self._more: dict[tuple[str, str], list[tuple[tuple[str, ...], Phrase, bool]]] = {}
        self._ends: dict[int, dict[str, list[Phrase]]] = {}
        for text, phrase in phrases:
            self._add(text, phrase)
        for found in self._more.values():
            found.sort(key=lambda entry: -len(entry[0]))

    def _add(self, text: str, phrase: Phrase) -> None:
        folded = fold(text)
        words = words_of(folded)
        if not words:
            return
        if folded.startswith("*"):
            self._ends.setdefault(len(words[0]), {}).setdefault(words[0], []).append(phrase)
        elif len(words) == 1:
            self._one.setdefault(words[0], []).append(phrase)
        else:
            crosses = _BREAK.search(folded) is not None
            self._more.setdefault((words[0], words[1]), []).append((words[2:], phrase, crosses))

    def mentions(self, text: str) -> tuple[Mention, ...]:
        """What a text says of any value set, in order."""
        folded = fold(text)
        words, clauses = _cut(folded)
        hits = list(self._hits(words))
        clauses = _turned(clauses, hits)
        told: dict[int, list[_Hit]] = {}
        for hit in hits:
            if hit.crosses or clauses[hit.start] == clauses[hit.end - 1]:
                told.setdefault(clauses[hit.start], []).append(hit)
        return tuple(self._mentions(words, clauses, told))

    def _hits(self, words: Sequence[str]) -> Iterator[_Hit]:
        for at, (word, following) in enumerate(zip(words, (*words[1:], ""), strict=True)):
            for rest, phrase, crosses in self._more.get((word, following), ()):
                end = at + 2 + len(rest)
                if not rest or tuple(words[at + 2 : end]) == rest:
                    yield _Hit(at, end, phrase, crosses)
            for phrase in self._one.get(word, ()):
                yield _Hit(at, at + 1, phrase)
            for length, ends in self._ends.items():
                for phrase in ends.get(word[-length:], ()) if len(word) > length else ():
                    yield _Hit(at, at + 1, phrase)

    def _mentions(self, words: Sequence[str], clauses: Sequence[int], told: dict[int, list[_Hit]]) -> Iterator[Mention]:
        years = _years(words, clauses)
        begins: dict[int, int] = {}
        for at, clause in enumerate(clauses):
            begins.setdefault(clause, at)
        for clause, hits in told.items():
            terms = _longest(hit for hit in hits if hit.phrase.set_id and not hit.phrase.excludes)
            if not terms:
                continue
            following = told.get(clause + 1, [])
            alone = not any(hit.phrase.set_id for hit in following)  # what follows names nothing itself
            scope = _Scope(hits, terms)
            trailing = _trailing(following, begins.get(clause + 1, -1), words, clauses) if alone else None
            year = years.get(clause, 0) or (years.get(clause + 1, 0) if alone else 0)
            silenced, wide = _silenced(hits, terms)
            for hit in terms:
                silent = hit.phrase.set_id in wide or (hit.phrase.set_id, hit.start) in silenced
                sense = "denied" if silent else scope.sense(hit, trailing)
                yield Mention(hit.phrase.set_id, sense, year)


def _longest(terms: Iterable[_Hit]) -> list[_Hit]:
    """Without the phrases that lie in a longer one of their own set: "septic shock" is not also "septic"."""
    upto: dict[str, int] = {}
    kept = []
    for hit in terms:
        if hit.end > upto.get(hit.phrase.set_id, 0):
            upto[hit.phrase.set_id] = hit.end
            kept.append(hit)
    return kept


def _silenced(hits: Sequence[_Hit], terms: Sequence[_Hit]) -> tuple[set[tuple[str, int]], set[str]]:
    """What exclusions silence: one that contains a phrase of its set only what lies in it ("organizing pneumonia"), as
    (set, place); any other its whole set, in the clause ("lidocaine")."""
    places: dict[str, list[int]] = {}
    for hit in terms:
        places.setdefault(hit.phrase.set_id, []).append(hit.start)
    silenced: set[tuple[str, int]] = set()
    wide: set[str] = set()
    for hit in hits:
        if hit.phrase.excludes:
            own = places.get(hit.phrase.set_id, [])
            inside = own[bisect_left(own, hit.start) : bisect_left(own, hit.end)]
            silenced.update((hit.phrase.set_id, start) for start in inside)
            if not inside:
                wide.add(hit.phrase.set_id)
    return silenced, wide


class _Scope:
    """The cues of one clause, ready to say how each of its phrases is meant."""

    def __init__(self, hits: Sequence[_Hit], terms: Sequence[_Hit]) -> None:
        first = min(hit.start for hit in terms)
        cues = _cues(hits, first)
        told = [(hit, hit.phrase.cue) for hit in cues if hit.phrase.cue is not None]
        self._person = any(cue.person for _, cue in told)
        self._active = any(cue.sense == "said" for _, cue in told)
        acting = [(hit, cue) for hit, cue in told if cue.sense != "said"]
        self._before = [(hit.end, cue) for hit, cue in acting if cue.side != "after"]
        self._after = [(hit.start, cue) for hit, cue in acting if cue.side != "before"]
        self._ends = [end for end, _ in self._before]
        self._starts = [start for start, _ in self._after]
        self._joins = sorted(hit.start for hit in hits if hit.phrase.join)

    def sense(self, hit: _Hit, trailing: Cue | None) -> Sense:
        """By what follows, the last cue after the phrase, or the nearest before it."""
        if self._person:
            return "denied"
        found = trailing.sense if trailing is not None else self._follows(hit) or self._precedes(hit) or "said"
        return "said" if self._active and found == "past" else found

    def _follows(self, hit: _Hit) -> Sense | None:
        """Of the cues after the phrase the last that reaches it: the conclusion comes last."""
        found: Sense | None = None
        for start, cue in self._after[(at := bisect_left(self._starts, hit.end)) : at + _FEW]:
            if start - hit.end <= cue.reach and not self._joined(hit.end, start):
                found = cue.sense
        return found

    def _precedes(self, hit: _Hit) -> Sense | None:
        """The nearest cue before the phrase that reaches it."""
        upto = bisect_right(self._ends, hit.start)
        for end, cue in reversed(self._before[max(upto - _FEW, 0) : upto]):
            if hit.start - end <= cue.reach and not self._joined(end, hit.start):
                return cue.sense
        return None

    def _joined(self, start: int, end: int) -> bool:
        """Whether a word such as "with" stands between."""
        at = bisect_left(self._joins, start)
        return at < len(self._joins) and self._joins[at] < end


_FEW: Final = 4  # cues beyond the next few are too far away to reach


def _cues(hits: Sequence[_Hit], first: int) -> list[_Hit]:
    """The cues of a clause in order; of two that overlap the longer one ("not ruled out", not "ruled out"), of two ways
    to read one ("ruled out" stands before or after) the one that looks back where a phrase stands there (`first`)."""
    taken: dict[int, tuple[int, int]] = {}
    kept: dict[tuple[int, int], _Hit] = {}
    for hit in sorted((h for h in hits if h.phrase.cue), key=lambda h: (h.start - h.end, h.start)):
        span = hit.start, hit.end
        if any(taken.get(at, span) != span for at in range(*span)):
            continue
        taken.update(dict.fromkeys(range(*span), span))
        cue = hit.phrase.cue
        backward = first < hit.start
        if span not in kept or (cue is not None and (cue.side == "after") is backward):
            kept[span] = hit
    return sorted(kept.values(), key=lambda h: h.start)


def _trailing(hits: Sequence[_Hit], begin: int, words: Sequence[str], clauses: Sequence[int]) -> Cue | None:
    """The cue with which a clause begins that names nothing itself: "pneumonia, ruled out in May". Followed by another
    word it speaks of something else: "sepsis, resolved delirium"."""
    first = next((hit for hit in _cues(hits, -1) if hit.start == begin), None)
    cue = first.phrase.cue if first else None
    if first is None or cue is None or cue.side == "before" or cue.sense == "said" or cue.person:
        return None
    end = first.end
    is_last = end >= len(words) or clauses[end] != clauses[begin]
    goes_on = any(h.start == end and (h.phrase.join or h.phrase.when or h.phrase.cue) for h in hits)
    return cue if is_last or goes_on or words[end].isdecimal() else None


def _cut(folded: str) -> tuple[list[str], list[int]]:
    """The words, and the number of the clause that each stands in."""
    words: list[str] = []
    clauses: list[int] = []
    clause, last = 0, 0
    for found in _WORD.finditer(folded):
        # One character more: a comma inside a number breaks nothing.
        if words and _BREAK.search(folded, last, found.start() + 1):
            clause += 1
        words.append(found.group())
        clauses.append(clause)
        last = found.end()
    return words, clauses


def _turned(clauses: list[int], hits: Iterable[_Hit]) -> list[int]:
    """Clauses cut once more where a word such as "but" turns the sentence."""
    turns = sorted({hit.start for hit in hits if hit.phrase.turn})
    if not turns:
        return clauses
    marks = set(turns)
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
