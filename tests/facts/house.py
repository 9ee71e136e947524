"""One compiled service for all tests here, and charts put to it: every fact, and the cards."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from cds_service.facts.model import Fact
from cds_service.hook_call import HookCall
from cds_service.knowledge import load
from cds_service.service import Service
from tests.facts.notation import NOW, PATIENT, Item, Resource, patient, resources
from tests.support.cards import outlines
from tests.support.shipped import ROOT

# A patient whose answer is a suggestion: adult, CRS grade 2 after two doses, nothing against it.
REFRACTORY: tuple[Item, ...] = (
    {"given": "axi-cel", "ago": "4d"},
    {"condition": "CRS grade 2", "icd": "D89.832", "onset": "24h", "recorded": "2h"},
    {"given": "tocilizumab", "ago": "20h"},
    {"given": "tocilizumab", "ago": "10h"},
    {"given": "dexamethasone", "ago": "6h"},
    {"obs": "temp", "value": 38.9},
    {"obs": "weight", "value": 75, "ago": "12h"},
    {"obs": "crcl", "value": 80, "ago": "6h"},
    {"obs": "anc", "value": 1.2, "ago": "6h"},
)
_CODES = {"axi-cel", "tocilizumab", "dexamethasone"}


@functools.cache
def service(site: str = "us") -> Service:
    """The shipped rules at a site, compiled and warm."""
    return Service.start(load(ROOT, site))


@functools.cache
def observer(site: str = "us") -> Service:
    """The same, gathering every fact of the catalogue whichever rules run."""
    program = service(site).program
    plans = {key: replace(plan, gatherer=program.every_fact) for key, plan in program.plans.items()}
    return Service(replace(program, plans=plans))


@functools.cache
def _loinc(query: str) -> frozenset[str]:
    knowledge = service().knowledge
    return frozenset(
        c.code for name in knowledge.catalogue.queries[query].codes for c in knowledge.value_sets[name].codes
    )


def _of(query: str, chart: Sequence[Resource]) -> list[Resource]:
    """What a FHIR server would answer to one prefetch template."""
    kind, codes = service().knowledge.catalogue.queries[query].resource, _loinc(query)
    found = [r for r in chart if r["resourceType"] == kind]
    if not codes:
        return found
    return [r for r in found if any(c.get("code") in codes for c in r.get("code", {}).get("coding", ()))]


def bundle(entries: Sequence[Resource], **more: Any) -> Resource:
    """A searchset."""
    return {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": r} for r in entries]} | more


@dataclass(frozen=True)
class Case:
    """A chart and a call. `prefetch` replaces whole prefetch values by key, `missing` takes keys away; `also` are
    further resources that a query found, whatever it asks for; `written` says how each resource is sent."""

    given: Sequence[Item] = ()
    person: Resource = field(default_factory=patient)
    draft: Sequence[Item] = ({"draft": "anakinra", "id": "draft-1"},)
    prefetch: Mapping[str, Any] = field(default_factory=dict)
    missing: Sequence[str] = ()
    also: Mapping[str, Sequence[Resource]] = field(default_factory=dict)
    written: Callable[[Resource], Resource] = dict
    hook: str = "order-select"
    encounter: str | None = None
    site: str = "us"
    chart: Sequence[Resource] | None = None

    def resources(self) -> list[Resource]:
        """The chart's resources without the Patient."""
        return list(self.chart) if self.chart is not None else resources(self.given)

    def call(self) -> HookCall:
        """The hook call."""
        chart = self.resources()
        found = {q: [*_of(q, chart), *self.also.get(q, ())] for q in service().knowledge.catalogue.queries}
        values: dict[str, Any] = {q: bundle([self.written(r) for r in each]) for q, each in found.items()}
        values["patient"] = self.person
        values |= self.prefetch
        drafts = resources(self.draft)
        return HookCall(
            service_id=f"anakinra-{self.hook}",
            hook=self.hook,
            hook_instance="00000000-0000-4000-8000-000000000000",
            user_id="Practitioner/1",
            patient_id=PATIENT,
            encounter_id=self.encounter,
            selections=tuple(f"MedicationRequest/{d['id']}" for d in drafts) if self.hook == "order-select" else (),
            draft_orders=tuple(drafts),
            prefetch={k: json.dumps(v).encode() for k, v in values.items() if k not in self.missing},
            fhir_server=None,
            fhir_authorization=None,
            evaluation_time=None,
        )

    def facts(self, now: datetime = NOW) -> dict[str, Fact]:
        """Every fact of the catalogue."""
        seen = observer(self.site).assess(self.call(), now)
        return {} if seen is None else dict(seen.orders[0].facts)

    def cards(self, now: datetime = NOW) -> list[dict[str, Any]]:
        """The cards of the answer."""
        return service(self.site).answer(self.call(), now)["cards"]

    def answers(self, now: datetime = NOW) -> list[tuple[str, str, str]]:
        """(decision, indicator, rule) of each card, in order, then of those that are named on another's."""
        return [(decision, indicator, rule) for decision, indicator, rule, *_ in outlines(self.cards(now))]

    def first(self, now: datetime = NOW) -> str:
        """The first card's decision and indicator, or `no-card`."""
        found = self.answers(now)
        return f"{found[0][0]} {found[0][1]}" if found else "no-card"


# (fact, query): records that only take others away from a fact; what is missing there denies nothing.
TAKEN_AWAY = {
    (fact, "conditions")
    for fact in (
        "ecoli-drug-allergy",
        "resolved-ecoli-drug-allergy",
        "ecoli-drug-allergy-recorded",
        "il1-class-allergy",
        "ecoli-drug-allergy-severe",
        "ecoli-drug-reaction",
    )
} | {
    # What began after an infusion: where nothing began, no infusion changes that.
    (fact, query)
    for fact in ("iec-hs-confirmed", "other-haemophagocytic-syndrome")
    for query in ("procedures", "administrations")
}
