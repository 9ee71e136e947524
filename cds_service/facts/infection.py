"""Infection: severe, other, uncertain, old or recently over.

Prophylactic antimicrobials and febrile neutropenia alone are no infection. Unconfirmed is uncertain, never absent.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from cds_service.chart.resource import Resource
from cds_service.chart.vocabulary import Concept, Matcher, concept
from cds_service.facts.cultures import named, read_cultures
from cds_service.facts.declared import DISPROVEN, ENDED, UNCONFIRMED, abatement, boolean, ordered_now, unresolved_drugs
from cds_service.facts.dose import KIND
from cds_service.facts.model import Fact, Facts, Reading, usable
from cds_service.facts.order_use import stated_reasons

SEVERE = ("severe-infection", "tuberculosis", "covid-19")


@dataclass(slots=True)
class _Found:
    severe: list[Resource] = field(default_factory=list)
    undated: list[Resource] = field(default_factory=list)
    other: list[Resource] = field(default_factory=list)
    uncertain: list[Resource] = field(default_factory=list)
    recent: list[Resource] = field(default_factory=list)


def facts(reading: Reading, known: Facts) -> Iterator[Fact]:
    """The infection facts, from Conditions, blood cultures and treatment orders; needs `order-use`."""
    found = _Found()
    # Only an order of anakinra that is for COVID-19 and for nothing else.
    for_covid = reading.order.kind == KIND and known["order-use"].value == "covid-19"
    bad = _conditions(reading, found, for_covid)
    cultures = read_cultures(reading)
    lost_orders = _treatments(reading, found, for_covid)
    chart = reading.chart
    unresolved = unresolved_drugs(reading, ("requests",))
    conditions, both = chart.gaps(("conditions",)), chart.gaps(("conditions", "cultures"))
    lost = bad + cultures.unusable
    severe = boolean("severe-infection", found.severe + cultures.positive, both, lost)
    yield replace(
        severe, text="; ".join([r.concept.label for r in found.severe] + [named(r) for r in cultures.positive])
    )
    yield boolean(
        "other-infection", found.other, chart.gaps(("conditions", "requests")) + unresolved, bad + lost_orders
    )
    yield boolean("uncertain-infection", found.uncertain + cultures.uncertain, both, lost)
    yield boolean("undated-severe-infection", found.undated, conditions, bad)
    yield boolean("recent-infection", found.recent + cultures.cleared, both)
    yield boolean("old-positive-culture", cultures.old, chart.gaps(("cultures",)))


def _conditions(reading: Reading, found: _Found, for_covid: bool) -> tuple[str, ...]:
    """Sort the Conditions that matter; gives a line for each that could not be used."""
    terms = reading.terms
    matched: list[tuple[Resource, bool]] = []
    sets = [terms[name] for name in SEVERE]
    for resource in reading.chart.matching(("conditions",), *sets, terms["infection-review"]):
        severe = any(resource.matches(matcher) for matcher in sets)
        if not (severe and for_covid and _only_covid(resource.concept, terms)):
            # COVID-19 never blocks an order of anakinra for COVID-19.
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
    elif not severe:
        found.other.append(resource)
    elif _current(resource, reading):
        found.severe.append(resource)
    else:
        found.undated.append(resource)


def _only_covid(found: Concept, terms: Mapping[str, Matcher]) -> bool:
    """COVID-19 and nothing else: "septic shock due to COVID-19" is septic shock, and pneumonia is part of COVID-19."""
    besides = ("beside-covid-19", "tuberculosis")
    return terms["covid-19"].matches(found) and not any(terms[name].matches(found) for name in besides)


def _current(resource: Resource, reading: Reading) -> bool:
    """Dated within the window (a partial date counts to its end), or of the current encounter."""
    encounter = resource.raw.get("encounter")
    reference = str(encounter.get("reference", "")) if isinstance(encounter, Mapping) else ""
    if reading.encounter_id and reference.split("/")[-1] == reading.encounter_id:
        return True
    onset = resource.time("onsetDateTime") or resource.time("onsetPeriod") or resource.time("recordedDate")
    return onset is not None and reading.hours_since(onset.end) <= reading.windows["severe-infection-window"]


def _treatments(reading: Reading, found: _Found, for_covid: bool) -> tuple[str, ...]:
    """Active antimicrobials whose reason is an infection; without a reason they may be prophylaxis."""
    terms = reading.terms
    names = (*SEVERE, "infection-review")
    bad = []
    for request in reading.chart.matching(("requests",), terms["antimicrobial"]):
        if not ordered_now(request, reading):
            continue
        told = [r for r in _stated(request, reading) if not (for_covid and _only_covid(r, terms))]
        if not any(terms[name].matches(r) for r in told for name in names):
            continue
        if request.problem:
            bad.append(f"{request.ref}: {request.problem}")
        else:
            found.other.append(request)
    return tuple(bad)


def _stated(request: Resource, reading: Reading) -> Sequence[Concept]:
    """Why an antimicrobial is given, by the order itself. A Condition of the chart that it names is judged alone."""
    referred = request.raw.get("reasonReference")
    found = list(stated_reasons(request))
    known = {r.ref for r in reading.chart.of("conditions")}
    for reference in referred if isinstance(referred, list) else []:
        if isinstance(reference, Mapping) and "/".join(str(reference.get("reference")).split("/")[-2:]) not in known:
            found.append(concept({"text": reference.get("display")}))
    return found
