"""Whether words name the very thing that is asked about, or what is done around it: a visit, a drug, a scan after it.

A text is cut into clauses. In the clause with the name nothing may stand that is something else, and nothing before the
name that says what the rest is for ("scan after ..."). Beside the name there must be words that it was done, or else
nothing but remarks. What is neither that nor something else is open.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from cds_service.chart.resource import Resource
from cds_service.chart.spellings import transcribed
from cds_service.chart.tokens import words_of
from cds_service.chart.vocabulary import Concept, Matcher, concept, is_coded
from cds_service.chart.words import fold
from cds_service.facts.substances import concepts_of
from cds_service.knowledge.model import Itself

Verdict = Literal["yes", "open", "no"]
_CLAUSE: Final = re.compile(r"[,;()\[\]|\n。；、，（）]|\s[-–—]\s|(?<=[^\W\d_]{3})\.(?=\s|$)")
_NAMES: Final = re.compile(r"[^\W\d_]{2}|[^\x00-\u024f]")  # a word, or a sign of a script without spaces
Words = tuple[str, ...]


class Phrases:
    """The phrases of some value sets, found at a place of a clause; a star stands for the beginning of a word."""

    def __init__(self, sets: Iterable[Matcher]) -> None:
        self._by_first: dict[str, list[Words]] = {}
        ends: list[str] = []
        for form in dict.fromkeys(form for m in sets for text in m.phrases for form in transcribed(text)):
            words = words_of(fold(form))
            if form.startswith("*") and words:
                ends.append(words[0])
            elif words:
                self._by_first.setdefault(words[0], []).append(words)
        for found in self._by_first.values():
            found.sort(key=len, reverse=True)
        self._ends = tuple(ends)

    def at(self, words: Words, place: int) -> int:
        """How many words the longest phrase takes that begins here; 0 where none does."""
        begun = self._by_first.get(words[place], ())
        longest = next((len(p) for p in begun if words[place : place + len(p)] == p), 0)
        return longest or int(bool(self._ends) and words[place].endswith(self._ends))


@dataclass(frozen=True, slots=True)
class Clause:
    """One clause: whether it says the name, a name that is enough, that it was done, something else (`around`), another
    thing that is recognised (`other`), and what it is for; whether its words are all known, or those up to the name and
    to what says that it was done (`led`)."""

    says: bool
    enough: bool
    done: bool
    around: bool
    other: bool
    aimed: bool
    known: bool
    led: bool

    @property
    def elsewhere(self) -> bool:
        """About something else."""
        return self.around or self.other or self.aimed


class ItselfTest:
    """An `itself` of the catalogue with all that it names resolved; `own` are the names."""

    def __init__(self, given: Itself, own: tuple[Matcher, ...], terms: Mapping[str, Matcher]) -> None:
        self._own, self._done = own, terms[given.done]
        self._enough = tuple(terms[name] for name in given.named)
        self._around = tuple(terms[name] for name in given.around)
        self._aims, self._joins = Phrases([terms[given.aims]]), Phrases([terms[given.joins]])
        self._names, self._given = Phrases(own), Phrases([self._done])
        beside = tuple(terms[name] for name in given.beside)
        self._beside = Phrases((*beside, self._done, terms[given.aims], terms[given.joins]))
        self._lead = Phrases((*beside, self._done))
        self._recogniser = own[0].recogniser
        self._not_other = {m.id for m in (*own, *beside, self._done)}

    def of(self, record: Resource) -> Verdict:
        """Of all that a record is about the most alarming: a code says it without words."""
        return _first(self.says(found) for found in concepts_of(record)) or "no"

    def says(self, found: Concept) -> Verdict:
        """Of one concept."""
        if is_coded(found, self._own):
            return "yes"
        if self._other(found, by_code=True):
            return "no"
        told = [self._read(text) for text in dict.fromkeys((found.text, *found.displays)) if text]
        said = [verdict for verdict in told if verdict is not None]
        if not said or ("yes" in said and "no" in said):
            return "open"
        return _first(said) or "open"

    def _read(self, text: str) -> Verdict | None:
        """Of one text; None where it neither names it nor says something else."""
        clauses = [clause for words in self._cut(text) if (clause := self._clause(words))]
        if not any(clause.says for clause in clauses):
            return "no" if any(clause.elsewhere for clause in clauses) else None
        whole = all(clause.known and not clause.elsewhere for clause in clauses)
        said: set[Verdict] = set()
        other = elsewhere = False
        for clause in clauses:
            if clause.says and not clause.elsewhere:
                said.add(self._judged(clause, other, elsewhere, whole))
            other, elsewhere = other or clause.other, elsewhere or clause.elsewhere
        return _first(said) or self._around_it(clauses)

    @staticmethod
    def _around_it(clauses: Sequence[Clause]) -> Verdict:
        """Where every clause with the name is about something else: one may say first that it was done ("infusion,
        central line"), or a clause behind."""
        first = next(n for n, clause in enumerate(clauses) if clause.says)
        done = any(clause.done and not clause.elsewhere for clause in clauses[first + 1 :])
        direct = any(c.says and c.done and c.led and not (c.aimed or c.other) for c in clauses)
        return "open" if direct or (done and not any(clause.other for clause in clauses)) else "no"

    @staticmethod
    def _judged(clause: Clause, other: bool, elsewhere: bool, whole: bool) -> Verdict:
        """By a clause with the name, and by what stands before it: that comes first. `other` and `elsewhere`: a clause
        before it is about another thing, or something else; `whole`: all clauses are known, and about nothing else."""
        if other or (elsewhere and not clause.done):
            return "no"
        if elsewhere:
            return "open"
        return "yes" if clause.enough or (clause.done and clause.led) or whole else "open"

    def _cut(self, text: str) -> Iterator[Words]:
        """The words of each clause; one begins behind a join, and behind the name with what says an aim."""
        for part in _CLAUSE.split(fold(text)):
            words, begin, named, at = words_of(part), 0, False, 0
            while at < len(words):
                name, lead = self._names.at(words, at), self._lead_at(words, at)
                join = 0 if name or lead else self._joins.at(words, at)
                if join or (named and not name and not lead and self._aims.at(words, at)):
                    yield words[begin:at]
                    begin = at + join
                named = named or name > 0
                at += max(name, lead, join, 1)
            yield words[begin:]

    def _lead_at(self, words: Words, at: int) -> int:
        """Words of remarks, which may hold one that elsewhere says an aim: "suspension for infusion"."""
        length = self._lead.at(words, at)
        return length if length > 1 else 0

    def _clause(self, words: Words) -> Clause | None:
        if not words:
            return None
        found = concept({"text": " ".join(words)})
        named = any(m.mentions(found) for m in self._own)
        before, aimed = self._before(words) if named else ((), False)
        return Clause(
            says=named,
            enough=any(m.mentions(found) for m in self._enough),
            done=self._done.mentions(found),
            around=any(m.mentions(found) for m in self._around),
            other=self._other(found),
            aimed=aimed,
            known=not any(map(_NAMES.search, self._rest(words))),
            led=not any(map(_NAMES.search, before)),
        )

    def _before(self, words: Words) -> tuple[Words, bool]:
        """The words up to the name and to what says that it was done that are no remarks, and whether one of those
        before the name says an aim."""
        left: list[str] = []
        aimed, named, done, at = False, False, False, 0
        while at < len(words) and not (named and done):
            name, length = self._names.at(words, at), self._lead.at(words, at)
            aim = 0 if named or name or length > 1 else self._aims.at(words, at)
            left += () if name or length or aim else (words[at],)
            upto = at + max(name, length, aim, 1)
            named, aimed = named or name > 0, aimed or aim > 0
            done = done or any(self._given.at(words, place) for place in range(at, upto))
            at = upto
        return tuple(left), aimed

    def _rest(self, words: Words) -> Iterator[str]:
        """The words that are neither the name nor a remark."""
        at = 0
        while at < len(words):
            length = max(self._names.at(words, at), self._beside.at(words, at))
            if not length:
                yield words[at]
            at += max(length, 1)

    def _other(self, found: Concept, by_code: bool = False) -> bool:
        """Whether something else is recognised that names a thing: a drug, a finding, a score."""
        told = self._own[0].recognised(found)
        return any(
            name in told.mentioned and name not in self._not_other and not self._recogniser.qualifies(name)
            for name, meaning in told.meanings.items()
            if meaning.by_code or not by_code
        )


def _first(verdicts: Iterable[Verdict]) -> Verdict | None:
    told = set(verdicts)
    order: tuple[Verdict, ...] = ("yes", "open", "no")
    return next((verdict for verdict in order if verdict in told), None)
