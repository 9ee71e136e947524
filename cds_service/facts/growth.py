"""What became of each culture: positive, uncertain, cleared, old, pending or negative.

A single set with a commensal, a preliminary result, and one that cannot be read or contradicts itself are uncertain;
what is dangerous enough counts from the stain on. A positive one is cleared by later negative sets, as many as the
policy asks for. A report of results that were sent as well is none of its own.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from cds_service.chart.resource import Resource
from cds_service.chart.vocabulary import Concept, Matcher, concept
from cds_service.facts.culture import Lab, Matchers, Outcome, parts_of, said_of
from cds_service.facts.model import Reading
from cds_service.facts.status import Holds
from cds_service.knowledge.model import Growth, Standing

_ORGANISMS = re.compile(r",| and |;|\+")


@dataclass(frozen=True, slots=True)
class Result:
    """A culture, its parts, and what they say together."""

    culture: Resource
    parts: tuple[Resource, ...]
    outcome: Outcome

    @property
    def said(self) -> tuple[Concept, ...]:
        """Everything that it says, its own first; what a part without a result is called."""
        own = said_of(self.culture)
        return own + tuple(c for part in self.parts for c in said_of(part) or (part.concept,))


@dataclass(frozen=True, slots=True)
class Judge:
    """A `growth` of the catalogue with all that it names resolved. `window` is in hours."""

    lab: Lab
    final: Holds
    preliminary: Holds
    withdrawn: Holds
    early: Matchers
    commensal: Matcher
    pathogen: Matcher
    commensal_sets: float
    window: float
    cleared_by: float

    def __call__(self, cultures: Sequence[Resource], reading: Reading) -> dict[int, Standing]:
        """What became of each culture, by the identity of its record."""
        results, now = self._results(cultures, reading), reading.now
        # By the time they were taken: two at one moment may be the bottles of one set.
        negative = (r.culture for r in results if r.outcome == "none" and self.final(r.culture, now))
        negatives = sorted(when.start for when in {c.when for c in negative if reading.past(c)} if when)
        commensals = [r.culture for r in results if r.outcome in ("growth", "unclear") and self._commensal_only(r)]
        recent = len({c.when for c in commensals if reading.within(c, self.window)})
        alone = {id(c) for c in commensals} if recent < self.commensal_sets else set()
        return {id(r.culture): self._standing(r, negatives, alone, reading) for r in results}

    def _results(self, cultures: Sequence[Resource], reading: Reading) -> list[Result]:
        found: list[Result] = []
        for culture in cultures:
            parts = tuple(p for p in parts_of(culture, reading) if not self.withdrawn(p, reading.now))
            found.append(Result(culture, parts, self.lab.outcome(culture, parts)))
        outcomes = {id(r.culture): r.outcome for r in found}
        return [r for r in found if not _is_told_twice(r, outcomes)]

    def _standing(self, result: Result, negatives: Sequence[datetime], alone: set[int], reading: Reading) -> Standing:
        culture, outcome, when = result.culture, result.outcome, result.culture.when
        if outcome == "none":
            return "negative"
        if when is None:
            return "pending" if outcome == "pending" else "uncertain"
        if when.start > reading.horizon:
            return "uncertain" if outcome == "growth" else "negative"
        if reading.hours_since(when.end) > self.window:
            return "old" if outcome == "growth" else "negative"
        if outcome == "pending":
            return "pending"
        if outcome == "unclear" or id(culture) in alone or not self._counts(result, reading):
            return "uncertain"
        cleared = len(negatives) - bisect_right(negatives, when.end) >= self.cleared_by
        return "cleared" if cleared else "positive"

    def _counts(self, result: Result, reading: Reading) -> bool:
        """Final, or preliminary and already dangerous enough."""
        if self.final(result.culture, reading.now):
            return True
        early = any(m.recognised(c).says(m.id) for c in result.said for m in self.early)
        return early and self.preliminary(result.culture, reading.now)

    def _commensal_only(self, result: Result) -> bool:
        """Every organism that the result names is a commensal."""
        named = [c for c in result.said if self._names(c)]
        return bool(named) and all(self._is_commensal(found) for found in named)

    def _names(self, found: Concept) -> bool:
        return self.commensal.matches(found) or self.pathogen.matches(found)

    def _is_commensal(self, found: Concept) -> bool:
        """Organisms are told apart by separators and "and"."""
        if self.pathogen.matches(found):
            return False
        named = [part.strip() for part in _ORGANISMS.split(found.text) if part.strip()]
        return _all_match(named, self.commensal) if len(named) > 1 else self.commensal.matches(found)


def judge(
    growth: Growth,
    statuses: Mapping[str, Holds],
    terms: Mapping[str, Matcher],
    policies: Mapping[str, float],
    windows: Mapping[str, float],
) -> Callable[[Sequence[Resource], Reading], dict[int, Standing]]:
    """A `growth` of the catalogue as a function of the cultures of a chart."""

    def sets(names: Sequence[str]) -> Matchers:
        return tuple(terms[name] for name in names)

    return Judge(
        lab=Lab(
            grew=(*sets(growth.grew), *sets(growth.named)),
            named=sets(growth.named),
            pathogen=sets((growth.pathogen,)),
            nothing=sets(growth.nothing),
            pending=sets(growth.pending),
            unreadable=sets(growth.unreadable),
            contaminant=sets(growth.contaminant),
        ),
        final=statuses[growth.final],
        preliminary=statuses[growth.preliminary],
        withdrawn=statuses[growth.withdrawn],
        early=sets(growth.early),
        commensal=terms[growth.commensal],
        pathogen=terms[growth.pathogen],
        commensal_sets=policies[growth.commensal_sets],
        window=windows[growth.within],
        cleared_by=policies[growth.cleared_by],
    )


def named(culture: Resource, reading: Reading) -> str:
    """A culture in words: what grew, and when it was taken."""
    taken = f", taken {culture.when.start:%Y-%m-%d %H:%M} UTC" if culture.when else ""
    said = Result(culture, parts_of(culture, reading), "growth").said
    grown = "; ".join(dict.fromkeys(c.label for c in said if c.label))[:80] or "organism not named"
    return f"{culture.concept.label or 'Blood culture'} positive: {grown}{taken}"


def _is_told_twice(result: Result, outcomes: Mapping[int, Outcome]) -> bool:
    """A report of a culture that is here itself and says the same."""
    told = (outcomes.get(id(part)) for part in result.parts)
    return result.culture.type == "DiagnosticReport" and result.outcome in told


def _all_match(named: list[str], matcher: Matcher) -> bool:
    """Each of the parts matches alone, or together with the next: some laboratories write the genus, then a comma."""

    def says(text: str) -> bool:
        return matcher.matches(concept({"text": text}))

    at = 0
    while at < len(named):
        if says(named[at]):
            at += 1
        elif at + 1 < len(named) and not says(named[at + 1]) and says(f"{named[at]}, {named[at + 1]}"):
            at += 2
        else:
            return False
    return True
