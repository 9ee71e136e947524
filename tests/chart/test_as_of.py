"""What was known at a past hour: records that came later are gone, what became of the others later is undone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cds_service.chart.as_of import _KNOWN, latest, resource_at
from cds_service.chart.chart import Chart
from cds_service.chart.read import Read
from cds_service.chart.resource import Resource
from cds_service.chart.validation import problem_of
from cds_service.knowledge.checks.catalogue import SORTS

NOON = datetime(2026, 3, 5, 12, 0, tzinfo=UTC)
DAY = "2026-03-05T"
MORNING, EVENING = f"{DAY}08:00:00Z", f"{DAY}20:00:00Z"
_DATES = (
    "recordedDate", "effectiveDateTime", "performedDateTime", "authoredOn", "occurrenceDateTime",
)  # fmt: skip
CHANGED = "http://hl7.org/fhir/5.0/StructureDefinition/extension-MedicationRequest.statusChanged"


def chart(*raws: dict[str, Any]) -> Chart:
    return Chart("p1", {"any": Read(tuple(Resource(raw) for raw in raws))})


def at_noon(kind: str, **elements: Any) -> Resource | None:
    """The resource as it was known at noon."""
    found = chart({"resourceType": kind, "id": "1", **elements}).at(NOON).of("any")
    return found[0] if found else None


@pytest.mark.parametrize("kind", sorted(SORTS))
def test_a_type_that_a_query_may_ask_for_has_times_and_is_validated(kind: str) -> None:
    """One list in `check`, three places that must know each of its types: a type half read would be silent."""
    assert problem_of({"resourceType": kind}) != f"resource type {kind!r} is not read"
    dated = [Resource({"resourceType": kind, "id": "1", name: MORNING}) for name in _DATES]
    assert any(resource.when is not None for resource in dated)
    assert any(at_noon(kind, **{name: EVENING}) is None for name in _DATES)


def bounded(end: str) -> list[dict[str, Any]]:
    return [{"timing": {"repeat": {"boundsPeriod": {"end": end}}}}]


@pytest.mark.parametrize(
    ("kind", "elements"),
    [
        ("Condition", {"recordedDate": EVENING, "onsetDateTime": MORNING}),
        ("Condition", {"onsetDateTime": EVENING}),
        ("AllergyIntolerance", {"recordedDate": EVENING, "onsetDateTime": MORNING, "lastOccurrence": MORNING}),
        ("MedicationRequest", {"status": "active", "authoredOn": EVENING}),
        ("MedicationAdministration", {"status": "completed", "effectiveDateTime": EVENING}),
        ("MedicationAdministration", {"status": "completed", "effectivePeriod": {"start": EVENING}}),
        ("MedicationStatement", {"status": "active", "dateAsserted": EVENING, "effectiveDateTime": MORNING}),
        ("Immunization", {"status": "completed", "recorded": EVENING, "occurrenceDateTime": MORNING}),
        ("Procedure", {"status": "completed", "performedDateTime": EVENING}),
        ("ServiceRequest", {"status": "active", "authoredOn": EVENING}),
        ("Observation", {"status": "final", "effectiveDateTime": EVENING, "issued": EVENING}),
    ],
)
def test_a_later_record_is_gone(kind: str, elements: dict[str, Any]) -> None:
    assert at_noon(kind, **elements) is None
    assert chart({"resourceType": kind, "id": "1", **elements}).at(NOON + timedelta(hours=8)).of("any")


@pytest.mark.parametrize(
    ("kind", "elements"),
    [
        ("Condition", {}),
        ("Condition", {"recordedDate": MORNING, "abatementDateTime": f"{DAY}10:00:00Z"}),
        ("AllergyIntolerance", {"onsetDateTime": EVENING, "lastOccurrence": EVENING}),
        ("MedicationRequest", {"status": "stopped", "authoredOn": MORNING}),
        ("MedicationRequest", {"status": "active", "authoredOn": MORNING, "dosageInstruction": bounded(EVENING)}),
        ("MedicationAdministration", {"status": "completed", "effectiveDateTime": "2026-03-05"}),
        ("MedicationAdministration", {"status": "completed"}),
        ("MedicationAdministration", {"effectivePeriod": "2026"}),
        ("Condition", {"onsetPeriod": {"end": EVENING}}),
        ("Procedure", {"status": "completed", "performedPeriod": {"start": MORNING}}),
        ("Observation", {"status": "final", "effectiveDateTime": MORNING}),
        ("Observation", {"status": "final", "effectiveDateTime": MORNING, "issued": f"{DAY}09:00:00Z"}),
        ("Patient", {"birthDate": "2030-01-01"}),
        ("Observation", {"status": "final", "meta": {"lastUpdated": EVENING}}),
    ],
)
def test_what_was_known_and_what_has_no_time_stays(kind: str, elements: dict[str, Any]) -> None:
    whole = chart({"resourceType": kind, "id": "1", **elements})
    assert whole.at(NOON) is whole


def test_a_condition_that_ended_later_is_active() -> None:
    then = at_noon(
        "Condition",
        recordedDate=MORNING,
        clinicalStatus={"coding": [{"code": "resolved"}]},
        abatementDateTime=EVENING,
    )
    assert then is not None
    assert then.code("clinicalStatus") == "active"
    assert then.time("abatementDateTime") is None
    going_on = at_noon("Condition", recordedDate=MORNING, abatementPeriod={"start": EVENING})
    assert going_on is not None
    assert going_on.raw.keys() == {"resourceType", "id", "recordedDate"}


@pytest.mark.parametrize(
    ("kind", "element", "status"),
    [
        ("MedicationAdministration", "effectivePeriod", "in-progress"),
        ("MedicationStatement", "effectivePeriod", "active"),
        ("Procedure", "performedPeriod", "in-progress"),
    ],
)
def test_what_ended_later_is_going_on(kind: str, element: str, status: str) -> None:
    then = at_noon(kind, status="completed", **{element: {"start": MORNING, "end": EVENING}})
    assert then is not None
    assert (then.status, then.raw[element]) == (status, {"start": MORNING})
    told = at_noon(kind, status="entered-in-error", **{element: {"start": MORNING, "end": EVENING}})
    assert told is not None
    assert told.status == "entered-in-error"


@pytest.mark.parametrize("element", ["effectiveDateTime", "effectivePeriod"])
def test_a_culture_without_its_result_yet_is_registered(element: str) -> None:
    taken: Any = MORNING if element == "effectiveDateTime" else {"start": MORNING}
    then = at_noon(
        "Observation",
        status="final",
        issued=EVENING,
        code={"text": "Blood culture"},
        valueCodeableConcept={"text": "No growth"},
        interpretation=[{"coding": [{"code": "NEG"}]}],
        component=[{}],
        note=[{"text": "no growth"}],
        **{element: taken},
    )
    assert then is not None
    assert then.raw == {
        "resourceType": "Observation",
        "id": "1",
        "status": "registered",
        "code": {"text": "Blood culture"},
        element: taken,
    }


def test_a_result_of_a_period_is_known_at_its_end() -> None:
    then = at_noon("Observation", status="final", effectivePeriod={"start": MORNING, "end": EVENING})
    assert then is not None
    assert then.status == "registered"


@pytest.mark.parametrize("status", ["stopped", "completed", "cancelled"])
def test_an_order_that_says_that_it_was_stopped_later_is_active(status: str) -> None:
    def then(**elements: Any) -> str:
        found = at_noon("MedicationRequest", status=status, authoredOn=MORNING, **elements)
        assert found is not None
        return found.status

    assert then(extension=[{"url": CHANGED, "valueDateTime": EVENING}]) == "active"
    assert then(extension=[{"url": CHANGED, "valueDateTime": MORNING}]) == status
    # How long it was meant to last does not say when it was stopped, nor does the time at which it was loaded.
    assert then(dosageInstruction=bounded(EVENING), meta={"lastUpdated": EVENING}) == status


def test_the_drug_of_a_reference_is_still_resolved() -> None:
    medications = {"Medication/1": {"resourceType": "Medication", "code": {"text": "norepinephrine"}}}
    raw = {
        "resourceType": "MedicationAdministration",
        "status": "completed",
        "medicationReference": {"reference": "Medication/1"},
        "effectivePeriod": {"start": MORNING, "end": EVENING},
    }
    whole = Chart("p1", {"any": Read((Resource(raw, medications),))})
    assert [r.concept.label for r in whole.at(NOON).of("any")] == ["norepinephrine"]


def test_a_read_keeps_what_it_knows_of_itself() -> None:
    read = Read((Resource({"resourceType": "Condition", "recordedDate": EVENING}),), gaps=("cut",), lost="x")
    then = Chart("p1", {"any": read, "none": Read()}).at(NOON)
    assert (then.gaps(["any", "none"]), then.of("any")) == (("any: cut",), ())
    assert then.reads["any"].lost == "x"


@pytest.mark.parametrize("day", [EVENING, "9999-12-31"])
@pytest.mark.parametrize("kind", sorted(_KNOWN))
def test_whatever_may_undo_a_record_is_asked_for(kind: str, day: str) -> None:
    """A list of which nothing is later is taken as it is, by one moment for the whole of it: whichever element says
    that something of a record is later, that moment is too."""
    changed = [{"url": CHANGED, "valueDateTime": day}]
    dates = (*_DATES, "issued", "onsetDateTime", "abatementDateTime", "recorded", "dateAsserted")
    times: list[dict[str, Any]] = [{name: day} for name in dates] + [{"status": "stopped", "extension": changed}]
    periods = ("effectivePeriod", "performedPeriod", "onsetPeriod", "abatementPeriod")
    for element in (*times, *({name: {part: day}} for name in periods for part in ("start", "end"))):
        resource = Resource({"resourceType": kind, "id": "1", **element})
        last = latest([resource])
        if resource_at(resource, NOON) is not resource:
            assert last is not None, element
            assert last > NOON, element
