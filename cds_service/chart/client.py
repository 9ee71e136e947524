"""Reads from the FHIR server of one call, within a time limit.

A socket's own time-out is per read, and a server that sends a byte a second evades it. So the calling thread watches
the clock and shuts down the socket of every read that is overdue. Certificates are checked against the operating
system's store.
"""

from __future__ import annotations

import ipaddress
import math
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from contextvars import copy_context
from dataclasses import dataclass
from functools import cache, cached_property, partial
from typing import TYPE_CHECKING, Final

from cds_service.chart.breaker import Breaker
from cds_service.chart.server import Base, Server, base_of
from cds_service.chart.visit import Asking, Form, Job, Limits, Look, NotAnswered, Visit, unwatched

if TYPE_CHECKING:
    from cds_service.chart.line import Line

_WATCH_S: Final = 0.02
_REST_OF_ANSWER_S: Final = 0.75
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")

Away = Callable[[], AbstractContextManager[None]]
Resolve = Callable[[str, int], Sequence[str]]


@dataclass(slots=True)
class Trip:
    """What the visits of one call to its server share: when the last must end, the one address."""

    server: Server
    until: float
    look: Look


class Client:
    """Runs the reads of many calls at once, on a bounded number of threads of its own."""

    def __init__(
        self,
        limits: Limits | None = None,
        tls: ssl.SSLContext | None = None,
        resolve: Resolve | None = None,
        away: Away = nullcontext,
        asking: Asking = unwatched,
    ) -> None:
        """`away` holds while a call waits for its reads, and others may compute; `asking` while one request of them is
        at the server, in the thread and with the context variables of that call.

        `tls` and `resolve` replace the operating system's certificates and names: for tests.
        """
        self.away = away
        self.asking = asking
        self.limits = limits or Limits()
        self._given_tls = tls
        self._resolve = resolve or _resolve
        self._breaker = Breaker(self.limits.rest_s, self.limits.calls)
        self._threads = ThreadPoolExecutor(self.limits.threads, thread_name_prefix="fhir")

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        return self._given_tls or ssl.create_default_context()

    def trip(self, server: Server, answer_by: float = math.inf) -> Trip:
        """Begin to read for one call: all its visits together take `total_s` at most, and leave time for the rest of
        an answer that must be given by `answer_by`."""
        until = min(time.monotonic() + self.limits.total_s, answer_by - _REST_OF_ANSWER_S)
        return Trip(server, until, cache(partial(_chosen, server.base, self._resolve)))

    def fetch(self, url: str) -> bytes:
        """What stands at an address that the site itself names, asked for without a token. Raises NotAnswered."""
        return self._alone(url, None, math.inf)

    def send(self, url: str, form: Form, answer_by: float = math.inf) -> bytes:
        """What an address that the site trusts answers to a form. Raises NotAnswered."""
        return self._alone(url, form, answer_by)

    def _alone(self, url: str, form: Form | None, answer_by: float) -> bytes:
        address, _, query = url.partition("?")
        base = base_of(address)
        if base is None:
            raise NotAnswered("no plain http or https address")
        trip = self.trip(Server(base, ""), answer_by)
        found: list[bytes] = []
        # A base has no slash at its end; an address may.
        target = base.path + ("/" if address.endswith("/") or not base.path else "") + (f"?{query}" if query else "")
        why = self.visit(trip, {"": lambda get: found.append(get(target))}, form)[""]
        if not found:
            raise NotAnswered(why)
        return found[0]

    def visit(self, trip: Trip, jobs: Mapping[str, Job], form: Form | None = None) -> dict[str, str]:
        """Run all jobs; each gets a function that reads a request target of the server, and may raise NotAnswered.

        Returns, for each job by name, why it did not finish ("" where it did), when the trip ends at the latest,
        whatever the server does. What a job that is still running does afterwards is nobody's concern: its reads fail.
        """
        base = trip.server.base
        if why := self._breaker.enter(base.origin):
            return dict.fromkeys(jobs, why)
        from cds_service.chart.line import Line

        visit = Visit(trip.server, jobs, self.limits, trip.look, form, self.asking)
        visit.deadline = min(visit.deadline, trip.until)
        tls = self._tls if base.scheme == "https" else None
        lines = [Line(visit, tls) for _ in range(min(len(jobs), self.limits.lines))]
        try:
            with self.away():
                self._run(visit, lines)
        finally:
            self._breaker.leave(base.origin, visit.heard, visit.silent)
        return visit.outcomes()

    def _run(self, visit: Visit, lines: Sequence[Line]) -> None:
        """Until all is read, or the time is over."""
        for line in lines:
            self._threads.submit(copy_context().run, line.work)
        while not visit.settled.wait(_WATCH_S) and (now := time.monotonic()) < visit.deadline:
            for line in lines:
                line.stop_overdue(now)
        visit.end()
        for line in lines:
            line.stop()


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
    # IPv6 has forms that lead to an IPv4 address: what is forbidden in one form is forbidden in each.
    for meant in (first, *_inside(first)):
        inner = meant.is_link_local or meant.is_multicast or meant.is_unspecified
        # A name that somebody points at this machine must not reach what listens here; a configured address may.
        if inner or (meant.is_loopback and base.host != "localhost"):
            raise NotAnswered("FHIR server: its name leads to an address that is not allowed")
    return str(first)


def _inside(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> Iterator[ipaddress.IPv4Address]:
    """The IPv4 addresses that an IPv6 address stands for: mapped, 6to4 (RFC 3056) and NAT64 (RFC 6052)."""
    if isinstance(address, ipaddress.IPv6Address):
        yield from (inner for inner in (address.ipv4_mapped, address.sixtofour) if inner is not None)
        if address in _NAT64:
            yield ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
