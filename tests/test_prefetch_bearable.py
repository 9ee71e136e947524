"""A prefetch that an EHR can bear: full to its counts it fits the body limit, and what is essential is proven."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import pytest

from cds_service.app import create_app
from cds_service.chart.prefetch import PAGE, filled
from cds_service.contract import ASKS, BODY_BYTES, CALL_BYTES, INSUFFICIENT, RANK
from cds_service.knowledge import Knowledge, load
from cds_service.program import Program, compile_program
from cds_service.service import Service
from cds_service.settings import Settings
from cds_service.tools.connecting import answers_without
from cds_service.tools.replay.prefetch import BASE_URL
from tests.support.examples import example_calls
from tests.support.public_data import DATA, SYNTHEA, needs
from tests.web.stub import SELECT

FEWEST = 10
PATIENT = "p" * 64
Json = dict[str, Any]


@cache
def program() -> Program:
    return compile_program(load())


def compact(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def entry(resource: Json) -> Json:
    url = f"{BASE_URL}/{resource['resourceType']}/{resource.get('id', '')}"
    return {"fullUrl": url, "resource": resource, "search": {"mode": "match"}}


# ---------------------------------------------------------------- sizes


def public_resources() -> Iterator[Json]:
    for path in sorted(DATA.glob("*/*.json")):
        yield from (e["resource"] for e in json.loads(path.read_bytes()).get("entry", ()) if "resource" in e)
    for path in sorted(DATA.glob("*/*.ndjson")):
        yield from (json.loads(line) for line in path.read_bytes().splitlines() if line.strip())


@needs(SYNTHEA)
def test_the_bytes_are_those_of_the_public_charts(ours: Knowledge) -> None:
    sizes: dict[str, list[int]] = defaultdict(list)
    for resource in public_resources():
        sizes[resource["resourceType"]].append(len(compact(entry(resource))) + 1)
    for kind, stated in ours.catalogue.entry_bytes.items():
        found = sorted(sizes[kind])
        assert stated.measured == len(found), kind
        assert bool(stated.like) == (len(found) < FEWEST), kind
        if not stated.like:
            ranks = [math.ceil(len(found) * share) - 1 for share in (0.5, 0.95)]
            assert [stated.median, stated.p95] == [found[rank] for rank in ranks], kind


def padded(kind: str, number: int, size: int) -> Json:
    """An entry of exactly `size` bytes with its comma."""
    whose = "patient" if kind in ("AllergyIntolerance", "Immunization") else "subject"
    resource: Json = {"resourceType": kind, "id": f"{number:064}", whose: {"reference": f"Patient/{PATIENT}"}}
    if kind == "Patient":
        resource = {"resourceType": kind, "id": PATIENT}
    resource["text"] = {"status": "generated", "div": ""}
    found = resource if kind == "Patient" else entry(resource)
    resource["text"]["div"] = "x" * (size - 1 - len(compact(found)))
    assert len(compact(found)) + 1 == size
    return found


def full_call(catalogue: Any, times: int = 1) -> bytes:
    """A call whose every query is full to its count, each entry of the 95th percentile, and cut besides."""
    prefetch: Json = {}
    for name, search in filled(program().templates, PATIENT).items():
        query = catalogue.queries[name]
        size = catalogue.entry(query.resource).p95
        if query.by == "id":
            prefetch[name] = padded(query.resource, 0, size)
            continue
        links = [{"relation": r, "url": f"{BASE_URL}/{search}&page={r}"} for r in ("self", "next")]
        entries = [padded(query.resource, number, size) for number in range(query.count * times)]
        bundle = {"resourceType": "Bundle", "type": "searchset", "total": 99_999, "link": links, "entry": entries}
        prefetch[name] = bundle
    orders = [padded("MedicationRequest", n, catalogue.entry("MedicationRequest").p95) for n in range(40)]
    orders[0]["resource"]["medicationCodeableConcept"] = {"text": "anakinra"}
    context = {
        "userId": "Practitioner/1",
        "patientId": PATIENT,
        "selections": [f"MedicationRequest/{orders[0]['resource']['id']}"],
        "draftOrders": {"resourceType": "Bundle", "entry": orders},
    }
    instance = "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea"
    return compact({"hook": "order-select", "hookInstance": instance, "context": context, "prefetch": prefetch})


def test_its_own_prefetch_full_to_its_counts_is_answered(ours: Knowledge) -> None:
    client = create_app(Settings()).test_client()
    body = full_call(ours.catalogue)
    assert BODY_BYTES - CALL_BYTES < len(body) <= BODY_BYTES
    reply = client.post(SELECT, data=body, content_type="application/json")
    assert reply.status_code == 200
    assert reply.get_json()["cards"]
    # The same with twice as many is what the limit is for.
    assert client.post(SELECT, data=full_call(ours.catalogue, 2), content_type="application/json").status_code == 413


def test_what_is_reckoned_is_what_is_sent(ours: Knowledge) -> None:
    catalogue = ours.catalogue
    sent = json.loads(full_call(catalogue))["prefetch"]
    for name, value in sent.items():
        held = sum(len(compact(each)) + 1 for each in value.get("entry", [value]))
        assert held == catalogue.bytes_of(name), name
    assert catalogue.call_bytes() == CALL_BYTES + sum(catalogue.bytes_of(name) for name in sent)
    assert catalogue.call_bytes() <= BODY_BYTES


def test_a_limit_too_small_for_the_prefetch_is_told_at_the_start(caplog: pytest.LogCaptureFixture) -> None:
    create_app(Settings(max_body_bytes=1024 * 1024))
    assert "CDS_MAX_BODY_BYTES: 1048576 is less than a call with a full prefetch may have" in caplog.text
    caplog.clear()
    create_app(Settings())
    assert caplog.text == ""


def test_a_server_is_asked_for_larger_pages_of_the_same(ours: Knowledge) -> None:
    found = program()
    assert found.templates.keys() == found.searches.keys()
    for name, search in found.searches.items():
        count = ours.catalogue.queries[name].count
        assert search == found.templates[name].replace(f"_count={count}", f"_count={PAGE}")


# ---------------------------------------------------------------- what is essential


@pytest.fixture(scope="module")
def without() -> Mapping[str, Mapping[str, str]]:
    """For each example that is no hard stop: the decision of the whole (key ""), and without each key."""
    service = Service.start(load())
    found = {}
    for name, hook, call in example_calls(lambda _: service.program.templates):
        if hook in ASKS:  # a status stops nothing: it says what is not known
            continue
        whole, told = answers_without(service, call)
        if whole != INSUFFICIENT and RANK.get(whole, RANK["caution"]) >= RANK["review"]:
            found[name] = told
    return found


def test_essential_is_what_no_answer_can_do_without(ours: Knowledge, without: Mapping[str, Mapping[str, str]]) -> None:
    assert len(without) > 15
    stops = {"412", INSUFFICIENT}
    hits = {key: [told[key] in stops for told in without.values()] for key in program().templates}
    always = {key for key, of in hits.items() if all(of)}
    sometimes = {key for key, of in hits.items() if any(of)} - always
    queries = ours.catalogue.queries
    assert always == {name for name, query in queries.items() if query.essential}
    assert sometimes == {name for name, query in queries.items() if query.essential_where}
    assert {told["patient"] for told in without.values()} == {"412"}


def test_discovery_names_the_essential_keys() -> None:
    for entry_ in Service.start(load()).discovery():
        told = entry_["usageRequirements"]
        assert "FHIR R4 resources only" in told
        assert "patient, conditions, allergies, administrations, requests, cultures, procedures (where " in told
        assert "vitals (where " in told
        assert "labs (where " in told
        assert "immunizations" not in told
