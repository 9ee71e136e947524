"""The only module that opens outgoing connections: one line to the FHIR server of one call.

Nothing is believed of a server but the body of an answer 200: no redirect, cookie, proxy setting, compression or retry
advice is followed. Nothing raised or logged here holds a URL, a header or a body. `chart/client.py` imports this at the
first read: a site that trusts no server starts without it.
"""

from __future__ import annotations

import contextlib
import logging
import random
import socket
import ssl
import time
from http.client import HTTPException
from typing import Any, Final

from urllib3 import BaseHTTPResponse, HTTPConnectionPool, HTTPSConnectionPool, Timeout
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError, ReadTimeoutError, SSLError

from cds_service.chart.server import Server
from cds_service.chart.visit import Form, NotAnswered, Request, Visit, mib

# urllib3 logs URLs, which hold patients' ids: at DEBUG each request, at WARNING headers that it cannot read.
logging.getLogger("urllib3").setLevel(logging.CRITICAL)

_PASSING: Final = frozenset({429, 502, 503, 504})
_CHUNK: Final = 64 * 1024


class Line:
    """One connection at a time to the server, kept open from job to job; it lives in one thread of the pool."""

    def __init__(self, visit: Visit, tls: ssl.SSLContext | None) -> None:
        self._visit = visit
        self._tls = tls
        self._pool: HTTPConnectionPool | None = None
        self._socket: socket.socket | None = None
        self._due = float("inf")
        self._stopped = False

    def work(self) -> None:
        """Do jobs until there are none."""
        try:
            while taken := self._visit.take():
                name, job = taken
                try:
                    job(self.get)
                    why = ""
                except NotAnswered as failure:
                    why = str(failure)
                except Exception as error:  # a read that fails in any other way is a read not done, never no answer
                    why = f"FHIR server: read failed ({type(error).__name__})"
                self._visit.finish(name, why)
        finally:
            if self._pool is not None:
                self._pool.close()

    def get(self, target: str) -> bytes:
        """The body of an answer 200. Raises NotAnswered. What may pass is tried once more, if there is time, and never
        what is sent."""
        try:
            return self._attempt(target)
        except NotAnswered as failure:
            if self._visit.form is not None:
                raise
            pause = random.uniform(0.05, 0.25)
            if not failure.passing or time.monotonic() + pause >= self._visit.deadline or self._visit.over.wait(pause):
                raise
        return self._attempt(target)

    def stop_overdue(self, now: float) -> None:
        """Called by the watching thread: cut off the read in progress where its time is over."""
        if now >= self._due:
            self.stop()

    def stop(self) -> None:
        """Cut off the read in progress. The socket is only shut down: closing it is the reading thread's own."""
        self._stopped = True
        if self._socket is not None:
            with contextlib.suppress(OSError):
                # Not SSLSocket's own method: that would pull the TLS state from under the reading thread.
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def opened(self, made: socket.socket | None) -> None:
        """Called by a connection once it is connected."""
        self._socket = made
        if self._stopped:
            raise TimeoutError

    def _attempt(self, target: str) -> bytes:
        visit = self._visit
        visit.check()
        with visit.asking(visit.server, _method(visit.form)) as request:
            return self._asked(target, request)

    def _asked(self, target: str, request: Request) -> bytes:
        visit = self._visit
        pool = self._pool = self._pool or self._connect()
        self._stopped = False
        visit.check()  # once more: from here on the watching thread sees this read, or this read sees the end
        self._due = min(time.monotonic() + visit.limits.call_s, visit.deadline)
        try:
            response = pool.urlopen(
                _method(visit.form),
                target,
                body=None if visit.form is None else visit.form.body,
                headers={**request.headers, **_headers(visit.server, visit.form)},
                timeout=Timeout(connect=visit.limits.connect_s, read=visit.limits.call_s),
                retries=False,
                redirect=False,
                preload_content=False,
                decode_content=False,
            )
            request.status = response.status
            try:
                body = self._body(response)
                visit.tell(heard=True)
                return body
            except NotAnswered:
                visit.tell(heard=True)
                raise
            finally:
                response.close()  # a body read to its end has given its connection back to the pool before
        except (HTTPError, HTTPException, OSError, ValueError) as error:
            visit.tell(heard=False)
            raise self._why(error) from None
        finally:
            self._due = float("inf")

    def _body(self, response: BaseHTTPResponse) -> bytes:
        limit = self._visit.limits.response_bytes
        if response.status != 200:
            raise NotAnswered(f"FHIR server: {response.status}", passing=response.status in _PASSING)
        if response.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise NotAnswered("FHIR server: compressed answer, not asked for")
        body = bytearray()
        while chunk := response.read(_CHUNK):
            body += chunk
            if len(body) > limit:
                raise NotAnswered(f"FHIR server: answer larger than {mib(limit)}")
            self._visit.spend(len(chunk))
        return bytes(body)

    def _why(self, error: Exception) -> NotAnswered:
        """An error of the libraries in plain words."""
        limits = self._visit.limits
        if isinstance(error, NewConnectionError):
            return NotAnswered("FHIR server: not reachable", passing=True)
        if isinstance(error, ConnectTimeoutError):
            return NotAnswered(f"FHIR server: no connection within {limits.connect_s:g} s", passing=True)
        if self._stopped or isinstance(error, ReadTimeoutError | TimeoutError):
            return NotAnswered(f"FHIR server too slow ({limits.call_s:g} s)")
        if isinstance(error, SSLError):
            return NotAnswered("FHIR server: TLS certificate or protocol not accepted")
        return NotAnswered("FHIR server: connection broken off", passing=True)

    def _connect(self) -> HTTPConnectionPool:
        base = self._visit.server.base
        more: dict[str, Any] = {"maxsize": 1, "line": self}
        if base.scheme == "http":
            return _PlainPool(self._visit.address(), base.port, **more)
        # The certificate must be the name's, though the connection goes to the address.
        more |= {"server_hostname": base.host, "ssl_context": self._tls}
        return _TlsPool(self._visit.address(), base.port, **more)


class _PlainConnection(HTTPConnection):
    """Shows its socket to the line as soon as there is one."""

    def __init__(self, *args: Any, line: Line, **more: Any) -> None:
        super().__init__(*args, **more)
        self._line = line

    def connect(self) -> None:
        super().connect()
        self._line.opened(self.sock)


class _TlsConnection(_PlainConnection, HTTPSConnection):
    """The same over TLS: `super()` above is HTTPSConnection here."""


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _PlainConnection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


def _method(form: Form | None) -> str:
    return "GET" if form is None else "POST"


def _headers(server: Server, form: Form | None) -> dict[str, str]:
    told = {"Host": server.base.netloc, "Accept-Encoding": "identity", "User-Agent": "anakinra-cds"}
    if form is not None:
        told["Content-Type"] = "application/x-www-form-urlencoded"
    authorization = form.authorization if form is not None else f"Bearer {server.token}" if server.token else ""
    if authorization:
        told["Authorization"] = authorization
    return told | {"Accept": "application/fhir+json" if server.token else "application/json"}
