"""Blood cultures: positive, uncertain, cleared or old.

A single bottle with a skin commensal, a preliminary result, and one that cannot be read or contradicts itself are
uncertain. A positive one is cleared by later negative sets, as many as the policy asks for.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from cds_service.chart.resource import Resource
from cds_service.chart.times import When
from cds_service.chart.vocabulary import Concept, Matcher, concept
from cds_service.facts.model import Reading, usable
from cds_service.facts.result import NEGATIVE, POSITIVE, codes_of, value_of

# FHIR R4 observation-status.
_FINAL = {"final", "amended", "corrected"}
_GONE = {"cancelled", "entered-in-error", "registered"}
# Value sets: words that deny growth, and words that can only mean growth.
_DENY = ("culture-no-growth", "culture-negative")
_GREW = ("culture-growth", "culture-pathogen", "skin-commensal")


@dataclass(frozen=True, slots=True)
class Cultures:
    """Blood culture Observations by what they mean today."""

    positive: list[Resource]
    uncertain: list[Resource]
    cleared: list[Resource]
    old: list[Resource]
    unusable: tuple[str, ...]


def read_cultures(reading: Reading) -> Cultures:
    """Sort every blood culture of the chart."""
    matched = reading.chart.matching(("cultures",), reading.terms["blood-culture"])
    good, bad = usable(r for r in matched if r.status not in _GONE)
    results = [(r, growth(r, reading)) for r in good]
    # By the time they were taken: two at one moment may be the bottles of one set.
    negatives = {r.when for r, g in results if g is False and r.status in _FINAL and r.when and reading.past(r)}
    commensals = [r for r, g in results if g is not False and _commensal_only(r, reading)]
    sorted_out = Cultures([], [], [], [], bad)
    for resource, grew in results:
        if grew is not False:
            _place(resource, grew, negatives, commensals, reading, sorted_out)
    return sorted_out


def _place(
    resource: Resource,
    grew: bool | None,
    negatives: set[When],
    commensals: list[Resource],
    reading: Reading,
    out: Cultures,
) -> None:
    when = resource.when
    window = reading.windows["blood-culture-window"]
    if when is None or when.start > reading.horizon:
        if grew:
            out.uncertain.append(resource)
    elif reading.hours_since(when.end) > window:
        if grew:
            out.old.append(resource)
    elif grew is None or resource.status not in _FINAL or (resource in commensals and _recent(commensals, reading) < 2):
        out.uncertain.append(resource)
    elif sum(1 for n in negatives if n.start > when.end) >= reading.policies["blood-culture-clearance"]:
        out.cleared.append(resource)
    else:
        out.positive.append(resource)


def named(resource: Resource) -> str:
    """A culture in words: what grew, and when it was taken."""
    taken = f", taken {resource.when.start:%Y-%m-%d %H:%M} UTC" if resource.when else ""
    grown = value_of(resource).label[:80] or "organism not named"
    return f"{resource.concept.label or 'Blood culture'} positive: {grown}{taken}"


def _recent(commensals: list[Resource], reading: Reading) -> int:
    """How many sets within the window grew a commensal: one alone is probably contamination."""
    return sum(1 for r in commensals if reading.within(r, reading.windows["blood-culture-window"]))


def growth(resource: Resource, reading: Reading) -> bool | None:
    """Whether the culture grew something; None where the result cannot be read or says both."""
    value = value_of(resource)
    codes = codes_of(resource, value)
    words = bool(value.text or value.displays)
    denied = _says(_DENY, value, reading)
    # Words that do not deny growth name what grew.
    grew = (words and not denied) or _says(_GREW, value, reading)
    if grew or codes & POSITIVE:
        return None if denied or codes & NEGATIVE else True
    if denied or codes & NEGATIVE:
        return False
    # A code without words names an organism; nothing at all is no result yet.
    return True if value.codes else None


def _says(names: tuple[str, ...], found: Concept, reading: Reading) -> bool:
    return any(reading.terms[name].matches(found) for name in names)


def _commensal_only(resource: Resource, reading: Reading) -> bool:
    """Every organism that the result names is a skin commensal; organisms are told apart by separators and "and"."""
    found = value_of(resource)
    matcher = reading.terms["skin-commensal"]
    if reading.terms["culture-pathogen"].matches(found):
        return False
    named = [part.strip() for part in re.split(r",| and |;|\+", found.text) if part.strip()]
    return _all_match(named, matcher) if len(named) > 1 else matcher.matches(found)


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
