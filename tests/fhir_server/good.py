"""A FHIR server that answers the service's own searches, page by page, to whoever has the token."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode

from cds_service.tools.replay.prefetch import answer

Resource = dict[str, Any]
PATH = "/fhir"
CONTEXT = ("traceparent", "tracestate", "baggage")


class QuietServer(ThreadingHTTPServer):
    """Threads die with the tests; a client that goes away in the middle is what the tests are about."""

    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing."""


@contextmanager
def running(server: ThreadingHTTPServer) -> Iterator[str]:
    """Serve in a thread; gives the origin."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join(timeout=10)
        server.server_close()


class GoodServer(QuietServer):
    """Charts by patient id, Medications by id. `page`: most entries of one answer; `seen`: (target, Authorization);
    `contexts`: what each request says of a trace, by header."""

    def __init__(self, token: str) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.token = token
        self.page = 3
        self.charts: dict[str, Sequence[Resource]] = {}
        self.medications: dict[str, Resource] = {}
        self.extra: list[Resource] = []  # stands on every page besides
        self.seen: list[tuple[str, str]] = []
        self.contexts: list[dict[str, str]] = []

    @property
    def base(self) -> str:
        """The FHIR base URL."""
        return f"http://127.0.0.1:{self.server_address[1]}{PATH}"

    def found(self, target: str) -> tuple[int, Mapping[str, Any]]:
        """Status and body for a target below the base path."""
        search, _, query = target.removeprefix(f"{PATH}/").partition("?")
        if not query:
            patient = self.charts.get(search.removeprefix("Patient/"), ())
            read = answer({"q": search}, patient, "").get("q")
            return (200, read) if read else (404, outcome("not-found"))
        given = dict(parse_qsl(query))
        offset, size = int(given.pop("_offset", "0")), min(int(given.pop("_count", "50")), self.page)
        bundle = self._bundle(search, given)
        entries = bundle.pop("entry", [])
        bundle["link"] = [{"relation": "self", "url": f"{self.base}/{search}?{query}"}]
        if offset + size < len(entries):
            onward = urlencode({**given, "_count": str(size), "_offset": str(offset + size)})
            bundle["link"].append({"relation": "next", "url": f"{self.base}/{search}?{onward}"})
        if part := entries[offset : offset + size] + [{"resource": more} for more in self.extra]:
            bundle["entry"] = part
        return 200, bundle

    def _bundle(self, search: str, given: Mapping[str, str]) -> Resource:
        if search == "Medication":
            found = [self.medications[each] for each in given["_id"].split(",") if each in self.medications]
            entries = [{"resource": each, "search": {"mode": "match"}} for each in found]
            return {"resourceType": "Bundle", "type": "searchset", "total": len(found), "entry": entries}
        unpaged = unquote(urlencode(given))
        chart = self.charts.get(given["patient"], ())
        return answer({"q": f"{search}?{unpaged}"}, chart, given["patient"])["q"]


class Handler(BaseHTTPRequestHandler):
    """Reads and searches."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: GoodServer

    def do_GET(self) -> None:
        """A read or a search."""
        given = self.headers.get("Authorization", "")
        self.server.seen.append((self.path, given))
        self.server.contexts.append({name: self.headers[name] for name in CONTEXT if name in self.headers})
        if given != f"Bearer {self.server.token}":
            status, body = 401, outcome("login")
        else:
            status, body = self.server.found(self.path)
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/fhir+json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


def outcome(code: str, diagnostics: str = "refused") -> Resource:
    """An OperationOutcome with one error."""
    issue = {"severity": "error", "code": code, "diagnostics": diagnostics}
    return {"resourceType": "OperationOutcome", "issue": [issue]}
