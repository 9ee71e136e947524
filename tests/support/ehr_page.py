"""An EHR in a browser: a server on loopback with the page of tests/web/sandbox, its key set, and patients' charts."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import urlsplit

from cds_service.tools.replay.prefetch import answer
from tests.support.shipped import ROOT

_FILES: Final = {"/": ("index.html", "text/html"), "/client.js": ("client.js", "text/javascript")}
_KEYS: Final = "/.well-known/jwks.json"
Resources = Sequence[Mapping[str, Any]]


@contextmanager
def ehr(chart: Resources) -> Iterator[str]:
    """Its origin, by a name that is not the address at which services listen: another origin for a browser.

    `chart`: the resources of all its patients.
    """
    server = _Server(chart)
    thread = threading.Thread(target=server.serve_forever, name="ehr", daemon=True)
    thread.start()
    try:
        yield f"http://localhost:{server.server_port}"
    finally:
        server.shutdown()
        thread.join(timeout=10)
        server.server_close()


class _Server(ThreadingHTTPServer):
    def __init__(self, chart: Resources) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.chart = chart
        self.keys = b'{"keys": []}'


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        if path in _FILES:
            name, kind = _FILES[path]
            self._say(200, (ROOT / "tests/web/sandbox" / name).read_bytes(), kind)
        elif path == _KEYS:
            self._say(200, self.server.keys)
        elif path.startswith("/fhir/"):
            self._search(path.removeprefix("/fhir/"))
        else:
            self._say(204, b"")

    def do_PUT(self) -> None:
        self.server.keys = self._body()
        self._say(204, b"")

    def do_POST(self) -> None:
        kind = self.path.removeprefix("/fhir/").removesuffix("/_search")
        self._search(f"{kind}?{self._body().decode()}")

    def _search(self, query: str) -> None:
        """A read, or a search, which names its patient."""
        found = answer({"found": query}, self.server.chart, "").get("found")
        self._say(404 if found is None else 200, json.dumps(found).encode(), "application/fhir+json")

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers["Content-Length"]))

    def _say(self, status: int, content: bytes, kind: str = "application/json") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        if status != 204:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Nothing."""
