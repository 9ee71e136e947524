"""Which Medication a record refers to: contained, beside it, on another page, with another query; and which not."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from cds_service.chart.chart import QueryKind, medications_sent, open_chart
from cds_service.chart.drugs import named, open_references
from cds_service.chart.read import ReadCache, joined, parse_read
from cds_service.chart.resource import Resource

NOW = datetime(2026, 3, 5, 12, 0, tzinfo=UTC)
QUERIES = {
    "requests": QueryKind("MedicationRequest", None),
    "administrations": QueryKind("MedicationAdministration", None),
}
KINERET = {"resourceType": "Medication", "id": "m1", "code": {"text": "Kineret"}}
BASE = "https://ehr.example.org/fhir"


def record(reference: object, kind: str = "MedicationRequest", **more: Any) -> dict[str, Any]:
    subject = {"reference": "Patient/p1"}
    return {"resourceType": kind, "id": "r1", "subject": subject, "medicationReference": reference, **more}


def entries(*resources: dict[str, Any], url: str = "") -> bytes:
    full = {"fullUrl": url} if url else {}
    found = [{"resource": r} | (full if r["resourceType"] == "Medication" else {}) for r in resources]
    return json.dumps({"resourceType": "Bundle", "type": "searchset", "entry": found}).encode()


@pytest.mark.parametrize(
    ("reference", "url"),
    [
        ("Medication/m1", ""),
        ("Medication/m1", f"{BASE}/Medication/m1"),
        ("Medication/m1/_history/4", ""),
        (f"{BASE}/Medication/m1", ""),
        (f"{BASE}/Medication/m1", f"{BASE}/Medication/m1"),
        (f"{BASE}/Medication/m1/_history/4", f"{BASE}/Medication/m1"),
        ("urn:uuid:9a5c1f5e-7d0e-4f57-8a3c-2f0f5b6f0001", "urn:uuid:9a5c1f5e-7d0e-4f57-8a3c-2f0f5b6f0001"),
    ],
)
def test_found(reference: str, url: str) -> None:
    """In the same Bundle, and with another query; an absolute reference asks for the fullUrl, where there is one."""
    request = record({"reference": reference})
    together = {"requests": entries(request, KINERET, url=url), "administrations": entries()}
    apart = {"requests": entries(request), "administrations": entries(KINERET, url=url)}
    for prefetch in (together, apart):
        chart = open_chart(prefetch, "p1", QUERIES, ReadCache(1_000_000), NOW)
        (found,) = chart.of("requests")
        assert found.raw == request
        assert (found.concept.text, found.unresolved) == ("kineret", "")
        assert chart.gaps(QUERIES) == ()


def test_contained() -> None:
    found = Resource(record({"reference": "#m1"}, contained=[KINERET]))
    assert (found.concept.text, found.unresolved) == ("kineret", "")


@pytest.mark.parametrize(
    ("reference", "open_"),
    [
        ({"reference": "Medication/m2"}, "Medication/m2"),
        ({"reference": "Medication/m2/_history/1"}, "Medication/m2"),
        ({"reference": f"{BASE}/Medication/m2"}, f"{BASE}/Medication/m2"),
        ({"reference": "#m2"}, ""),
        ({"reference": 7}, ""),
        ({"display": "Kineret"}, ""),
        ({"reference": "Medication/m2", "display": "Kineret"}, ""),
        ({}, ""),
        ("Medication/m2", ""),
        (None, ""),
    ],
)
def test_open(reference: object, open_: str) -> None:
    assert Resource(record(reference), {"Medication/m1": KINERET}).unresolved == open_


def test_a_coded_drug_beside_a_reference_is_not_open() -> None:
    assert Resource(record({"reference": "Medication/m2"}, medicationCodeableConcept={"text": "x"})).unresolved == ""


def test_a_medication_on_an_earlier_page() -> None:
    whole = joined(parse_read(entries(KINERET)), parse_read(entries(record({"reference": "Medication/m1"}))))
    assert open_references(whole) == ("Medication/m1",)
    assert named(whole, whole.medications).resources[0].concept.text == "kineret"


def test_a_page_that_refers_to_no_drug_hides_none_of_the_page_before() -> None:
    whole = joined(parse_read(entries(record({"reference": "Medication/m1"}))), parse_read(entries()))
    assert open_references(whole) == ("Medication/m1",)


def test_naming_changes_nothing_that_another_call_may_hold() -> None:
    read = parse_read(entries(record({"reference": "Medication/m1"})))
    assert named(read, {"Medication/m1": KINERET}).resources[0].concept.text == "kineret"
    assert read.resources[0].unresolved == "Medication/m1"
    assert named(read, {"Medication/m2": KINERET}) is read


def test_the_second_source_is_asked_for_open_drugs_only() -> None:
    asked: list[tuple[set[str], bool]] = []

    def second(lacking: Any, enough: Any) -> dict[str, Any]:
        asked.append((set(lacking), all(enough(name, read) for name, read in lacking.items())))
        return {}

    prefetch = {
        "requests": entries(record({"reference": "Medication/m2"})),
        "administrations": entries(record({"reference": "Medication/m1"}, "MedicationAdministration"), KINERET),
    }
    chart = open_chart(prefetch, "p1", QUERIES, ReadCache(1_000_000), NOW, second)
    assert asked == [({"requests"}, True)]
    assert chart.of("requests")[0].unresolved == "Medication/m2"


def test_what_the_second_source_brings_may_refer_to_what_was_sent() -> None:
    brought = parse_read(entries(record({"reference": "Medication/m1"})))
    chart = open_chart(
        {"administrations": entries(KINERET)},
        "p1",
        QUERIES,
        ReadCache(1_000_000),
        NOW,
        lambda *_: {"requests": brought},
    )
    assert chart.of("requests")[0].concept.text == "kineret"


def test_medications_of_all_queries() -> None:
    prefetch = {"administrations": entries(KINERET, url=f"{BASE}/Medication/m1")}
    found = medications_sent(prefetch, "p1", QUERIES, ReadCache(1_000_000))
    assert found == {"Medication/m1": KINERET, f"{BASE}/Medication/m1": KINERET}
