"""Traces: what a collector gets of a served process, and what a FHIR server is told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
import yaml

from cds_service import __version__
from cds_service.app import create_app
from cds_service.chart.client import Client
from cds_service.chart.server import Server
from cds_service.chart.visit import unwatched
from cds_service.settings import Settings
from tests.fhir_server.asking import CANARY, offering
from tests.fhir_server.good import GoodServer, running
from tests.fhir_server.scripted import FAST, Scripted, read, server_at
from tests.support.collector import Collector, Span, collecting
from tests.support.live import served_process
from tests.support.shipped import ROOT
from tests.web.stub import SELECT, StubService

REQUEST: dict[str, Any] = json.loads((ROOT / "examples/requests/refractory-grade-2.json").read_bytes())
STEPS = ["envelope", "read", "assess", "word", "record"]
_HANGS = 20
_TRACE, _CALLER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
_MARK = "zq7context"
# What callers say of a trace: of that only the first is numbers.
CONTEXT = {
    "traceparent": f"00-{_TRACE}-{_CALLER}-01",
    "tracestate": f"vendor={_MARK}",
    "baggage": f"patient={_MARK}",
}


@pytest.fixture(scope="module")
def ehr() -> Iterator[GoodServer]:
    """A FHIR server with the chart of the request."""
    good = GoodServer(CANARY)
    resources = [e["resource"] for value in REQUEST["prefetch"].values() for e in value.get("entry", ())]
    good.charts[REQUEST["context"]["patientId"]] = [REQUEST["prefetch"]["patient"], *resources]
    with running(good):
        yield good


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with collecting() as found:
        yield found


@pytest.fixture(scope="module")
def traced(collector: Collector, ehr: GoodServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The base URL of a process that traces, at a site that trusts the FHIR server."""
    settings = at(ehr, tmp_path_factory.mktemp("traced"))
    with served_process(**collector.settings, **settings) as base:
        yield base


def at(ehr: GoodServer, folder: Path) -> dict[str, str]:
    """The settings of a site that trusts this FHIR server."""
    site = folder / "traced.yaml"
    site.write_text(yaml.safe_dump({"id": "traced", "extend": "us", "fhirServers": [ehr.base]}), encoding="utf-8")
    return {"CDS_SITE": str(site), "CDS_DATA": str(folder / "data"), "CDS_ALLOW_EVALUATION_TIME": "on"}


def asked(url: str, body: Any = None, method: str | None = None, **headers: str) -> tuple[int, bytes]:
    """Status and body of an answer."""
    sent = None if body is None else json.dumps(body).encode()
    request = Request(url, sent, {"Content-Type": "application/json", **headers}, method=method)
    try:
        with urlopen(request, timeout=_HANGS) as answer:
            return answer.status, answer.read()
    except HTTPError as refused:
        return refused.code, refused.read()


def one(collector: Collector) -> tuple[Span, list[Span]]:
    """The one request that was traced, and the spans below it, in order of their beginning."""
    spans = sorted(collector.whole(), key=lambda span: span.begun)
    (server,) = [span for span in spans if span.kind == "server"]
    return server, [span for span in spans if span is not server]


@pytest.fixture(autouse=True)
def emptied(collector: Collector) -> None:
    collector.bodies.clear()


