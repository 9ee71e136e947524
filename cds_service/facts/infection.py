"""Infection: severe, other, uncertain, old or recently over.

Prophylactic antimicrobials and febrile neutropenia alone are no infection. Unconfirmed is uncertain, never absent.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from cds_service.chart.resource import Resource
from cds_service.chart.vocabulary import Concept, concept
from cds_service.facts.cultures import read_cultures
from cds_service.facts.declared import DISPROVEN, ENDED, UNCONFIRMED, abatement, boolean, ordered_now
from cds_service.facts.model import Fact, Facts, Reading, usable

SEVERE = ("severe-infection", "tuberculosis", "covid-19")


@dataclass(slots=True)
class _Found:
    severe: list[Resource] = field(default_factory=list)
    undated: list[Resource] = field(default_factory=list)
    other: list[Resource] = field(default_factory=list)
    uncertain: list[Resource] = field(default_factory=list)
    recent: list[Resource] = field(default_factory=list)


def facts(reading: Reading, known: Facts) -> Iterator[Fact]:
    """The infection facts, from Conditions, blood cultures and treatment orders."""
    found = _Found()
    bad = _conditions(reading, found)
    cultures = read_cultures(reading)
    _treatments(reading, found)
    chart = reading.chart
    conditions, both = chart.gaps(("conditions",)), chart.gaps(("conditions", "cultures"))
    lost = bad + cultures.unusable
    yield boolean("severe-infection", found.severe + cultures.positive, both, lost)
    yield boolean("other-infection", found.other, chart.gaps(("conditions", "requests")), bad)
    yield boolean("uncertain-infection", found.uncertain + cultures.uncertain, both, lost)
    yield boolean("undated-severe-infection", found.undated, conditions, bad)
    yield boolean("recent-infection", found.recent + cultures.cleared, both)
    yield boolean("old-positive-culture", cultures.old, chart.gaps(("cultures",)))


def _conditions(reading: Reading, found: _Found) -> tuple[str, ...]:
    """Sort the Conditions that matter; gives a line for each that could not be used."""
    terms = reading.terms
    for_covid = _order_is_for(reading, "covid-19")
    matched: list[tuple[Resource, bool]] = []
    for resource in reading.chart.of("conditions"):
        severe = any(resource.matches(terms[name]) for name in SEVERE)
        if severe and for_covid and resource.matches(terms["covid-19"]):
            continue  # COVID-19 never blocks an order of anakinra for COVID-19.
        if severe or resource.matches(terms["infection-review"]):
            matched.append((resource, severe))
    live = [(r, s) for r, s in matched if r.code("verificationStatus") not in DISPROVEN]
    good, bad = usable(r for r, _ in live)
    kept = {id(r) for r in good}
    for resource, severe in live:
        if id(resource) in kept:
            _sort(resource, severe, reading, found)
    return bad


def _sort(resource: Resource, severe: bool, reading: Reading, found: _Found) -> None:
    ended = abatement(resource)
    if resource.code("clinicalStatus") in ENDED or (ended is not None and ended.start <= reading.now):
        last = ended or resource.time("recordedDate") or resource.when
        recent = reading.windows["recent-infection-window"]
        if last is not None and reading.hours_since(last.end) <= recent:
            found.recent.append(resource)
    elif resource.code("verificationStatus") in UNCONFIRMED:
        found.uncertain.append(resource)
    elif not _current(resource, reading):
        found.undated.append(resource)
    elif severe:
        found.severe.append(resource)
    else:
        found.other.append(resource)


def _current(resource: Resource, reading: Reading) -> bool:
    """Dated within the window (a partial date counts to its end), or of the current encounter."""
    encounter = resource.raw.get("encounter")
    reference = str(encounter.get("reference", "")) if isinstance(encounter, Mapping) else ""
    if reading.encounter_id and reference.split("/")[-1] == reading.encounter_id:
        return True
    onset = resource.time("onsetDateTime") or resource.time("onsetPeriod") or resource.time("recordedDate")
    return onset is not None and reading.hours_since(onset.end) <= reading.windows["severe-infection-window"]


def _treatments(reading: Reading, found: _Found) -> None:
    """Active antimicrobials whose reason is an infection; without a reason they may be prophylaxis."""
    terms = reading.terms
    for request in reading.chart.matching(("requests",), terms["antimicrobial"]):
        if not ordered_now(request, reading) or request.problem:
            continue
        reasons = _reasons(request)
        if any(terms[name].matches(r) for r in reasons for name in (*SEVERE, "infection-review")):
            found.other.append(request)


def _order_is_for(reading: Reading, value_set: str) -> bool:
    matcher = reading.terms[value_set]
    drafts = [d for d in reading.order.drafts if d.kind == reading.order.kind]
    return any(matcher.matches(r) for d in drafts for r in _reasons(d.resource))


def _reasons(request: Resource) -> Sequence[Concept]:
    written = request.raw.get("reasonCode")
    return [concept(r) for r in written] if isinstance(written, list) else []
