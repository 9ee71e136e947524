"""The only module that opens outgoing connections: reads from the FHIR server of one call, within a time limit.

A socket's own time-out is per read, and a server that sends a byte a second evades it. So the calling thread watches
the clock and shuts down the socket of every read that is overdue. Nothing is believed of a server but the body of an
answer 200: no redirect, cookie, proxy setting, compression or retry advice is followed. Certificates are checked
against the operating system's store. Nothing raised or logged here holds a URL, a header or a body.
"""

from __future__ import annotations

import contextlib
import ipaddress
import logging
import random
import socket
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, cached_property, partial
from http.client import HTTPException
from typing import Any, Final

from urllib3 import BaseHTTPResponse, HTTPConnectionPool, HTTPSConnectionPool, Timeout
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError, ReadTimeoutError, SSLError

from cds_service.chart.breaker import Breaker
from cds_service.chart.server import Base, Server
from cds_service.chart.visit import Job, Limits, Look, NotAnswered, Visit, mib

# urllib3 logs URLs, which hold patients' ids: at DEBUG each request, at WARNING headers that it cannot read.
logging.getLogger("urllib3").setLevel(logging.CRITICAL)

_PASSING: Final = frozenset({429, 502, 503, 504})
_CHUNK: Final = 64 * 1024
_WATCH_S: Final = 0.02

Resolve = Callable[[str, int], Sequence[str]]


@dataclass(slots=True)
class Trip:
    """What the visits of one call to its server share: when the last must end, the one address, any answer at all."""

    server: Server
    until: float
    look: Look
    answered: bool = False


class Client:
    """Runs the reads of many calls at once, on a bounded number of threads of its own."""

    def __init__(
        self, limits: Limits | None = None, tls: ssl.SSLContext | None = None, resolve: Resolve | None = None
    ) -> None:
        """`tls` and `resolve` replace the operating system's certificates and names: for tests."""
        self.limits = limits or Limits()
        self._given_tls = tls
        self._resolve = resolve or _resolve
        self._breaker = Breaker(self.limits.rest_s)
        self._threads = ThreadPoolExecutor(self.limits.threads, thread_name_prefix="fhir")

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        return self._given_tls or ssl.create_default_context()

    def trip(self, server: Server) -> Trip:
        """Begin to read for one call: all its visits together take `total_s` at most."""
        until = time.monotonic() + self.limits.total_s
        return Trip(server, until, cache(partial(_chosen, server.base, self._resolve)))

    def visit(self, trip: Trip, jobs: Mapping[str, Job]) -> dict[str, str]:
        """Run all jobs; each gets a function that reads a request target of the server, and may raise NotAnswered.

        Returns, for each job by name, why it did not finish ("" where it did), when the trip ends at the latest,
        whatever the server does. What a job that is still running does afterwards is nobody's concern: its reads fail.
        """
        base = trip.server.base
        if self._breaker.resting(base):
            why = f"FHIR server: did not answer just now, not asked again for {self.limits.rest_s:g} s"
            return dict.fromkeys(jobs, why)
        visit = Visit(trip.server, jobs, self.limits, trip.look)
        visit.deadline = min(visit.deadline, trip.until)
        tls = self._tls if base.scheme == "https" else None
        lines = [_Line(visit, tls) for _ in range(min(len(jobs), self.limits.lines))]
        for line in lines:
            self._threads.submit(line.work)
        while not visit.settled.wait(_WATCH_S) and (now := time.monotonic()) < visit.deadline:
            for line in lines:
                line.stop_overdue(now)
        visit.over.set()
        for line in lines:
            line.stop()
        trip.answered = trip.answered or visit.answered.is_set()
        if visit.begun:  # else it was for want of threads here
            self._breaker.record(base, trip.answered)
        return visit.outcomes()


class _Line:
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
        """The body of an answer 200. Raises NotAnswered. What may pass is tried once more, if there is time."""
        try:
            return self._attempt(target)
        except NotAnswered as failure:
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
        pool = self._pool = self._pool or self._connect()
        self._stopped = False
        visit.check()  # once more: from here on the watching thread sees this read, or this read sees the end
        self._due = min(time.monotonic() + visit.limits.call_s, visit.deadline)
        try:
            response = pool.urlopen(
                "GET",
                target,
                headers=_headers(visit.server),
                timeout=Timeout(connect=visit.limits.connect_s, read=visit.limits.call_s),
                retries=False,
                redirect=False,
                preload_content=False,
                decode_content=False,
            )
            try:
                body = self._body(response)
                visit.answered.set()
                return body
            except NotAnswered:
                visit.answered.set()
                raise
            finally:
                response.close()  # a body read to its end has given its connection back to the pool before
        except (HTTPError, HTTPException, OSError, ValueError) as error:
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

    def __init__(self, *args: Any, line: _Line, **more: Any) -> None:
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


def _headers(server: Server) -> dict[str, str]:
    return {
        "Host": server.base.netloc,
        "Authorization": f"Bearer {server.token}",
        "Accept": "application/fhir+json",
        "Accept-Encoding": "identity",
        "User-Agent": "anakinra-cds",
    }


def _resolve(host: str, port: int) -> Sequence[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


def _chosen(base: Base, resolve: Resolve) -> str:
    """The address of a server: the literal itself, else the first (IPv4 before IPv6) that its name resolves to."""
    try:
        return str(ipaddress.ip_address(base.host))
    except ValueError:
        pass
    try:
        found = [ipaddress.ip_address(text) for text in resolve(base.host, base.port)]
    except (OSError, ValueError):
        raise NotAnswered("FHIR server: name not resolved", passing=True) from None
    found.sort(key=lambda address: address.version)
    if not found:
        raise NotAnswered("FHIR server: name not resolved")
    first = found[0]
    inner = first.is_link_local or first.is_multicast or first.is_unspecified
    # A name that somebody points at this machine must not reach what listens here; a configured address may.
    if inner or (first.is_loopback and base.host != "localhost"):
        raise NotAnswered("FHIR server: its name leads to an address that is not allowed")
    return str(first)
