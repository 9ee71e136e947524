"""A server that answers by a script, and a read of it with the client alone."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler
from typing import Any

from cds_service.chart.client import Client
from cds_service.chart.server import Server, base_of
from cds_service.chart.visit import Get, Limits
from tests.fhir_server.asking import CANARY
from tests.fhir_server.good import QuietServer

FAST = Limits(connect_s=0.3, call_s=0.3, total_s=0.8)
OK = b'{"resourceType": "Bundle"}'


class Scripted(QuietServer):
    """Answers with the statuses of a list, then 200; `None` breaks the connection off."""

    def __init__(self, *script: int | None) -> None:
        super().__init__(("127.0.0.1", 0), _Scripted)
        self.script = list(script)
        self.requests: list[dict[str, str]] = []
        self.connections = 0
        self.lock = threading.Lock()

    def get_request(self) -> Any:
        self.connections += 1
        return super().get_request()


class _Scripted(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Scripted

    def do_GET(self) -> None:
        with self.server.lock:
            self.server.requests.append({**self.headers, "target": self.path})
            status = self.server.script.pop(0) if self.server.script else 200
        if status is None:
            self.close_connection = True
            return
        self.send_response(status)
        self.send_header("Content-Length", str(len(OK)))
        self.end_headers()
        self.wfile.write(OK)

    def log_message(self, format: str, *args: Any) -> None:
        pass


def server_at(url: str) -> Server:
    base = base_of(url)
    assert base is not None
    return Server(base, CANARY)


def read(client: Client, url: str, count: int = 1) -> tuple[dict[str, str], list[bytes]]:
    """Why each of `count` reads failed, and the bodies of those that did not."""
    bodies: list[bytes] = []

    def job(get: Get) -> None:
        bodies.append(get("/fhir/Condition?patient=p1"))

    return client.visit(client.trip(server_at(url)), {str(n): job for n in range(count)}), bodies
