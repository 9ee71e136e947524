"""What one FHIR server may cost: how many calls read from it at once, and a rest where most reads find it silent.

Both go by its origin (scheme, host, port), never by a path: that comes from the caller. A call that is not let in is
told at once what is missing.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

Origin = tuple[str, str, int]

WINDOW_S: Final = 30.0
LEAST: Final = 6
"""Reads of the last `WINDOW_S` that it takes to judge a server."""
SHARE: Final = 0.5
"""Of them silent, and the server is given a rest."""
_REMEMBERED: Final = 200
_MOST_ORIGINS: Final = 256


@dataclass(slots=True)
class _Server:
    """What is known of one origin. `reads`: when each was, and whether it was met with silence."""

    reads: deque[tuple[float, bool]] = field(default_factory=lambda: deque(maxlen=_REMEMBERED))
    inside: int = 0
    rests_until: float = 0.0


class Breaker:
    """Remembers each origin. Several threads use it."""

    def __init__(self, rest_s: float, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        """`most`: calls that may read from one origin at once."""
        self._rest_s = rest_s
        self._most = most
        self._clock = clock
        self._servers: dict[Origin, _Server] = {}
        self._lock = threading.Lock()

    def enter(self, origin: Origin) -> str:
        """Let a call in to read, or say why not. Who is let in must `leave`.

        After a rest one call is let in, and what it finds decides whether the others are.
        """
        now = self._clock()
        with self._lock:
            server = self._server(origin)
            if now < server.rests_until:
                return f"FHIR server: did not answer just now, not asked again for {self._rest_s:g} s"
            if server.inside >= self._most:
                return f"FHIR server: already read by {self._most} calls here, not asked by one more"
            if server.rests_until:
                server.rests_until = now + self._rest_s
            server.inside += 1
            return ""

    def leave(self, origin: Origin, heard: int, silent: int) -> None:
        """After the reads of a call: how many were answered in some way, also by a refusal, and how many were not."""
        now = self._clock()
        with self._lock:
            server = self._server(origin)
            server.inside -= 1
            if server.rests_until and heard + silent:
                # One call tried whether it is back, or those that were inside before it was given a rest come out.
                server.reads.clear()
            server.reads.extend([(now, False)] * heard + [(now, True)] * silent)
            while server.reads and server.reads[0][0] < now - WINDOW_S:
                server.reads.popleft()
            failed = sum(bad for _, bad in server.reads)
            tried = bool(server.rests_until)
            if failed and failed >= SHARE * len(server.reads) and (tried or len(server.reads) >= LEAST):
                server.rests_until = now + self._rest_s
            elif heard:
                server.rests_until = 0.0

    def _server(self, origin: Origin) -> _Server:
        found = self._servers.get(origin)
        if found is None:
            if len(self._servers) >= _MOST_ORIGINS:  # a site trusts few; those in use stay
                self._servers = {each: server for each, server in self._servers.items() if server.inside}
            found = self._servers[origin] = _Server()
        return found
