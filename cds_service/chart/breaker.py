"""Give a FHIR server that is silent a rest, so that calls do not queue up behind reads that end only by the clock.

A visit in which no read was answered takes up to three seconds of one of the few threads that answer calls; the calls
behind it would wait for as long again. While a server rests they are told at once what is missing.
"""

from __future__ import annotations

import threading
import time

from cds_service.chart.server import Base

_MOST_BASES = 256  # the path of a base comes from the call


class Breaker:
    """Remembers, for each base, until when it rests. Several threads use it."""

    def __init__(self, rest_s: float) -> None:
        self._rest_s = rest_s
        self._until: dict[Base, float] = {}
        self._lock = threading.Lock()

    def resting(self, base: Base) -> bool:
        """Whether the server is not to be asked now."""
        with self._lock:
            return time.monotonic() < self._until.get(base, 0.0)

    def record(self, base: Base, answered: bool) -> None:
        """After a visit: any answer at all, also a refusal, ends the rest; none begins it."""
        with self._lock:
            self._until.pop(base, None)
            if not answered:
                if len(self._until) >= _MOST_BASES:
                    self._until.clear()
                self._until[base] = time.monotonic() + self._rest_s
