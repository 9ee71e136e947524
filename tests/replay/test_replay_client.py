"""The HTTP client, against a server that misbehaves on request."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from cds_service.tools.replay.client import ClientError, HttpClient

OUTCOME = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "diagnostics": "context: expected"}]}
ANSWERS: dict[str, tuple[int, Any]] = {
    "/cds-services": (200, {"services": [{"id": "a"}, "odd"]}),
    "/none/cds-services": (404, {}),
    "/text/cds-services": (200, "hello"),
    "/list/cds-services": (200, []),
    "/cds-services/good": (200, {"cards": []}),
    "/cds-services/refused": (400, OUTCOME),
    "/cds-services/cardless": (200, {}),
    "/cds-services/text": (200, "hello"),
}


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        status, body = ANSWERS[self.path]
        content = (body if isinstance(body, str) else json.dumps(body)).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), _Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join(5)
    server.server_close()


@pytest.fixture
def client(url: str) -> Iterator[HttpClient]:
    found = HttpClient(url + "/cds-services/", trust_env=False)
    yield found
    found.close()


def test_discovery(client: HttpClient) -> None:
    assert client.services() == [{"id": "a"}]


@pytest.mark.parametrize("path", ["none", "text", "list"])
def test_unusable_discovery(url: str, path: str) -> None:
    client = HttpClient(f"{url}/{path}", trust_env=False)
    with pytest.raises(ClientError, match="expected discovery"):
        client.services()
    client.close()


def test_nobody_is_there() -> None:
    client = HttpClient("http://127.0.0.1:9", trust_env=False)
    with pytest.raises(ClientError, match="is the service running"):
        client.services()
    reply = client.call("good", {})
    assert (reply.status, reply.error) == (0, "no answer (ConnectionError)")
    client.close()


@pytest.mark.parametrize(
    ("service", "status", "error"),
    [
        ("good", 200, ""),
        ("refused", 400, "HTTP 400: context: expected"),
        ("cardless", 200, "HTTP 200, no `cards` in the answer"),
        ("text", 200, "HTTP 200 with a body that is not JSON"),
    ],
)
def test_answers(client: HttpClient, service: str, status: int, error: str) -> None:
    reply = client.call(service, {"hook": "order-select"})
    assert (reply.status, reply.error) == (status, error)
    assert reply.ms > 0