def test_a_call_is_a_trace_of_its_steps(traced: str, collector: Collector) -> None:
    status, body = asked(traced + SELECT, REQUEST)
    cards = json.loads(body)["cards"]
    server, below = one(collector)
    assert [(span.name, span.parent, span.kind) for span in below] == [(step, server.id, "internal") for step in STEPS]
    assert {span.trace for span in below} == {server.trace}
    assert server.parent == ""
    times = [time for span in below for time in (span.begun, span.ended)]
    assert times == sorted(times)
    assert server.begun <= times[0]
    assert times[-1] <= server.ended
    assert {span.failed for span in (server, *below)} == {None}
    assert server.name == "POST /cds-services/<service_id>"
    decided = server.told.pop("anakinra_cds.decisions")
    assert decided[0] == "suggest crs-adult-grade-2"
    assert len(decided) == len(cards) > 1
    assert len(server.told.pop("anakinra_cds.request")) == 36
    assert len(server.told.pop("anakinra_cds.knowledge")) == 12
    assert server.told == {
        "anakinra_cds.site": "traced",
        "anakinra_cds.service": "anakinra-order-select",
        "anakinra_cds.hook": "order-select",
        "anakinra_cds.cards": len(cards),
        "http.request.method": "POST",
        "http.route": "/cds-services/<service_id>",
        "http.response.status_code": status,
    }
    assert all(span.told == {} for span in below)
    named = {"service.name": "anakinra-cds", "service.version": __version__}
    assert named.items() <= server.resource.items()


def test_the_trace_of_the_caller_goes_on_and_nothing_else_that_it_says_of_it(
    traced: str, collector: Collector, ehr: GoodServer
) -> None:
    ehr.contexts.clear()
    call = offering(REQUEST | {"prefetch": {"patient": REQUEST["prefetch"]["patient"]}}, ehr.base)
    _, body = asked(traced + SELECT, call, **CONTEXT)
    assert json.loads(body)["cards"][0]["extension"]["org.anakinra-cds.explanation"]["decision"] == "suggest"
    server, below = one(collector)
    assert (server.trace, server.parent) == (_TRACE, _CALLER)
    assert {span.trace for span in below} == {_TRACE}
    (read,) = [span for span in below if span.name == "read"]
    requests = [span for span in below if span.kind == "client"]
    assert len(requests) == len(ehr.contexts) > 3
    assert {span.parent for span in requests} == {read.id}
    address, port = ehr.server_address[:2]
    told = {"http.request.method": "GET", "url.scheme": "http", "server.address": address, "server.port": port}
    assert all(span.told == told | {"http.response.status_code": 200} for span in requests)
    assert {span.name for span in requests} == {"GET"}
    assert all(context.keys() == {"traceparent"} for context in ehr.contexts)
    sent = {context["traceparent"] for context in ehr.contexts}
    assert sent == {f"00-{_TRACE}-{span.id}-01" for span in requests}
    told_to = b"".join(collector.bodies).lower()
    assert all(word.encode() not in told_to for word in (_MARK, CANARY, REQUEST["context"]["patientId"].lower()))


def test_whom_the_caller_does_not_trace_is_not_traced_either(
    traced: str, collector: Collector, ehr: GoodServer
) -> None:
    ehr.contexts.clear()
    call = offering(REQUEST | {"prefetch": {"patient": REQUEST["prefetch"]["patient"]}}, ehr.base)
    asked(traced + SELECT, call, traceparent=f"00-{_TRACE}-{_CALLER}-00")
    assert {context["traceparent"][-3:] for context in ehr.contexts} == {"-00"}
    asked(f"{traced}/cds-services")
    assert {span.name for span in collector.whole()} == {"GET /cds-services"}


@pytest.mark.parametrize("parent", ["", "zq7", f"00-{_TRACE}-{_CALLER}-01,00-{_TRACE}-{_CALLER}-01", "0" * 9000])
def test_what_is_no_trace_of_a_caller_is_left_alone(traced: str, collector: Collector, parent: str) -> None:
    assert asked(f"{traced}/cds-services", traceparent=parent)[0] == 200
    server, below = one(collector)
    assert (server.parent, below) == ("", [])
    assert server.trace != _TRACE


