"""Which cultures are probably contaminated: those of skin commensals alone in one set, and those that are called so."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from cds_service.chart.resource import Resource
from cds_service.chart.times import When
from cds_service.chart.vocabulary import Concept, Matcher, concept
from cds_service.facts.culture import Result
from cds_service.facts.model import Facts, Reading
from cds_service.knowledge.model import Contaminants, Growth

_ORGANISMS = re.compile(r",| and |;|\+")
_NAME = re.compile(r"[^\W\d_]{4}")  # shorter words ("of", "out") name no organism


@dataclass(frozen=True, slots=True)
class Skin:
    """A `contaminants` of the catalogue with all that it names resolved. `within` is in hours."""

    given: Contaminants
    commensal: Matcher
    pathogen: Matcher
    opportunist: Matcher
    several_sets: Matcher
    bottles: Matcher
    ranks: Matcher
    named: Matcher
    never: tuple[Matcher, ...]
    organisms: tuple[Matcher, ...]
    nothing: tuple[Matcher, ...]

    def among(self, results: Sequence[Result], reading: Reading, known: Facts) -> set[int]:
        """The contaminants among results, by the identity of their records."""
        mild = self._are_mild(reading, known)
        commensals = [r for r in results if r.outcome in ("growth", "unclear") and self._commensal_only(r, mild)]
        sets = reading.policies[self.given.sets]
        drawn = DrawnSets(commensals, timedelta(hours=reading.windows[self.given.within]))
        found = {id(r.culture) for r in commensals if not self._tells_several(r) and drawn.near(r.culture) < sets}
        return found | {id(r.culture) for r in results if self._is_called_so(r)}

    def _are_mild(self, reading: Reading, known: Facts) -> bool:
        """Whether opportunists are judged like commensals: only where the patient is known not to be open to them."""
        value, rule = known[self.given.opportunist.fact].value, self.given.opportunist
        return value is not None and float(value) >= reading.policies[rule.at_least]

    def _commensal_only(self, result: Result, mild: bool) -> bool:
        """Every organism that the result names is a commensal."""
        known = (self.commensal, self.pathogen)
        named = [c for c in result.said if any(m.matches(c) for m in known)]
        named += [c for c in result.names if any(m.matches(c) for m in self.organisms) and not self._counts(_words(c))]
        return bool(named) and all(self._is_commensal(found, mild) for found in named)

    def _is_commensal(self, found: Concept, mild: bool) -> bool:
        """Organisms are told apart by separators and "and"."""
        skin = (self.commensal, self.opportunist) if mild else (self.commensal,)
        if mild and self.opportunist.matches(found):
            rest = concept({"text": self.opportunist.without(_words(found))})
            return not self.pathogen.matches(rest)
        if self.pathogen.matches(found):
            return False
        named = [part for part in self._parts(found.text) if not self._counts(part)]
        return _all_match(named, skin) if len(named) > 1 else any(m.matches(found) for m in skin)

    def _parts(self, text: str) -> list[str]:
        """The organisms of a result, and what only counts. A name goes on after a rank, whose full stop ends no
        sentence, and with what says more of it ("staphylococcus, coagulase negative")."""
        parts: list[str] = []
        for part in filter(None, map(str.strip, _ORGANISMS.split(text))):
            if self._denies(part):
                continue
            if parts and (self._counts(part) or self.ranks.names(concept({"text": parts[-1].rpartition(" ")[2]}))):
                parts[-1] += f" {part}"
            else:
                parts.append(part)
        return parts

    def _denies(self, part: str) -> bool:
        """Whether a part of a result only says what did not grow: "no S. aureus isolated", "no growth in the other"."""
        found = concept({"text": part})
        known = (self.commensal, self.pathogen)
        if any(m.matches(found) for m in (*known, *self.organisms)):
            return False
        said = self.commensal.recognised(found)
        return any(said.denies(m.id) for m in known) or any(said.says(m.id) for m in self.nothing)

    def _counts(self, part: str) -> bool:
        """Whether a part of a result names no organism, only how many bottles grew something, or more of what grew."""
        return not _NAME.search(self.bottles.without(part))

    def _tells_several(self, result: Result) -> bool:
        return any(self.several_sets.recognised(c).says(self.several_sets.id) for c in result.said)

    def _is_called_so(self, result: Result) -> bool:
        """Whether what grew is called a contaminant for certain, or what nobody can tell is called one at all. What
        never is one stays growth, and so does a pathogen beside a commensal: which of them is meant is not told."""
        said = result.said
        if result.outcome == "growth":
            called = any(self.named.recognised(c).says(self.named.id) for c in said)
        else:
            called = result.outcome == "unclear" and any(self.named.matches(c) for c in said)
        if not called:
            return False
        mixed = any(self.commensal.matches(c) for c in said) and any(self.pathogen.matches(c) for c in said)
        return not mixed and not any(m.matches(c) for c in said for m in self.never)


def compiled(growth: Growth, terms: Mapping[str, Matcher]) -> Skin:
    """The `contaminants` of a `growth` of the catalogue, ready to judge."""
    given = growth.contaminants
    never = [name for organisms in growth.lasting for name in organisms.in_]
    return Skin(
        given=given,
        commensal=terms[given.commensal],
        pathogen=terms[growth.pathogen],
        opportunist=terms[given.opportunist.in_],
        several_sets=terms[given.several_sets],
        bottles=terms[given.bottles],
        ranks=terms[given.ranks],
        named=terms[given.named],
        never=tuple(terms[name] for name in (*never, *growth.early)),
        organisms=tuple(terms[name] for name in growth.named),
        nothing=tuple(terms[name] for name in growth.nothing),
    )


def _words(found: Concept) -> str:
    return " ".join((found.text, *found.displays))


class DrawnSets:
    """The sets that some cultures are bottles of: records of one time, or of one specimen, are one set.

    Sorted once, so that the sets near each of thousands of cultures are counted without looking at all of them.
    """

    def __init__(self, results: Sequence[Result], within: timedelta) -> None:
        self._within = within
        of: dict[object, int] = {}
        spans: dict[int, When] = {}
        for culture in (r.culture for r in results if r.culture.when is not None):
            names = (culture.when, _specimen(culture) or culture.when)
            place = next((of[name] for name in names if name in of), len(spans))
            of.update(dict.fromkeys(names, place))
            assert culture.when is not None
            spans.setdefault(place, culture.when)
        self._starts = sorted(when.start for when in spans.values())
        self._ends = sorted(when.end for when in spans.values())

    def near(self, culture: Resource) -> int:
        """The sets, its own included, that were drawn within the time of it. A day without a time may be as near as
        its next end."""
        drawn = culture.when
        if drawn is None:
            return 1
        begun = bisect_right(self._starts, drawn.end + self._within)
        return begun - bisect_left(self._ends, drawn.start - self._within)


def _specimen(culture: Resource) -> str:
    written = culture.raw.get("specimen")
    return str(written.get("reference") or "") if isinstance(written, Mapping) else ""


def _all_match(named: list[str], matchers: Sequence[Matcher]) -> bool:
    """Each of the parts matches alone, or together with the next: some laboratories write the genus, then a comma."""

    def says(text: str) -> bool:
        found = concept({"text": text})
        return any(matcher.matches(found) for matcher in matchers)

    at = 0
    while at < len(named):
        if says(named[at]):
            at += 1
        elif at + 1 < len(named) and not says(named[at + 1]) and says(f"{named[at]}, {named[at + 1]}"):
            at += 2
        else:
            return False
    return True
