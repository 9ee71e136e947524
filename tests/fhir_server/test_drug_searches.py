"""The search for Medications alone: how many, how long, whom; and the draft orders that need it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from cds_service.chart.chart import Chart
from cds_service.chart.client import Client
from cds_service.chart.read import NOT_SENT, Medications, Read, ReadCache
from cds_service.chart.resource import Resource
from cds_service.chart.server import TrustedServers
from cds_service.chart.source import Asked, Source
from cds_service.chart.visit import Get, Limits
from cds_service.facts.order import order_in_hand
from cds_service.hook_call import HookCall
from tests.facts.house import service
from tests.fhir_server.asking import CANARY
from tests.fhir_server.good import GoodServer, running
from tests.fhir_server.misbehaving import Trap
from tests.fhir_server.scripted import FAST, Scripted, server_at
from tests.fhir_server.test_pages import call_with


@pytest.fixture
def server() -> Iterator[GoodServer]:
    """A good server with 400 Medications."""
    found = GoodServer(CANARY)
    found.page = 1000
    found.medications = {f"m{n}": medication(f"m{n}", f"drug {n}") for n in range(400)}
    with running(found):
        yield found


def medication(id_: str, text: str) -> dict[str, Any]:
    return {"resourceType": "Medication", "id": id_, "code": {"text": text}}


def given(*references: str) -> Read:
    """Administrations of drugs named by these references."""
    raws = [
        {"resourceType": "MedicationAdministration", "id": f"a{n}", "medicationReference": {"reference": reference}}
        for n, reference in enumerate(references)
    ]
    return Read(tuple(Resource(raw) for raw in raws), referring=True, bundle=True)


def asked(server: GoodServer, client: Client | None = None, call: HookCall | None = None) -> Asked:
    source = Source(TrustedServers("test", [server.base]), client or Client(), ReadCache(1_000_000))
    return source.of(call or call_with(server, {}))


def completed(of: Asked, read: Read) -> Read:
    """The read after the server was asked for its drugs; the read itself is complete."""
    searches = {"administrations": "MedicationAdministration?patient=p1"}
    return of.complete(searches, {"administrations": read}, lambda *_: True)["administrations"]


def ids(server: GoodServer) -> list[list[str]]:
    return [parse_qs(urlsplit(target).query)["_id"][0].split(",") for target, _ in server.seen]


def test_fifty_at_a_time(server: GoodServer) -> None:
    found = completed(asked(server), given(*(f"Medication/m{n % 120}" for n in range(240))))
    assert [r.concept.text for r in found.resources] == [f"drug {n % 120}" for n in range(240)]
    assert found.lost == ""
    assert sorted(len(each) for each in ids(server)) == [20, 50, 50]


def test_more_than_three_hundred_are_not_asked_for(server: GoodServer) -> None:
    found = completed(asked(server), given(*(f"Medication/m{n}" for n in range(301))))
    assert [r.concept.text for r in found.resources] == [*(f"drug {n}" for n in range(300)), ""]
    assert found.lost == "too many Medications referred to"
    assert len(server.seen) == 6


def test_page_by_page(server: GoodServer) -> None:
    server.page = 7
    found = completed(asked(server), given(*(f"Medication/m{n}" for n in range(30))))
    assert all(r.concept.text for r in found.resources)
    assert len(server.seen) == 5


def test_more_than_five_pages_keep_what_was_read(server: GoodServer) -> None:
    server.page = 5
    found = completed(asked(server), given(*(f"Medication/m{n}" for n in range(30))))
    assert [bool(r.concept.text) for r in found.resources] == [True] * 25 + [False] * 5
    assert found.lost == "FHIR server: more than 5 pages"


def test_what_was_read_before_a_failure_keeps_its_drugs(server: GoodServer) -> None:
    """A query that breaks off on its way leaves records whose drugs are read like those of any other."""
    server.page = 2
    server.charts["p1"] = [
        {
            "resourceType": "MedicationAdministration",
            "id": f"a{n}",
            "subject": {"reference": "Patient/p1"},
            "medicationReference": {"reference": f"Medication/m{n}"},
        }
        for n in range(20)
    ]
    searches = {"administrations": "MedicationAdministration?patient=p1&_count=500"}
    read = asked(server).complete(searches, {"administrations": NOT_SENT}, lambda *_: False)["administrations"]
    assert [r.concept.text for r in read.resources] == [f"drug {n}" for n in range(10)]
    assert "FHIR server: more than 5 pages" in read.gaps


def test_each_reason_once(server: GoodServer) -> None:
    references = ("Medication/m1", "Medication/none", "Medication/nil", "https://x.example.org/Medication/m2")
    found = completed(asked(server), given(*references))
    assert [r.concept.text for r in found.resources] == ["drug 1", "", "", ""]
    assert found.lost == "FHIR server: no such Medication; named on another server, not asked"
    chart = Chart("p1", {"administrations": found})
    assert chart.lost_drugs(["administrations", "requests"]) == (found.lost,)
    assert chart.gaps(["administrations"]) == ()


def test_a_medication_that_names_nothing(server: GoodServer) -> None:
    server.medications["m1"] = {"resourceType": "Medication", "id": "m1"}
    assert completed(asked(server), given("Medication/m1")).lost == "its Medication names no drug"


def test_a_foreign_medication_of_the_same_id(server: GoodServer) -> None:
    """Ids are numbers on some servers: another server's Medication/m1 is another drug."""
    found = completed(asked(server), given("Medication/m1", "https://x.example.org/fhir/Medication/m1"))
    assert [r.concept.text for r in found.resources] == ["drug 1", ""]


