"""One visit to a FHIR server on behalf of one call: its jobs, its time, its bytes, and what came of each job."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

from cds_service.chart.server import Server

Get = Callable[[str], bytes]
Job = Callable[[Get], None]
Look = Callable[[], str]


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds, bytes and numbers. `total_s` leaves time for the rest of an answer within 4 s."""

    connect_s: float = 0.5
    call_s: float = 1.5
    total_s: float = 3.0
    response_bytes: int = 8 * 1024 * 1024
    total_bytes: int = 24 * 1024 * 1024
    lines: int = 6
    threads: int = 96
    pages: int = 5
    rest_s: float = 5.0
    calls: int = 12
    """That read from one origin at once, in one worker: threads are enough for more than one such server."""


@dataclass(frozen=True, slots=True)
class Form:
    """What is sent (URL-encoded) where something is not read but asked for; it shows in no `repr`.

    It is sent once, whatever becomes of it: what it holds may be good for one use.
    """

    body: bytes = field(repr=False)
    authorization: str = field(default="", repr=False)


@dataclass(slots=True)
class Request:
    """One request at a server, for who watches it: headers that are sent beside our own, and the status that came."""

    headers: dict[str, str] = field(default_factory=dict)
    status: int = 0
    """0: none came."""


Asking = Callable[[Server, str], AbstractContextManager[Request]]
"""Holds while one request is at a server: (server, HTTP method). Of address, query and bodies it is told nothing."""


def unwatched(_server: Server, _method: str) -> AbstractContextManager[Request]:
    """Nobody watches."""
    return nullcontext(Request())


class NotAnswered(Exception):
    """A read that did not succeed; `str()` says why in plain words, and holds nothing of the request.

    `passing`: it may succeed if it is tried again at once.
    """

    def __init__(self, why: str, passing: bool = False) -> None:
        super().__init__(why)
        self.passing = passing


class Visit:
    """What the connections of one call share. Several threads use it."""

    def __init__(
        self,
        server: Server,
        jobs: Mapping[str, Job],
        limits: Limits,
        look: Look,
        form: Form | None = None,
        asking: Asking = unwatched,
    ) -> None:
        """`look` finds the address of the server; it raises NotAnswered. `form` is sent with each of the jobs."""
        self.asking = asking
        self.server = server
        self.form = form
        self.limits = limits
        self.deadline = time.monotonic() + limits.total_s
        self.settled = threading.Event()
        self.over = threading.Event()
        self.heard = 0
        self.silent = 0
        self._going_on = 0
        self._look = look
        self._lock = threading.Lock()
        self._looking = threading.Lock()
        self._address = ""
        self.begun = False
        self._left = limits.total_bytes
        self._waiting = deque(jobs.items())
        self._outcomes: dict[str, str] = {}
        self._names = tuple(jobs)

    def take(self) -> tuple[str, Job] | None:
        """The next job, or None where there is none left or no time."""
        with self._lock:
            self.begun = True
            if not self._waiting or self.over.is_set():
                return None
            self._going_on += 1
            return self._waiting.popleft()

    def end(self) -> None:
        """The time is over: a read that is still going on was met with silence."""
        with self._lock:
            self.over.set()
            self.silent += self._going_on

    def finish(self, name: str, why: str) -> None:
        """Keep what came of a job."""
        with self._lock:
            self._going_on -= 1
            self._outcomes.setdefault(name, why)
            if len(self._outcomes) == len(self._names):
                self.settled.set()

    def tell(self, *, heard: bool) -> None:
        """Count a read: a body read to its end or a refusal, or else silence."""
        with self._lock:
            if heard:
                self.heard += 1
            else:
                self.silent += 1

    def outcomes(self) -> dict[str, str]:
        """What every job came to: "" or why it did not finish, also for those cut off or never begun."""
        late = self.late if self.begun else f"FHIR server: no connection free within {self.limits.total_s:g} s"
        with self._lock:
            return {name: self._outcomes.get(name, late) for name in self._names}

    @property
    def late(self) -> str:
        """The words for the time of all reads together being over."""
        return f"FHIR server too slow ({self.limits.total_s:g} s in all)"

    def check(self) -> None:
        """Raise NotAnswered where no time is left."""
        if self.over.is_set() or time.monotonic() >= self.deadline:
            raise NotAnswered(self.late)

    def spend(self, count: int) -> None:
        """Count bytes received. Raises NotAnswered where they are too many."""
        with self._lock:
            self._left -= count
            if self._left < 0:
                raise NotAnswered(f"FHIR server: more than {mib(self.limits.total_bytes)} in all")

    def address(self) -> str:
        """The one address that all connections of this visit go to: found once, so that it cannot change between."""
        with self._looking:
            if not self._address:
                self._address = self._look()
            return self._address


def mib(count: int) -> str:
    """A number of bytes in words."""
    return f"{count / (1024 * 1024):g} MiB"
