"""How the phrases of a clause are meant: said, doubted, past or denied, by the cues that stand around them."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal, NamedTuple

from cds_service.chart.statements import Statements
from cds_service.chart.tokens import Answer, Apart, Closed, Opened, Slashed, is_unspaced

Sense = Literal["said", "doubted", "past", "denied"]
# The most alarming reading first: a text that says one thing twice is read by the first of these.
SENSES: Final[tuple[Sense, ...]] = ("said", "doubted", "past", "denied")
Side = Literal["before", "after", "both"]


@dataclass(frozen=True, slots=True)
class Cue:
    """Words that change how the phrases of their clause are meant: those on the other side of it, at most `reach` words
    away. `side` says where the cue stands. `sense` "said" takes a past back; a `person` is somebody else, who may stand
    anywhere in the clause. One that is an answer stands `last` in its clause: "IEC-HS: no". One that is `narrow` acts
    only on a name of one word: "post-pneumonia" is after a pneumonia, "post-viral pneumonia" is one. One that is
    `paired` acts where it stands twice in its clause."""

    sense: Sense
    side: Side
    reach: int
    person: bool = False
    last: bool = False
    narrow: bool = False
    paired: bool = False


@dataclass(frozen=True, slots=True)
class Phrase:
    """A phrase of a value set (`excludes`: it silences that set in its clause), a cue, or a word that ends the reach of
    the cues before it: `turn` begins a clause of its own ("but"), `join` goes on with the same one ("with"). `when`
    begins a time or a reason ("in", "last"), which a cue alone in its clause may be followed by. One that only
    `qualifies` changes nothing of how others are meant. An `alternative` ("or") ends a list, `lists` begins one, what
    is `listed` stands in one, and a word that `closes` one may follow it ("isolated"). An `ordinal` may follow a number
    with a full stop ("3. Mai"). A `test` may stand before its answer, but proves nothing of a `syndrome`; what is
    `tested` may stand in one list. What is `treated` `since` a time still is. A `heading` only announces what comes
    behind a colon ("the following")."""

    set_id: str = ""
    qualifies: bool = False
    excludes: bool = False
    final: bool = False  # counts only where its clause ends with it
    cue: Cue | None = None
    turn: bool = False
    join: bool = False
    when: bool = False
    alternative: bool = False
    lists: bool = False
    closes: bool = False
    listed: bool = False
    ordinal: bool = False
    test: bool = False
    tested: bool = False
    syndrome: bool = False
    treated: bool = False
    since: bool = False
    heading: bool = False


class Hit(NamedTuple):
    """A phrase at its words; one that holds a comma itself ("Staphylococcus, coagulase negative") crosses clauses."""

    start: int
    end: int
    phrase: Phrase
    crosses: bool = False


def longest(terms: Iterable[Hit]) -> list[Hit]:
    """Without the phrases that lie in a longer one of their own set: "septic shock" is not also "septic"."""
    upto: dict[str, int] = {}
    kept = []
    for hit in terms:
        if hit.end > upto.get(hit.phrase.set_id, 0):
            upto[hit.phrase.set_id] = hit.end
            kept.append(hit)
    return kept


def silenced(hits: Sequence[Hit], terms: Sequence[Hit]) -> tuple[set[tuple[str, int]], set[str]]:
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


class Scope:
    """The cues of one clause, ready to say how each of its phrases is meant."""

    def __init__(self, hits: Sequence[Hit], terms: Sequence[Hit], words: Sequence[str], clause: range) -> None:
        self._words = words
        first = min(hit.start for hit in [hit for hit in terms if not hit.phrase.qualifies] or terms)
        cues = resolved_cues(hits, first)
        told = [(hit, hit.phrase.cue) for hit in cues if hit.phrase.cue is not None]
        twos = {phrase for phrase, count in Counter(hit.phrase for hit, cue in told if cue.paired).items() if count > 1}
        told = [(hit, cue) for hit, cue in told if not cue.paired or hit.phrase in twos]
        people = [hit for hit, cue in told if cue.person]
        self._people = sorted(hit.end for hit in people)
        goes_on = any(hit.phrase.treated for hit in hits) and any(hit.phrase.since for hit in hits)
        self._active = goes_on or any(cue.sense == "said" for _, cue in told)
        acting = [(hit, cue) for hit, cue in told if cue.sense != "said" and not cue.person]
        headed = [(hit, cue) for hit, cue in acting if heads_list(hit, words, clause)]
        before = [*acting, *((hit, replace(cue, side="before", reach=_HEADED)) for hit, cue in headed)]
        self._before = sorted(((hit.end, cue) for hit, cue in before if cue.side != "after"), key=lambda told: told[0])
        self._after = [(hit.start, cue) for hit, cue in acting if cue.side != "before"]
        self._ends = [end for end, _ in self._before]
        self._starts = [start for start, _ in self._after]
        announced = {at for at in clause if isinstance(words[at], Answer)}
        self._joins = sorted(hit.start for hit in hits if hit.phrase.join and hit.end not in announced)
        self._syndromes = {hit.end for hit in hits if hit.phrase.syndrome}
        self._tests = _places(hit for hit in hits if hit.phrase.test)
        self._tested = _places(hit for hit in hits if hit.phrase.tested)
        announcing = (*people, *(hit for hit in hits if hit.phrase.heading))
        listed = (hit for hit in terms if hit.phrase.listed)
        self._statements = Statements(words, clause, _places(announcing), _places(listed))
        self._asides = _places(hit for hit in hits if hit.phrase.when or hit.phrase.cue)

    def sense(self, hit: Hit, trailing: Cue | None, active: bool) -> Sense:
        """By what follows, the last cue after the phrase, or the nearest before it; `active` where something behind the
        clause takes a past back."""
        if self._of_another(hit):
            return "denied"
        found = trailing.sense if trailing is not None else self._follows(hit) or self._precedes(hit) or "said"
        return "said" if (active or self._active) and found == "past" else found

    def _follows(self, hit: Hit) -> Sense | None:
        """Of the cues after the phrase the last that reaches it: the conclusion comes last."""
        found: Sense | None = None
        for start, cue in self._after[(at := bisect_left(self._starts, hit.end)) : at + _FEW]:
            if self._reaches_back(hit, start, cue) and not self._joined(hit.end, start):
                found = cue.sense
        return found

    def _reaches_back(self, hit: Hit, start: int, cue: Cue) -> bool:
        """Whether a cue is near enough, but for the test between, and speaks of no other thing in brackets."""
        apart = start - hit.end
        if cue.reach < apart <= cue.reach + _MOST_TESTS and cue.sense != "past" and hit.end not in self._syndromes:
            listed = isinstance(self._words[start], Answer) or isinstance(self._words[hit.end], Slashed)
            between = self._tests | self._tested if listed else self._tests
            apart -= sum(at in between for at in range(hit.end, start))
        return apart <= cue.reach and not (start > hit.end and self._is_apart(hit, start))

    def _is_apart(self, hit: Hit, cue: int) -> bool:
        """Whether the words between a phrase and a cue are what the cue speaks of: in the same brackets as the cue
        ("肺炎（胸水なし）"), or, in a script without spaces, after a space ("肺炎 胸水なし")."""
        words, begin = self._words, hit.end
        asides = self._asides if begin in self._syndromes else self._asides | self._tests
        if all(at in asides or words[at].isdecimal() for at in range(begin, cue)):
            return False
        kinds = [type(word) for word in words[begin : cue + 1]]
        if Opened in kinds[:-1]:
            return Closed not in kinds[kinds.index(Opened) :]
        return isinstance(words[begin], Apart) and is_unspaced(words[cue])

    def _precedes(self, hit: Hit) -> Sense | None:
        """The nearest cue before the phrase that reaches it."""
        upto = bisect_right(self._ends, hit.start)
        for end, cue in reversed(self._before[max(upto - _FEW, 0) : upto]):
            if cue.narrow and hit.end - hit.start > 1:
                continue
            if hit.start - end > cue.reach or self._joined(end, hit.start):
                continue
            if not self._statements.parted(end, hit.start, firm=cue.sense == "denied"):
                return cue.sense
        return None

    def _of_another(self, hit: Hit) -> bool:
        """Whether the clause speaks of somebody else, and not of what they have before another statement begins."""
        at = bisect_right(self._people, hit.start)
        behind = at < len(self._people)
        return behind or (at > 0 and not self._statements.parted(self._people[at - 1], hit.start, firm=True))

    def _joined(self, start: int, end: int) -> bool:
        """Whether a word such as "with" stands between."""
        at = bisect_left(self._joins, start)
        return at < len(self._joins) and self._joins[at] < end


def heads_list(hit: Hit, words: Sequence[str], clause: range) -> bool:
    """Whether an answer stands before what it is about, with a colon or in brackets: "Not detected: E. coli"."""
    cue = hit.phrase.cue
    if cue is None or cue.sense != "denied" or cue.side != "after" or hit.start != clause.start:
        return False
    return hit.end < clause.stop and isinstance(words[hit.end], (Answer, Opened))


def _places(hits: Iterable[Hit]) -> set[int]:
    return {at for hit in hits for at in range(hit.start, hit.end)}


_MOST_TESTS: Final = 12  # words of a test between what it looks for and the answer
_HEADED: Final = 64  # words of a list that one answer is about
_FEW: Final = 4  # cues beyond the next few are too far away to reach


def resolved_cues(hits: Sequence[Hit], first: int) -> list[Hit]:
    """The cues of a clause in order; of two that overlap the longer one ("not ruled out", not "ruled out"), of two ways
    to read one ("ruled out" stands before or after) the one that looks back where a phrase stands there (`first`)."""
    taken: dict[int, tuple[int, int]] = {}
    kept: dict[tuple[int, int], Hit] = {}
    for hit in sorted((h for h in hits if h.phrase.cue), key=lambda h: (h.start - h.end, h.start)):
        span = hit.start, hit.end
        if any(taken.get(at, span) != span for at in range(*span)):
            continue
        taken.update(dict.fromkeys(range(*span), span))
        if span not in kept or _fit(hit, first) >= _fit(kept[span], first):
            kept[span] = hit
    return sorted(kept.values(), key=lambda h: h.start)


def _fit(hit: Hit, first: int) -> tuple[bool, int]:
    """How well one way to read a cue fits where it stands: it looks to where a phrase is, and reaches far."""
    cue = hit.phrase.cue
    return (cue is not None and (cue.side == "after") is (first < hit.start), cue.reach if cue else 0)


def trailing_cue(hits: Sequence[Hit], begin: int, words: Sequence[str], clauses: Sequence[int]) -> Cue | None:
    """The cue with which a clause begins that names nothing itself: "pneumonia, ruled out in May", "pneumonia, but
    resolved". Followed by another word it speaks of something else: "sepsis, resolved delirium"."""
    turned = next((hit.end for hit in hits if hit.phrase.turn and hit.start == begin), begin)
    first = next((hit for hit in resolved_cues(hits, -1) if hit.start in (begin, turned)), None)
    cue = first.phrase.cue if first else None
    if first is None or cue is None or cue.side == "before" or cue.person:
        return None
    end = first.end
    is_last = end >= len(words) or clauses[end] != clauses[begin]
    goes_on = any(h.start == end and (h.phrase.join or h.phrase.when or h.phrase.cue) for h in hits)
    return cue if is_last or goes_on or words[end].isdecimal() else None