@pytest.mark.parametrize("kind", ["an untrusted server", "no token"])
def test_a_server_that_may_not_be_asked(kind: str, server: GoodServer) -> None:
    call = call_with(server, {})
    other = {"fhir_server": "https://x.example.org"} if kind == "an untrusted server" else {"fhir_authorization": {}}
    found = completed(asked(server, call=replace(call, **other)), given("Medication/m1"))
    assert found.lost.startswith("FHIR server: ")
    assert found.gaps == ()
    assert server.seen == []


def test_a_chart_without_references_asks_nobody(server: GoodServer) -> None:
    raw = {"resourceType": "MedicationAdministration", "id": "a", "medicationCodeableConcept": {"text": "anakinra"}}
    nameless = {"resourceType": "MedicationAdministration", "id": "b"}
    read = Read((Resource(raw), Resource(nameless)), bundle=True)
    assert completed(asked(server), read) is read
    assert server.seen == []


# ---------------------------------------------------------------- one trip


def one(get: Get) -> None:
    get("/fhir/x")


def test_all_visits_of_a_call_share_its_time() -> None:
    """What the first visit took is not there for the second: alone, each of them would end in time."""
    client = Client(FAST)

    def slow(get: Get) -> None:
        get("/fhir/x")
        time.sleep(0.6)

    server = Scripted()
    with running(server) as origin:
        trip = client.trip(server_at(f"{origin}/fhir"))
        assert client.visit(trip, {"a": slow}) == {"a": ""}
        assert client.visit(trip, {"b": slow}) == {"b": "FHIR server too slow (0.8 s in all)"}


def test_a_second_visit_cut_short_gives_the_server_no_rest() -> None:
    """It answered a moment ago: that there was no time left is not its fault."""
    server = Scripted()
    client = Client(Limits(rest_s=60))
    with running(server) as origin:
        trip = client.trip(server_at(f"{origin}/fhir"))
        assert client.visit(trip, {"a": one}) == {"a": ""}
        trip.until = time.monotonic()
        assert client.visit(trip, {"b": one})["b"].startswith("FHIR server too slow")
        assert client.visit(client.trip(trip.server), {"c": one}) == {"c": ""}


def test_a_name_leads_to_one_address_for_all_visits() -> None:
    names: list[str] = []

    def resolve(host: str, port: int) -> Sequence[str]:
        names.append(host)
        return ["127.0.0.1"] if len(names) == 1 else ["127.0.0.2"]

    server = Scripted()
    with running(server) as origin:
        client = Client(resolve=resolve)
        trip = client.trip(server_at(origin.replace("127.0.0.1", "localhost") + "/fhir"))
        for name in ("a", "b"):
            assert client.visit(trip, {name: one}) == {name: ""}
    assert names == ["localhost"]


# ---------------------------------------------------------------- drafts


def draft(reference: str, **more: Any) -> dict[str, Any]:
    drug = {"medicationReference": {"reference": reference, **more}}
    return {"resourceType": "MedicationRequest", "id": "d", "status": "draft", "intent": "order", **drug}


def kinds(order: Mapping[str, Any], drugs: Medications) -> tuple[str, ...]:
    """What the service takes the draft for."""
    program = service().program
    return order_in_hand([order], None, program.knowledge.orders, program.terms, program.amounts, drugs).kinds


def nothing() -> dict[str, Any]:
    return {}


def test_a_draft_is_named_by_the_server(server: GoodServer) -> None:
    server.medications["m1"] = medication("m1", "Kineret")
    found = asked(server).drugs_of([draft("Medication/m1")], [], nothing)
    assert kinds(draft("Medication/m1"), found) == ("anakinra",)
    assert ids(server) == [["m1"]]


