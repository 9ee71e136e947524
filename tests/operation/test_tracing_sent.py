"""How traces leave a process: behind its calls, at its end, counted where nobody takes them; and starts without."""

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

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from cds_service.app import create_app
from cds_service.errors import SettingsError
from cds_service.settings import Settings
from cds_service.web.traces.sending import Sending
from tests.operation.test_metrics import samples, total
from tests.operation.test_tracing import asked
from tests.support.collector import collecting
from tests.support.live import never_left
from tests.support.shipped import ROOT
from tests.web.stub import StubService
from tests.web.test_web_serve import start

_HANGS = 20


@contextmanager
def two_workers(**environ: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A served process with a stub in place of the service, and its base URL; stopped at the end."""
    with never_left(start(**environ)) as process:
        assert process.stdout is not None
        yield process, process.stdout.readline().removeprefix("listening on ").strip()


def test_what_is_left_is_sent_at_the_end(tmp_path: Path) -> None:
    """By each worker its own: what sends is made after the fork, and a batch would gather for a minute."""
    settings = {"OTEL_BSP_SCHEDULE_DELAY": "60000", "CDS_DATA": str(tmp_path)}
    with collecting() as collector, two_workers(**collector.settings | settings) as (process, base):
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
