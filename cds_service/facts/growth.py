"""What became of each culture: positive, uncertain, cleared, old or negative.

A single set with a commensal, a preliminary result, and one that cannot be read or contradicts itself are uncertain.
A positive one is cleared by later negative sets, as many as the policy asks for.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from cds_service.chart.resource import Resource
from cds_service.chart.times import When
from cds_service.chart.vocabulary import Matcher, concept
from cds_service.facts.model import Reading
from cds_service.facts.result import Answer, value_of
from cds_service.facts.status import Holds
from cds_service.knowledge.model import Growth, Standing

_ORGANISMS = re.compile(r",| and |;|\+")


@dataclass(frozen=True, slots=True)
class Judge:
    """A `growth` of the catalogue with all that it names resolved. `window` is in hours."""

    grew: Answer
    final: Holds
    commensal: Matcher
    pathogen: Matcher
    commensal_sets: float
    window: float
    cleared_by: float

    def __call__(self, cultures: Sequence[Resource], reading: Reading) -> dict[int, Standing]:
        """What became of each culture, by the identity of its record."""
        results = [(r, self.grew(r)) for r in cultures]
        now = reading.now
        # By the time they were taken: two at one moment may be the bottles of one set.
        negatives = {r.when for r, g in results if g is False and self.final(r, now) and r.when and reading.past(r)}
        commensals = [r for r, g in results if g is not False and self._commensal_only(r)]
        recent = sum(1 for r in commensals if reading.within(r, self.window))
        alone = {id(r) for r in commensals} if recent < self.commensal_sets else set()
        return {id(r): self._standing(r, g, negatives, alone, reading) for r, g in results}

    def _standing(
        self, culture: Resource, grew: bool | None, negatives: Collection[When], alone: set[int], reading: Reading
    ) -> Standing:
        when = culture.when
        if grew is False:
            return "negative"
        if when is None or when.start > reading.horizon:
            return "uncertain" if grew else "negative"
        if reading.hours_since(when.end) > self.window:
            return "old" if grew else "negative"
        if grew is None or not self.final(culture, reading.now) or id(culture) in alone:
            return "uncertain"
        cleared = sum(1 for n in negatives if n.start > when.end) >= self.cleared_by
        return "cleared" if cleared else "positive"

    def _commensal_only(self, culture: Resource) -> bool:
        """Every organism that the result names is a commensal; organisms are told apart by separators and "and"."""
        found = value_of(culture)
        if self.pathogen.matches(found):
            return False
        named = [part.strip() for part in _ORGANISMS.split(found.text) if part.strip()]
        return _all_match(named, self.commensal) if len(named) > 1 else self.commensal.matches(found)


def judge(
    growth: Growth,
    results: Mapping[str, Answer],
    statuses: Mapping[str, Holds],
    terms: Mapping[str, Matcher],
    policies: Mapping[str, float],
    windows: Mapping[str, float],
) -> Callable[[Sequence[Resource], Reading], dict[int, Standing]]:
    """A `growth` of the catalogue as a function of the cultures of a chart."""
    return Judge(
        grew=results[growth.result],
        final=statuses[growth.final],
        commensal=terms[growth.commensal],
        pathogen=terms[growth.pathogen],
        commensal_sets=policies[growth.commensal_sets],
        window=windows[growth.within],
        cleared_by=policies[growth.cleared_by],
    )


def named(culture: Resource) -> str:
    """A culture in words: what grew, and when it was taken."""
    taken = f", taken {culture.when.start:%Y-%m-%d %H:%M} UTC" if culture.when else ""
    grown = value_of(culture).label[:80] or "organism not named"
    return f"{culture.concept.label or 'Blood culture'} positive: {grown}{taken}"


def _all_match(named: list[str], matcher: Matcher) -> bool:
    """Each of the parts matches alone, or together with the next: some laboratories write the genus, then a comma."""

    def says(text: str) -> bool:
        return matcher.matches(concept({"text": text}))

    while named:
        if says(named[0]):
            named = named[1:]
        elif len(named) > 1 and not says(named[1]) and says(f"{named[0]}, {named[1]}"):
            named = named[2:]
        else:
            return False
    return True