def test_a_draft_is_named_by_what_came_along(server: GoodServer) -> None:
    sent = {"Medication/m1": medication("m1", "Kineret")}
    found = asked(server).drugs_of([draft("Medication/m1")], [], lambda: sent)
    assert kinds(draft("Medication/m1"), found) == ("anakinra",)
    assert server.seen == []


@pytest.mark.parametrize("kept", [{}, {"id": "m1"}])
def test_a_draft_is_named_by_another_entry(kept: dict[str, str], server: GoodServer) -> None:
    url = "urn:uuid:10000000-0000-4000-8000-000000000000"
    drug = {"resourceType": "Medication", "code": {"text": "Kineret"}} | kept
    found = asked(server).drugs_of([draft(url), drug], ["", url], nothing)
    assert kinds(draft(url), found) == ("anakinra",)
    assert server.seen == []


def test_two_that_differ_name_nothing(server: GoodServer) -> None:
    drugs = [medication("m1", "Kineret"), medication("m1", "aspirin")]
    call = replace(call_with(server, {}), fhir_server=None)
    found = asked(server, call=call).drugs_of([draft("Medication/m1"), *drugs], [], nothing)
    assert kinds(draft("Medication/m1"), found) == ("unresolved-drug",)


def test_one_entered_in_error_names_nothing(server: GoodServer) -> None:
    drug = medication("m1", "Kineret") | {"status": "entered-in-error"}
    call = replace(call_with(server, {}), fhir_server=None)
    assert asked(server, call=call).drugs_of([draft("Medication/m1"), drug], [], nothing) == {}


def test_ingredients_name_a_medication_without_a_code(server: GoodServer) -> None:
    drug = {"resourceType": "Medication", "id": "m1", "ingredient": [{"itemCodeableConcept": {"text": "anakinra"}}]}
    found = asked(server).drugs_of([draft("Medication/m1"), drug], [], nothing)
    assert kinds(draft("Medication/m1"), found) == ("anakinra",)


@pytest.mark.parametrize(
    "order",
    [
        draft("Medication/m1", display="Kineret"),
        draft("#m1"),
        draft(""),
        draft("Medication/m1") | {"medicationCodeableConcept": {"text": "anakinra"}},
        {"resourceType": "ServiceRequest", "id": "s"},
    ],
)
def test_a_draft_that_needs_nobody(order: dict[str, Any], server: GoodServer) -> None:
    def never() -> dict[str, Any]:
        raise AssertionError

    assert asked(server).drugs_of([order], [], never) == {}
    assert server.seen == []


def test_a_draft_named_elsewhere_stays_as_it_is(server: GoodServer, the_trap: Trap) -> None:
    order = draft(f"{the_trap.origin}/Medication/m1")
    before = the_trap.hits
    assert asked(server).drugs_of([order], [], nothing) == {}
    assert server.seen == []
    assert the_trap.hits == before


def test_a_draft_without_a_server(server: GoodServer) -> None:
    call = replace(call_with(server, {}), fhir_server=None)
    order = draft("Medication/m1")
    assert asked(server, call=call).drugs_of([order], [], nothing) == {}


# ---------------------------------------------------------------- references


@pytest.mark.parametrize(
    ("reference", "found"),
    [
        ("Medication/m-1.A", "m-1.A"),
        ("Medication/m1/_history/2", "m1"),
        ("https://ehr.example.org/fhir/Medication/m1", "m1"),
        ("HTTPS://EHR.example.org:443/fhir/Medication/m1/_history/2", "m1"),
        ("https://ehr.example.org/Medication/m1", ""),
        ("https://ehr.example.org/fhir/r4/Medication/m1", ""),
        ("https://ehr.example.org:444/fhir/Medication/m1", ""),
        ("http://ehr.example.org/fhir/Medication/m1", ""),
        ("https://x@ehr.example.org/fhir/Medication/m1", ""),
        ("https://ehr.example.org/fhir/x/../Medication/m1", ""),
        ("https://evil.example.org/fhir/Medication/m1", ""),
        ("/Medication/m1", ""),
        ("medication/m1", ""),
        ("Substance/m1", ""),
        ("Medication/m1/x", ""),
        ("Medication/m1,m2", ""),
        ("Medication/m1&x=1", ""),
        ("Medication/m1 ", ""),
        ("Medication/m1\n", ""),
        ("Medication/" + "m" * 65, ""),
        ("Medication/", ""),
        ("m1", ""),
        ("", ""),
    ],
)
def test_whose_reference_it_is(reference: str, found: str) -> None:
    assert server_at("https://ehr.example.org/fhir").own_id("Medication", reference) == found