def test_a_request_is_named_by_its_route_and_never_by_what_was_sent(traced: str, collector: Collector) -> None:
    wrong = REQUEST | {"hook": "zq7-hook"}
    sent = [
        (asked(f"{traced}/zq7-path?zq7=query")[0], "GET"),
        (asked(f"{traced}/cds-services?patient=zq7")[0], "GET /cds-services"),
        (asked(f"{traced}/cds-services/zq7-service", REQUEST)[0], "POST /cds-services/<service_id>"),
        (asked(f"{traced}/cds-services", method="ZQ7")[0], "HTTP"),
        (asked(traced + SELECT, wrong)[0], "POST /cds-services/<service_id>"),
        (asked(f"{traced}/fhir/ValueSet/zq7-id")[0], "GET /fhir/<kind>/<name>"),
    ]
    assert {asked(f"{traced}/{path}")[0] for path in ("health", "ready", "metrics")} == {200}
    spans = [span for span in collector.whole(len(sent)) if span.kind == "server"]
    assert [(span.told["http.response.status_code"], span.name) for span in spans] == sent
    assert [span.told["http.request.method"] for span in spans] == ["GET", "GET", "POST", "_OTHER", "POST", "GET"]
    assert b"zq7" not in b"".join(collector.bodies).lower()


def test_what_failed_is_told_by_its_kind_and_never_in_its_words(
    traced: str, collector: Collector, ehr: GoodServer
) -> None:
    call = offering(REQUEST | {"prefetch": {"patient": REQUEST["prefetch"]["patient"]}}, ehr.base, token="zq7-token")
    assert asked(traced + SELECT, call)[0] == 200
    assert asked(traced + SELECT, REQUEST | {"prefetch": {}})[0] == 412
    spans = collector.whole(2)
    requests = [span for span in spans if span.kind == "client"]
    assert {(span.failed, span.told["error.type"]) for span in requests} == {("FHIR server: 401", "401")}
    others = [span for span in spans if span.kind != "client"]
    assert {span.failed for span in others} == {None}, "that nobody lets it in is no failure of a step"
    assert b"zq7" not in b"".join(collector.bodies)


def test_an_error_of_ours_is_told_by_its_kind_alone(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    class Failing(StubService):
        def assess(self, call: object, now: object) -> None:
            with self.timed("assess"), self.asking(server_at("https://ehr.example.org/fhir"), "GET"):
                raise RuntimeError("zq7 message")

    for name, value in collector.settings.items():
        monkeypatch.setenv(name, value)
    client = create_app(Settings(store=False, tracing=True), Failing()).test_client()
    assert client.post(SELECT, json=REQUEST).status_code == 500
    server, below = one(collector)
    assert [(span.name, span.failed, span.told.get("error.type")) for span in (server, *below)] == [
        ("POST /cds-services/<service_id>", "", "500"),
        ("envelope", None, None),
        ("assess", "", "RuntimeError"),
        ("GET", "", "RuntimeError"),
    ]
    assert b"zq7" not in b"".join(collector.bodies)


def test_only_the_fhir_server_of_a_call_is_told_which_trace_it_is(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the site names for keys and signing in is asked without the token of a call."""

    class Asking(StubService):
        def assess(self, call: object, now: object) -> None:
            for server in (server_at("https://ehr.example.org/fhir"), Server(base, "")):
                with self.asking(server, "GET") as request:
                    told.append(request.headers)

    base, told = server_at("https://keys.example.org:8443").base, list[dict[str, str]]()
    for name, value in collector.settings.items():
        monkeypatch.setenv(name, value)
    client = create_app(Settings(store=False, tracing=True), Asking()).test_client()
    assert client.post(SELECT, json=REQUEST).status_code == 200
    _, below = one(collector)
    assert [list(headers) for headers in told] == [["traceparent"], []]
    origins = [(span.told["server.address"], span.told["server.port"]) for span in below if span.kind == "client"]
    assert origins == [("ehr.example.org", 443), ("keys.example.org", 8443)]


def test_where_it_is_off_no_server_hears_of_a_trace() -> None:
    service, scripted = StubService(), Scripted()
    client = create_app(Settings(store=False), service).test_client()
    assert client.get("/cds-services", headers=CONTEXT).status_code == 200
    assert service.asking is unwatched
    with running(scripted) as url:
        read(Client(FAST), url)
    (sent,) = scripted.requests
    assert not set(CONTEXT) & {name.lower() for name in sent}
