"""Blood cultures: positive, uncertain, cleared or old.

A single bottle with a skin commensal, a preliminary result or one that cannot be read is uncertain. A positive one is
cleared by later negative sets, as many as the policy asks for.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from cds_service.chart.resource import Resource
from cds_service.chart.vocabulary import concept, normalise
from cds_service.facts.model import Reading, usable

_FINAL = {"final", "amended", "corrected"}
_GONE = {"cancelled", "entered-in-error", "registered"}
_NEGATIVE = ("no growth", "negative", "not detected", "none isolated", "no organism", "sterile", "not isolated")
_NEGATIVE_CODES = {"NEG", "N", "ND"}
# Stains and tests in an organism's own name say nothing about growth.
_NAMED = re.compile(r"(gram|coagulase|catalase|oxidase|lactose|mrsa|esbl)[- ](negative|positive)")
_POSITIVE_WORDS = ("positive", "growth", "detected", "isolated")
_POSITIVE_CODES = {"POS", "A", "AA", "DET"}


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
    results = [(r, growth(r)) for r in good]
    negatives = sorted(_start(r) for r, g in results if g is False and r.status in _FINAL and r.when)
    commensals = [r for r, g in results if g is not False and _commensal_only(r, reading)]
    sorted_out = Cultures([], [], [], [], bad)
    for resource, grew in results:
        if grew is not False:
            _place(resource, grew, negatives, commensals, reading, sorted_out)
    return sorted_out


def _place(
    resource: Resource,
    grew: bool | None,
    negatives: list[datetime],
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
    elif sum(1 for n in negatives if n > when.start) >= reading.policies["blood-culture-clearance"]:
        out.cleared.append(resource)
    else:
        out.positive.append(resource)


def named(resource: Resource) -> str:
    """A culture in words: what grew, and when it was taken."""
    coded = resource.raw.get("valueCodeableConcept")
    value = concept(coded).label if isinstance(coded, Mapping) else resource.text("valueString")
    taken = f", taken {resource.when.start:%Y-%m-%d %H:%M} UTC" if resource.when else ""
    return f"{resource.concept.label or 'Blood culture'} positive: {value[:80] or 'organism not named'}{taken}"


def _recent(commensals: list[Resource], reading: Reading) -> int:
    """How many sets within the window grew a commensal: one alone is probably contamination."""
    return sum(1 for r in commensals if reading.within(r, reading.windows["blood-culture-window"]))


def growth(resource: Resource) -> bool | None:
    """Whether the culture grew something; None where the result cannot be read."""
    coded = resource.raw.get("valueCodeableConcept")
    value = concept(coded) if isinstance(coded, Mapping) else concept({"text": resource.text("valueString")})
    words = [_NAMED.sub(r"\1", w) for w in (value.text, *value.displays) if w]
    codes = {code for _, code in value.codes} | _interpretations(resource)
    if any(n in w for w in words for n in _NEGATIVE) or codes & _NEGATIVE_CODES:
        return False
    if codes & _POSITIVE_CODES or any(p in w for w in words for p in _POSITIVE_WORDS):
        return True
    # A named organism is growth; nothing at all is no result yet.
    return True if words or value.codes else None


def _interpretations(resource: Resource) -> set[str]:
    written = resource.raw.get("interpretation")
    return {code for i in (written if isinstance(written, list) else []) for _, code in concept(i).codes}


def _commensal_only(resource: Resource, reading: Reading) -> bool:
    """Every organism that the result names is a skin commensal; organisms are told apart by commas and "and"."""
    coded = resource.raw.get("valueCodeableConcept")
    found = concept(coded) if isinstance(coded, Mapping) else concept({"text": normalise(resource.text("valueString"))})
    matcher = reading.terms["skin-commensal"]
    named = [part for part in re.split(r",| and |;|\+", found.text) if part.strip()]
    if len(named) > 1:
        return all(matcher.matches(concept({"text": part})) for part in named)
    return matcher.matches(found)


def _start(resource: Resource) -> datetime:
    assert resource.when is not None
    return resource.when.start
