"""What became of each culture: positive, a possible contaminant, uncertain, cleared, old, pending or negative.

A preliminary result, and one that cannot be read or contradicts itself, are uncertain; what is dangerous enough counts
from the stain on. Later cultures without growth clear a positive one, as many and as far apart as the policy asks for;
then it is still reviewed for a while. A report of results that were sent as well is none of its own.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate

from cds_service.chart.resource import Resource
from cds_service.chart.times import When, hours_between, said
from cds_service.chart.vocabulary import Matcher
from cds_service.facts import contaminants
from cds_service.facts.contaminants import Skin
from cds_service.facts.culture import Lab, Matchers, Outcome, Result, parts_of
from cds_service.facts.model import Facts, Reading
from cds_service.facts.status import Holds
from cds_service.knowledge.model import Clearing, Growth, Standing

Judgement = Callable[[Sequence[Resource], Reading, Facts], dict[int, Standing]]


@dataclass(frozen=True, slots=True)
class Organisms:
    """Organisms that are dangerous for longer; both windows are in hours."""

    matchers: Matchers
    within: float
    treated: float


class Negatives:
    """The cultures in which nothing grew, in order: whether enough of them, far enough apart, followed a moment."""

    def __init__(self, cultures: Iterable[When], apart: timedelta, wanted: int) -> None:
        found = sorted(cultures)
        self._starts, self._wanted = [when.start for when in found], wanted
        self._next = [bisect_left(self._starts, when.end + apart) for when in found]
        # The earliest end from each place on.
        self._ends = list(accumulate((when.end for when in reversed(found)), min))[::-1]

    def cleared(self, grown: datetime, reading: Reading) -> float | None:
        """Hours since the first culture without growth after a moment; None where too few, or none far enough apart,
        followed."""
        first = place = bisect_right(self._starts, grown)
        for _ in range(self._wanted - 1):
            place = self._next[place] if place < len(self._next) else place
        return reading.hours_since(self._ends[first]) if place < len(self._starts) else None


@dataclass(frozen=True, slots=True)
class Judge:
    """A `growth` of the catalogue with all that it names resolved. `window` is in hours."""

    lab: Lab
    final: Holds
    preliminary: Holds
    withdrawn: Holds
    early: Matchers
    skin: Skin
    clearing: Clearing
    shown_by: Matcher
    window: float
    lasting: tuple[Organisms, ...]

    def __call__(self, cultures: Sequence[Resource], reading: Reading, known: Facts) -> dict[int, Standing]:
        """What became of each culture, by the identity of its record."""
        results = self._results(cultures, reading)
        alone = self.skin.among(results, reading, known)
        negatives = Negatives(
            (r.culture.when for r in results if r.culture.when and self._clears(r, reading)),
            timedelta(hours=reading.windows[self.clearing.apart]),
            int(reading.policies[self.clearing.cultures]),
        )
        grown = [r.culture.when.end for r in results if r.culture.when and self._is_growth(r, alone, reading)]
        last = max((end for end in grown if end <= reading.horizon), default=None)
        return {id(r.culture): self._standing(r, negatives, last, alone, reading) for r in results}

    def _results(self, cultures: Sequence[Resource], reading: Reading) -> list[Result]:
        found: list[Result] = []
        for culture in cultures:
            parts = tuple(p for p in parts_of(culture, reading) if not self.withdrawn(p, reading.now))
            outcome = self.lab.outcome(culture, parts)
            names = self.lab.names(culture, parts) if outcome in ("growth", "unclear") else ()
            found.append(Result(culture, parts, outcome, names))
        outcomes = {id(r.culture): r.outcome for r in found}
        return [r for r in found if not _is_told_twice(r, outcomes)]

    def _is_growth(self, result: Result, alone: set[int], reading: Reading) -> bool:
        """Grown for certain: neither in doubt, nor a contaminant, nor a preliminary result that may still change."""
        return result.outcome == "growth" and id(result.culture) not in alone and self._counts(result, reading)

    def _clears(self, result: Result, reading: Reading) -> bool:
        """Nothing grew, and that is final, or was so for long enough."""
        culture = result.culture
        if result.outcome != "none" or not reading.past(culture):
            return False
        if self.final(culture, reading.now):
            return True
        if not self.preliminary(culture, reading.now):
            return False
        issued, taken = culture.time("issued"), culture.when
        shown = any(self.shown_by.meaning(c) for c in result.said)
        if shown or issued is None or taken is None or issued.start > reading.horizon:
            return shown
        return hours_between(taken.end, issued.start) >= reading.windows[self.clearing.shown_after]

    def _standing(
        self, result: Result, negatives: Negatives, last: datetime | None, alone: set[int], reading: Reading
    ) -> Standing:
        culture, outcome, when = result.culture, result.outcome, result.culture.when
        if outcome == "none":
            return "negative"
        if when is None:
            return "pending" if outcome == "pending" else "uncertain"
        if when.start > reading.horizon:
            return "uncertain" if outcome == "growth" else "over"
        recent = reading.hours_since(when.end) <= self.window
        if outcome == "pending":
            return "pending" if recent else "over"
        if id(culture) in alone:
            since = negatives.cleared(when.end, reading)
            reviewed = reading.windows[self.clearing.reviewed]
            return "contaminant" if recent and (since is None or since <= reviewed) else "over"
        if not self._is_growth(result, alone, reading):
            return "uncertain" if recent else "over"
        return self._after_growth(result, negatives.cleared(last or when.end, reading), reading)

    def _after_growth(self, result: Result, cleared: float | None, reading: Reading) -> Standing:
        """What became of growth; `cleared` is how many hours ago the first culture without growth followed it, where
        enough of them did."""
        lasting = [o for o in self.lasting if any(m.matches(c) for m in o.matchers for c in result.said)]
        if cleared is None:
            longest = max((self.window, *(o.within for o in lasting)))
            assert result.culture.when is not None
            return "positive" if reading.hours_since(result.culture.when.end) <= longest else "old"
        if any(cleared <= o.treated for o in lasting):
            return "treated"
        return "cleared" if cleared <= reading.windows[self.clearing.reviewed] else "over"

    def _counts(self, result: Result, reading: Reading) -> bool:
        """Final, or preliminary and already dangerous enough."""
        if self.final(result.culture, reading.now):
            return True
        early = any(m.recognised(c).says(m.id) for c in result.said for m in self.early)
        return early and self.preliminary(result.culture, reading.now)


def judge(
    growth: Growth,
    statuses: Mapping[str, Holds],
    terms: Mapping[str, Matcher],
    windows: Mapping[str, float],
) -> Judgement:
    """A `growth` of the catalogue as a function of the cultures of a chart."""

    def sets(names: Sequence[str]) -> Matchers:
        return tuple(terms[name] for name in names)

    return Judge(
        lab=Lab(
            grew=(*sets(growth.grew), *sets(growth.named)),
            named=sets(growth.named),
            nothing=sets(growth.nothing),
            pending=sets(growth.pending),
            unreadable=sets(growth.unreadable),
            contaminant=sets((growth.contaminants.named,)),
        ),
        final=statuses[growth.final],
        preliminary=statuses[growth.preliminary],
        withdrawn=statuses[growth.withdrawn],
        early=sets(growth.early),
        skin=contaminants.compiled(growth, terms),
        clearing=growth.clearing,
        shown_by=terms[growth.clearing.shown_by],
        window=windows[growth.within],
        lasting=tuple(Organisms(sets(o.in_), windows[o.within], windows[o.treated]) for o in growth.lasting),
    )


def named(culture: Resource, reading: Reading) -> str:
    """A culture in words: what grew, and when it was taken."""
    what = culture.concept.label or "Blood culture"
    return f"{what} positive: {_grown(culture, reading)}{_taken(culture, reading, ', taken')}"


_WORDS_OF_A_RESULT = 6  # beside its date on the first line of a card
_SAID: Mapping[str, str] = {"negative": "no growth", "pending": "no result yet", "uncertain": "result not certain"}


def last(cultures: Sequence[Resource], standings: Mapping[int, str], reading: Reading) -> str:
    """The newest culture in words: its result, and when it was taken; one without a time only where no other is."""
    dated = [c for c in cultures if reading.past(c)] or list(cultures)
    # Of bottles of one time the one that grew.
    newest = max(
        dated, key=lambda c: (c.when.start if c.when else reading.now, standings.get(id(c)) not in ("negative", "over"))
    )
    standing = standings.get(id(newest), "")
    result = _short(result_of(newest, standing, reading))
    if standing == "contaminant":
        result += " (possible contaminant)"
    status = "" if newest.status == "final" else f" ({newest.status or 'status not said'})"
    return f"{result}{status}{_taken(newest, reading, ',')}"


def result_of(culture: Resource, standing: str, reading: Reading) -> str:
    """The result of a culture in words: what grew, or that nothing did, or is known."""
    return _SAID.get(standing) or _grown(culture, reading)


def _grown(culture: Resource, reading: Reading) -> str:
    said = Result(culture, parts_of(culture, reading), "growth").said
    return "; ".join(dict.fromkeys(c.label for c in said if c.label))[:80] or "organism not named"


def _short(result: str) -> str:
    """As much of a result as leaves room for its date: whole clauses where it has any."""
    words = result.split()
    if len(words) <= _WORDS_OF_A_RESULT:
        return result
    ends = [place for place, word in enumerate(words[:_WORDS_OF_A_RESULT], 1) if word[-1] in ",;"]
    return f"{' '.join(words[: ends[-1] if ends else _WORDS_OF_A_RESULT]).rstrip(',;')} ..."


def _taken(culture: Resource, reading: Reading, before: str) -> str:
    return f"{before} {said(culture.when, reading.site.timezone)}" if culture.when else ""


def _is_told_twice(result: Result, outcomes: Mapping[int, Outcome]) -> bool:
    """A report of a culture that is here itself and says the same."""
    told = (outcomes.get(id(part)) for part in result.parts)
    return result.culture.type == "DiagnosticReport" and result.outcome in told
