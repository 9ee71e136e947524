"""Traces: what a collector gets of a served process, what a FHIR server is told, and what it costs where it is off."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
import yaml
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from cds_service import __version__
from cds_service.app import create_app
from cds_service.chart.client import Client
from cds_service.chart.visit import unwatched
from cds_service.errors import SettingsError
from cds_service.settings import Settings
from cds_service.web.traces.sending import Sending
from tests.fhir_server.asking import CANARY, offering
from tests.fhir_server.good import GoodServer, running
from tests.fhir_server.scripted import FAST, Scripted, read
from tests.operation.test_metrics import samples, total
from tests.support.collector import Collector, Span, collecting
from tests.support.live import never_left, served_process
from tests.support.shipped import ROOT
from tests.web.stub import SELECT, StubService
from tests.web.test_web_serve import start

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
            with self.timed("assess"):
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
    ]
    assert b"zq7" not in b"".join(collector.bodies)


def test_where_it_is_off_no_server_hears_of_a_trace() -> None:
    service, scripted = StubService(), Scripted()
    client = create_app(Settings(store=False), service).test_client()
    assert client.get("/cds-services", headers=CONTEXT).status_code == 200
    assert service.asking is unwatched
    with running(scripted) as url:
        read(Client(FAST), url)
    (sent,) = scripted.requests
    assert not set(CONTEXT) & {name.lower() for name in sent}


@contextmanager
def two_workers(**environ: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A served process with a stub in place of the service, and its base URL; stopped at the end."""
    with never_left(start(**environ)) as process:
        assert process.stdout is not None
        yield process, process.stdout.readline().removeprefix("listening on ").strip()


def test_what_is_left_is_sent_at_the_end(collector: Collector, tmp_path: Path) -> None:
    """By each worker its own: what sends is made after the fork, and a batch would gather for a minute."""
    settings = collector.settings | {"OTEL_BSP_SCHEDULE_DELAY": "60000", "CDS_DATA": str(tmp_path)}
    with two_workers(**settings) as (process, base):
        with ThreadPoolExecutor(8) as pool:
            assert {status for status, _ in pool.map(asked, [f"{base}/cds-services"] * 20)} == {200}
        assert collector.bodies == []
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
    assert process.returncode == 0
    spans = collector.spans
    assert len(spans) == 20
    assert len({span.resource["service.instance.id"] for span in spans}) == len(collector.bodies)


@pytest.mark.parametrize("kind", ["nobody", "refusing", "silent"])
def test_a_collector_that_is_down_costs_no_call_and_a_line_of_each_worker(kind: str, tmp_path: Path) -> None:
    settings = {"CDS_LOG_LEVEL": "WARNING", "CDS_DATA": str(tmp_path), "OTEL_EXPORTER_OTLP_TIMEOUT": "0.2"}
    with collecting(None if kind == "silent" else 400) as down:
        settings |= down.settings
        if kind == "nobody":
            with socket.create_server(("127.0.0.1", 0)) as free:
                settings["OTEL_EXPORTER_OTLP_ENDPOINT"] = f"http://127.0.0.1:{free.getsockname()[1]}"
        with two_workers(**settings) as (process, base):
            for lost in range(1, 7):
                assert asked(f"{base}/cds-services", Connection="close")[0] == 200
                until_lost(base, lost)
            process.send_signal(signal.SIGTERM)
            _, log = process.communicate(timeout=30)
    assert process.returncode == 0
    said = [json.loads(line) for line in log.splitlines()]
    assert {line["message"].partition(":")[0] for line in said} == {"spans are lost, and counted"}
    assert len(said) == len({line["process"] for line in said})


def until_lost(base: str, number: int) -> None:
    """Wait until so many spans are counted as lost."""
    end = time.monotonic() + _HANGS
    while total(samples(asked(f"{base}/metrics")[1].decode()), "spans_lost_total") < number:
        assert time.monotonic() < end
        time.sleep(0.05)


class Held(SpanExporter):
    """Takes nothing until it is let go; keeps what it took."""

    def __init__(self) -> None:
        self.free = threading.Event()
        self.taken: list[ReadableSpan] = []

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.free.wait(_HANGS)
        self.taken += spans
        return SpanExportResult.SUCCESS


def spans_to(exporter: SpanExporter, number: int, monkeypatch: pytest.MonkeyPatch) -> tuple[Sending, list[int]]:
    """So many spans on their way to an exporter, four of which may wait; and how many were lost."""
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "4")
    monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "1")
    lost: list[int] = []
    sending = Sending(exporter, lost.append)
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(sending)
    for _ in range(number):
        provider.get_tracer("t").start_span("s").end()
    return sending, lost


def test_what_there_is_no_room_for_is_counted(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    exporter = Held()
    sending, lost = spans_to(exporter, 20, monkeypatch)
    exporter.free.set()
    sending.shutdown()
    assert len(exporter.taken) in (4, 5), "four that wait, and maybe one on its way"
    assert sum(lost) + len(exporter.taken) == 20
    said = "spans are lost, and counted: more than OTEL_BSP_MAX_QUEUE_SIZE (4) wait"
    assert [record.message for record in caplog.records] == [said]


def test_the_end_does_not_wait_for_a_collector(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    exporter = Held()
    sending, _ = spans_to(exporter, 3, monkeypatch)
    sending.shutdown()
    assert exporter.taken == []
    assert "spans were left at the end" in caplog.text
    exporter.free.set()


def test_an_exporter_that_stumbles_loses_what_it_had_and_goes_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Stumbling(Held):
        def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
            self.free.set()
            if not self.taken:
                self.taken += spans
                raise ValueError("zq7")
            return super().export(spans)

    exporter = Stumbling()
    sending, lost = spans_to(exporter, 3, monkeypatch)
    sending.shutdown()
    assert (len(exporter.taken), lost) == (3, [1])
    assert "spans could not be sent: ValueError" in caplog.text
    assert caplog.text.count("spans are taken again") == 1
    assert "zq7" not in caplog.text


def test_without_the_extra_it_does_not_start_and_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("cds_service.web.traces")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    with pytest.raises(SettingsError, match=r"^CDS_TRACING: .*pip install 'anakinra-cds\[otel\]'"):
        create_app(Settings(store=False, tracing=True), StubService())


@pytest.mark.parametrize("value", ["many", "-1"])
def test_a_variable_that_cannot_be_used_ends_the_start(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", value)
    with pytest.raises(SettingsError, match=r"^CDS_TRACING: a variable OTEL_\* cannot be used"):
        create_app(Settings(store=False, tracing=True), StubService())


def test_the_command_says_so_before_anything_is_forked(tmp_path: Path) -> None:
    program = (
        "import sys; sys.modules['opentelemetry'] = None\n"
        "from cds_service.cli import main\n"
        "main(['serve', '--port', '0'])"
    )
    environ = {"CDS_TRACING": "on", "CDS_DATA": str(tmp_path), "PATH": "/usr/bin"}
    words = [sys.executable, "-c", program]
    done = subprocess.run(words, env=environ, capture_output=True, text=True, check=False, timeout=60, cwd=ROOT)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("Error: CDS_TRACING: on needs the extra otel: pip install")
