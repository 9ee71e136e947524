"""A FHIR server that misbehaves: how, is the first part of the path. And a trap that nobody may touch."""

from __future__ import annotations

import json
import selectors
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.fhir_server.good import QuietServer

_PORTS = 300  # more than tests ask for


class Trap:
    """Listens, and counts who comes."""

    def __init__(self) -> None:
        self.hits = 0
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.origin = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._count, daemon=True).start()

    def _count(self) -> None:
        while True:
            try:
                made, _ = self._listener.accept()
            except OSError:
                return
            self.hits += 1
            made.close()

    def close(self) -> None:
        """Stop listening."""
        self._listener.close()


@contextmanager
def trap() -> Iterator[Trap]:
    """A trap for the time of a test."""
    found = Trap()
    try:
        yield found
    finally:
        found.close()


class FaultServer(QuietServer):
    """`http://.../<fault>/<anything>` is the base URL under which the fault of that name is shown.

    It listens at many ports: the client judges a server by its origin, and one fault must not stand for another.
    """

    def __init__(self, faults: Mapping[str, Callable[[Handler], None]], trap_origin: str) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.faults = faults
        self.trap_origin = trap_origin
        self._listeners = [self.socket, *(socket.create_server(("127.0.0.1", 0), backlog=128) for _ in range(_PORTS))]
        self._over = threading.Event()
        self._given: dict[tuple[str, str], str] = {}

    @property
    def origins(self) -> list[str]:
        """What a site trusts."""
        return [f"http://127.0.0.1:{listener.getsockname()[1]}" for listener in self._listeners]

    def base(self, fault: str, name: str = "fhir") -> str:
        """A FHIR base URL of a fault, at a server of its own for each name."""
        number = len(self._given)
        origin = self._given.setdefault((fault, name), self.origins[number % len(self._listeners)])
        return f"{origin}/{fault}/{name}"

    def serve_forever(self, poll_interval: float = 0.05) -> None:
        """Take connections at every port until shut down."""
        with selectors.DefaultSelector() as selector:
            for listener in self._listeners:
                selector.register(listener, selectors.EVENT_READ)
            while not self._over.is_set():
                for key, _ in selector.select(poll_interval):
                    assert isinstance(key.fileobj, socket.socket)
                    self.process_request(*key.fileobj.accept())

    def shutdown(self) -> None:
        """End `serve_forever`."""
        self._over.set()

    def server_close(self) -> None:
        """Close every port."""
        for listener in self._listeners:
            listener.close()


class Handler(BaseHTTPRequestHandler):
    """Shows the fault that the path names."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: FaultServer

    @property
    def origin(self) -> str:
        """Where it was asked."""
        return f"http://{self.headers['Host']}"

    def do_GET(self) -> None:
        """Any read or search."""
        fault = self.path.split("/")[1]
        self.close_connection = True
        self.server.faults[fault](self)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    @property
    def kind(self) -> str:
        """The resource type asked for."""
        return urlsplit(self.path).path.split("/")[3]

    @property
    def patient(self) -> str:
        """The patient asked for."""
        parts = urlsplit(self.path)
        return parse_qs(parts.query).get("patient", [parts.path.split("/")[-1]])[0]

    def head(self, status: int = 200, **headers: str) -> None:
        """Status line and headers."""
        self.send_response(status)
        self.send_header("Content-Type", "application/fhir+json")
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def body(self, value: Any, status: int = 200) -> None:
        """A whole answer."""
        content = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.head(status, Content_Length=str(len(content)))
        self.wfile.write(content)
