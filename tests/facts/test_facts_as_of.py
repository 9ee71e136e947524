"""Later records never change an earlier answer: not one that is added, nor what becomes of those that were known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cds_service.facts.model import Fact
from tests.facts.house import Case, observer, service
from tests.facts.notation import NOW, Item, Resource, resources
from tests.facts.pool import BOUNDED, CONTRAINDICATIONS, POOL, charts, persons
from tests.support.cards import explanation

# FHIR R5: MedicationRequest.statusChanged, as R4 carries it.
CHANGED = "http://hl7.org/fhir/5.0/StructureDefinition/extension-MedicationRequest.statusChanged"

moments = st.sampled_from([NOW - timedelta(hours=h) for h in (0, 0.5, 2.7, 9, 26, 100)])
# Beyond the tolerance for clocks that differ.
delays = st.sampled_from([timedelta(hours=h) for h in (1, 5, 30, 2000)])
ADDED: Sequence[Item] = (*POOL, *CONTRAINDICATIONS.values())
_RECORDED = {
    "Condition": "recordedDate",
    "AllergyIntolerance": "recordedDate",
    "MedicationRequest": "authoredOn",
    "MedicationStatement": "dateAsserted",
    "Immunization": "recorded",
}
# When it was made or taken, which is when one that has no result yet is known of.
_MADE = {"Procedure": "performed", "Observation": "effective", "MedicationAdministration": "effective"}


def answer(
    chart: Sequence[Resource], person: Resource, now: datetime
) -> tuple[dict[str, Fact], list[Any], list[list[str]]]:
    """Every fact and the cards of a call that is evaluated at `now`."""
    call = replace(Case(chart=chart, person=person).call(), evaluation_time=now)
    seen = observer().assess(call, now)
    assert seen is not None
    cards = service().answer(call, now)["cards"]
    labels = [[offer["label"] for offer in card.get("suggestions", ())] for card in cards]
    return dict(seen.orders[0].facts), [(c["summary"], c["detail"], explanation(c)) for c in cards], labels


def recorded(resource: Resource, moment: datetime) -> Resource:
    """The same record, known only since a moment."""
    kind = resource["resourceType"]
    since = {_RECORDED[kind]: moment.isoformat()} if kind in _RECORDED else {}
    element = _MADE.get(kind)
    if element is None:
        return resource | since
    kept = {name: value for name, value in resource.items() if not name.startswith(element)}
    return kept | since | {f"{element}DateTime": moment.isoformat()}


def became(resource: Resource, moment: datetime) -> tuple[Resource, Resource]:
    """A record as it was, and what became of it at a later moment."""
    kind, later = resource["resourceType"], moment.isoformat()
    if kind == "Condition":
        was = {name: value for name, value in resource.items() if not name.startswith("abatement")}
        was["clinicalStatus"] = {"coding": [{"code": "active"}]}
        return was, was | {"clinicalStatus": {"coding": [{"code": "resolved"}]}, "abatementDateTime": later}
    if kind == "Observation":
        results = ("value", "component", "device", "interpretation", "referenceRange")
        was = {name: value for name, value in resource.items() if not name.startswith(results)}
        return was | {"status": "registered"}, resource | {"status": "final", "issued": later}
    if kind == "MedicationRequest":
        was = resource | {"status": "active"}
        return was, was | {"status": "stopped", "extension": [{"url": CHANGED, "valueDateTime": later}]}
    if kind in ("MedicationAdministration", "MedicationStatement", "Procedure"):
        element = "performed" if kind == "Procedure" else "effective"
        start = resource.get(f"{element}DateTime") or resource.get(f"{element}Period", {}).get("start")
        was = {name: value for name, value in resource.items() if not name.startswith(element)}
        was["status"] = "active" if kind == "MedicationStatement" else "in-progress"
        period = {"start": start} if start else {}
        return was | {f"{element}Period": period}, was | {
            f"{element}Period": period | {"end": later},
            "status": "completed",
        }
    return resource, resource


@BOUNDED
@given(charts, persons, moments, delays, st.lists(st.sampled_from(ADDED), min_size=1, max_size=6))
def test_a_record_that_is_added_later(
    items: Sequence[Item], person: Resource, now: datetime, delay: timedelta, added: Sequence[Item]
) -> None:
    chart = resources(items)
    more = [recorded(r | {"id": f"later{n}"}, now + delay) for n, r in enumerate(resources(added))]
    assert answer([*chart, *more], person, now) == answer(chart, person, now)


@BOUNDED
@given(charts, persons, moments, delays)
def test_what_becomes_of_a_record_later(
    items: Sequence[Item], person: Resource, now: datetime, delay: timedelta
) -> None:
    chart = resources(items)
    pairs = [became(resource, now + delay) for resource in chart]
    was, since = [before for before, _ in pairs], [after for _, after in pairs]
    assume(was != since)
    assert answer(since, person, now) == answer(was, person, now)


@pytest.mark.parametrize("item", [{"condition": "Sepsis", "icd": "A41.9"}, {"given": "tocilizumab", "ago": "2h"}])
def test_the_records_of_these_tests_do_change_the_answer_of_their_own_time(item: Item) -> None:
    """Else the properties would hold of a service that reads nothing."""
    chart = resources([{"procedure": "CAR-T cell infusion", "ago": "3d"}])
    (later,) = (recorded(r, NOW + timedelta(hours=1)) for r in resources([item | {"id": "x"}]))
    person, after = Case().person, NOW + timedelta(hours=2)
    assert answer([*chart, later], person, after) != answer(chart, person, after)
    assert answer([*chart, later], person, NOW) == answer(chart, person, NOW)
