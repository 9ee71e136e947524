"""How far a query is read: on from where prefetch stopped, to the end of its window, and what is kept of a failure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cds_service.chart.chart import Chart, Enough, QueryKind, open_chart
from cds_service.chart.client import Client
from cds_service.chart.prefetch import filled, templates
from cds_service.chart.read import NOT_SENT, Read, ReadCache, joined, parse_read
from cds_service.chart.server import TrustedServers
from cds_service.chart.source import MAX_DEPTH, Source, too_deep
from cds_service.contract import ASKS, SERVICES
from cds_service.facts.gather import Gatherer
from cds_service.hook_call import HookCall
from cds_service.knowledge import load
from cds_service.program import compile_program
from cds_service.service import Service
from cds_service.web.door import read_call
from tests.fhir_server.asking import CANARY
from tests.fhir_server.good import GoodServer, outcome, running
from tests.support.vignettes import AT, vignettes

NOW = datetime(2026, 3, 5, 12, 0, tzinfo=UTC)
SEARCH = {"vitals": "Observation?patient=p1&_sort=-date&_count=500"}
KIND = {"vitals": QueryKind("Observation", 24.0)}


@pytest.fixture
def server() -> Iterator[GoodServer]:
    """A good server with one vital sign an hour for sixty hours, two on a page."""
    found = GoodServer(CANARY)
    found.page = 2
    found.charts["p1"] = [vital(hour) for hour in range(60)]
    with running(found):
        yield found


def vital(hours_ago: int, **more: Any) -> dict[str, Any]:
    when = (NOW - timedelta(hours=hours_ago)).isoformat()
    subject = {"reference": "Patient/p1"}
    return {"resourceType": "Observation", "id": f"v{hours_ago}", "effectiveDateTime": when, "subject": subject, **more}


def call_with(server: GoodServer, prefetch: Mapping[str, Any], patient_id: str = "p1") -> HookCall:
    return HookCall(
        service_id="s",
        hook="order-select",
        hook_instance="i",
        user_id="Practitioner/1",
        patient_id=patient_id,
        encounter_id=None,
        selections=(),
        draft_orders=(),
        prefetch={key: json.dumps(value).encode() for key, value in prefetch.items()},
        fhir_server=server.base,
        fhir_authorization={"access_token": CANARY, "token_type": "Bearer"},
        evaluation_time=None,
    )


def chart_of(server: GoodServer, kind: Mapping[str, QueryKind] = KIND, **prefetch: Any) -> Chart:
    cache = ReadCache(1_000_000)
    source = Source(TrustedServers("test", [server.base]), Client(), cache)
    call = call_with(server, prefetch)

    def second(lacking: Mapping[str, Read], enough: Enough) -> Mapping[str, Read]:
        return source.of(call).complete(SEARCH, lacking, enough)

    return open_chart(call.prefetch, "p1", kind, cache, NOW, second)


def page(*hours: int, **more: Any) -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": vital(h)} for h in hours], **more}


def refs(chart: Chart) -> list[str]:
    return [r.id for r in chart.of("vitals")]


def test_pages_are_read_only_until_the_window_is_covered(server: GoodServer) -> None:
    server.page = 10
    chart = chart_of(server)
    assert chart.gaps(["vitals"]) == ()
    assert refs(chart) == [f"v{hour}" for hour in range(30)]
    assert len(server.seen) == 3


def test_without_a_window_every_page_is_read(server: GoodServer) -> None:
    server.page = 12
    chart = chart_of(server, {"vitals": QueryKind("Observation", None)})
    assert chart.gaps(["vitals"]) == ()
    assert len(refs(chart)) == 60
    assert len(server.seen) == 5


def test_more_than_five_pages_are_not_read_and_what_was_read_is_kept(server: GoodServer) -> None:
    chart = chart_of(server)
    assert refs(chart) == [f"v{hour}" for hour in range(10)]
    assert "vitals: FHIR server: more than 5 pages" in chart.gaps(["vitals"])
    assert len(server.seen) == 5


def test_prefetch_is_read_on_from_its_own_link(server: GoodServer) -> None:
    server.page = 10
    onward = f"{server.base}/{SEARCH['vitals']}&_offset=20"
    chart = chart_of(server, vitals=page(*range(20), link=[{"relation": "next", "url": onward}]))
    assert chart.gaps(["vitals"]) == ()
    assert refs(chart) == [f"v{hour}" for hour in range(30)]
    assert [target.rsplit("_offset=", 1)[1] for target, _ in server.seen] == ["20"]


def test_prefetch_that_covers_the_window_is_enough(server: GoodServer) -> None:
    chart = chart_of(server, vitals=page(1, 30, link=[{"relation": "next", "url": f"{server.base}/x"}]))
    assert chart.gaps(["vitals"]) == ()
    assert server.seen == []


def test_what_prefetch_held_is_kept_where_the_server_fails(server: GoodServer) -> None:
    server.token = "another"
    onward = f"{server.base}/{SEARCH['vitals']}&_offset=2"
    chart = chart_of(server, vitals=page(0, 1, link=[{"relation": "next", "url": onward}]))
    assert refs(chart) == ["v0", "v1"]
    gaps = ("vitals: more pages exist that were not sent", "vitals: FHIR server: 401")
    assert chart.gaps(["vitals"]) == gaps


def test_two_broken_answers_keep_what_both_hold(server: GoodServer) -> None:
    """Nothing that either of them says is lost, and neither is taken for the whole."""
    server.charts["p1"] = [vital(1), {"resourceType": "Observation", "subject": {"reference": "Patient/p1"}}]
    broken = page(0)
    broken["entry"].append({"resource": outcome("timeout")})
    server.extra = [outcome("processing")]
    chart = chart_of(server, vitals=broken)
    assert refs(chart) == ["v0", "v1", ""]
    assert chart.gaps(["vitals"]) == ("vitals: the search reported an error among its results",)


def test_another_patients_resources_in_prefetch_are_no_reason_to_read_again(server: GoodServer) -> None:
    """The client mixed charts up: that stays visible."""
    foreign = vital(1) | {"subject": {"reference": "Patient/p2"}}
    chart = chart_of(server, vitals={"resourceType": "Bundle", "entry": [{"resource": foreign}]})
    assert chart.gaps(["vitals"]) == ("vitals: 1 resource of another patient, not used",)
    assert server.seen == []


@pytest.mark.parametrize("patient_id", [".", ".."])
def test_an_id_that_climbs_in_a_path(patient_id: str, server: GoodServer) -> None:
    source = Source(TrustedServers("test", [server.base]), Client(), ReadCache(1000))
    found = source.of(call_with(server, {}, patient_id)).complete(
        {"patient": f"Patient/{patient_id}"}, {"patient": NOT_SENT}, lambda *_: False
    )
    assert found["patient"].gaps == ("not sent by the EHR", "FHIR server: not asked for a patient of this id")
    assert server.seen == []


# ---------------------------------------------------------------- joining


def test_what_stands_on_two_pages_counts_once() -> None:
    """A list that shifts while it is read repeats entries; a total tells when others were lost."""
    first = parse_read(json.dumps(page(0, 1, total=4, link=[{"relation": "next", "url": "x"}])).encode())
    again = parse_read(json.dumps(page(1, 2, total=4)).encode())
    whole = joined(first, again)
    assert [r.id for r in whole.resources] == ["v0", "v1", "v2"]
    assert whole.cut == "4 results exist, 3 were sent"
    assert joined(whole, parse_read(json.dumps(page(3)).encode())).cut == ""


def test_a_broken_page_stays_broken() -> None:
    bad = parse_read(b'{"resourceType": "Bundle", "entry": [{}]}')
    whole = joined(parse_read(json.dumps(page(0)).encode()), bad)
    assert whole.broken
    assert whole.gaps == ("1 entries hold no FHIR resource",)


@pytest.mark.parametrize(
    ("text", "deep"),
    [
        (b"[" * MAX_DEPTH + b"]" * MAX_DEPTH, False),
        (b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1), True),
        (b'["' + b"[" * 100 + b'"]', False),
        (b'["\\"' + b"[" * 100 + b'\\\\"]', False),
        (b'{"a": [{"b": "}"}], "c": {}}', False),
        (b'{"a":' * 65 + b"1" + b"}" * 65, True),
    ],
)
def test_depth(text: bytes, deep: bool) -> None:
    assert too_deep(text) is deep


# ---------------------------------------------------------------- what is asked for


def test_searches_are_the_templates_filled_in() -> None:
    found = filled(templates(load()), "a-b.1")
    assert found["patient"] == "Patient/a-b.1"
    assert found["conditions"] == "Condition?patient=a-b.1&_sort=-recorded-date&_count=250"
    assert "code=http://loinc.org%7C29463-7,http://loinc.org%7C3141-9&" in found["weights"]
    assert not any(set("{}| ") & set(search) for search in found.values())
    assert filled({"x": "Patient/{{context.patientId}}"}, "a/b?c&d")["x"] == "Patient/a%2Fb%3Fc%26d"


class _Recorded(dict[str, Read]):
    """Reads that remember which of them anybody looked at."""

    def __init__(self, reads: Mapping[str, Read]) -> None:
        super().__init__(reads)
        self.looked: set[str] = set()

    def get(self, name: str, default: Any = None) -> Any:
        self.looked.add(name)
        return super().get(name, default)


def test_all_that_facts_and_cards_look_at_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A query that somebody looks at and nobody fetches would be unknown with a server, and known with prefetch."""
    service = Service.start(load())
    opened: list[_Recorded] = []

    def recorded(*given: Any) -> Chart:
        chart = open_chart(*given)
        opened.append(_Recorded(chart.reads))
        return Chart(chart.patient_id, opened[-1])

    monkeypatch.setattr("cds_service.chart.reader.open_chart", recorded)
    looked = 0
    for case in vignettes():
        for name, hook in SERVICES.items():
            body = {**case.call(templates(service.knowledge)), "hook": hook}
            # A status is told which of all queries were not read; that looks at those that it does not need, too.
            if "selections" not in body["context"] or hook in ASKS:
                continue
            call = read_call(name, hook, json.dumps(body).encode())
            opened.clear()
            service.answer(call, AT)
            if opened:
                question, _ = service.read(call, AT)
                assert opened[0].looked <= service.program.wanted(hook, question.kinds[:1])
                looked += 1
    assert looked > 50


def test_little_is_read_where_little_is_needed() -> None:
    select = compile_program(load()).select
    assert Gatherer(select, ["age"]).queries == ("patient",)
    assert Gatherer(select, ["ferritin"]).queries == ("patient", "labs")
    assert Gatherer(select, ["ferritin"], beside=["service-requests"]).queries == (
        "patient",
        "labs",
        "service-requests",
    )
    assert "statements" in Gatherer(select, ["tnf-antagonist-active"]).queries
