"""A stand-in for an OpenTelemetry collector: takes what is sent to it by OTLP over HTTP, on loopback."""

from __future__ import annotations

import gzip
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from threading import Event
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from tests.fhir_server.good import QuietServer, running

_HANGS = 20
_KINDS = {1: "internal", 2: "server", 3: "client"}


@dataclass(frozen=True, slots=True)
class Span:
    """One span as it came. Ids are hex, `parent` is "" where there is none; `failed` is why its status is an error."""

    trace: str
    id: str
    parent: str
    name: str
    kind: str
    begun: int
    ended: int
    failed: str | None
    told: dict[str, Any]
    resource: dict[str, Any] = field(repr=False)


class Collector(QuietServer):
    """Keeps all `bodies` that it was sent. `status`: what it answers; None: nothing, until it is `freed`."""

    def __init__(self, status: int | None = 200) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.status = status
        self.bodies: list[bytes] = []
        self.refused = 0
        self.freed = Event()

    @property
    def settings(self) -> dict[str, str]:
        """What makes a service send its traces here, soon."""
        where = f"http://127.0.0.1:{self.server_address[1]}"
        return {"CDS_TRACING": "on", "OTEL_EXPORTER_OTLP_ENDPOINT": where, "OTEL_BSP_SCHEDULE_DELAY": "50"}

    @property
    def spans(self) -> list[Span]:
        """All that came so far."""
        return [span for body in list(self.bodies) for span in _spans(body)]

    def whole(self, number: int = 1) -> list[Span]:
        """All that came, once so many requests did: a request is the last span of its trace to end, but for what a
        server answers too late."""
        end = time.monotonic() + _HANGS
        while len([span for span in self.spans if span.kind == "server"]) < number:
            assert time.monotonic() < end, self.spans
            time.sleep(0.05)
        return self.spans


@contextmanager
def collecting(status: int | None = 200) -> Iterator[Collector]:
    """A collector that is there meanwhile."""
    collector = Collector(status)
    with running(collector):
        try:
            yield collector
        finally:
            collector.freed.set()


class _Handler(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        ours = self.path == "/v1/traces" and self.headers["Content-Type"] == "application/x-protobuf"
        status = self.server.status if ours else 404
        if status is None:
            self.server.freed.wait(_HANGS)
            return
        if status == 200:
            self.server.bodies.append(body)
        else:
            self.server.refused += 1
        answer = ExportTraceServiceResponse().SerializeToString()
        self.send_response(status)
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


def _spans(body: bytes) -> Iterator[Span]:
    for group in ExportTraceServiceRequest.FromString(body).resource_spans:
        resource = _told(group.resource.attributes)
        for scope in group.scope_spans:
            for span in scope.spans:
                assert not span.events, "an event may hold the message of an error"
                assert not span.trace_state
                yield Span(
                    trace=span.trace_id.hex(),
                    id=span.span_id.hex(),
                    parent=span.parent_span_id.hex(),
                    name=span.name,
                    kind=_KINDS[span.kind],
                    begun=span.start_time_unix_nano,
                    ended=span.end_time_unix_nano,
                    failed=span.status.message if span.status.code == 2 else None,
                    told=_told(span.attributes),
                    resource=resource,
                )


def _told(attributes: Sequence[Any]) -> dict[str, Any]:
    return {each.key: _value(each.value) for each in attributes}


def _value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(each) for each in value.array_value.values]
    return getattr(value, kind)
