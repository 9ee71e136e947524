"""Limits the calls and feedback of one client a minute: by the issuer of its token, else by its address.

One number a client says it all: when its calls would be spread out to, were they made at the rate allowed (the generic
cell rate algorithm). The numbers lie in memory that all workers share, in a table that never grows: where it is full,
who is least in debt is forgotten, so that a flood of addresses costs nobody a call.
"""

from __future__ import annotations

import hashlib
import logging
import math
import mmap
import secrets
import struct
import time
from collections.abc import Callable
from typing import Final

from flask import Response, g, request

from cds_service.errors import CallError
from cds_service.knowledge.sites import is_loopback
from cds_service.web.outcome import refusal
from cds_service.web.trust import COUNTED, LAUNCHED

log = logging.getLogger(__name__)

PER_MINUTE: Final = 6000
"""Where the settings say nothing: 100 calls a second for a whole minute, which no hospital's EHR makes."""
_MINUTE: Final = 60.0
_ROW: Final = struct.Struct("=Qd")  # a client as keyed hash, and its time
_WAYS: Final = 8
_SETS: Final = 1024


class Rates:
    """At most `per_minute` at once, and as many again spread over each minute. Made before the workers are forked.

    No lock: where two processes count the same client in the same moment, one of its calls is not counted.
    """

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._each = _MINUTE / per_minute
        self._clock = clock
        self._key = secrets.token_bytes(16)
        self._memory = mmap.mmap(-1, _SETS * _WAYS * _ROW.size)

    def take(self, client: str) -> float:
        """Count a call: 0.0, or the seconds after which another is taken; then it is not counted."""
        name = int.from_bytes(hashlib.blake2b(client.encode(), key=self._key, digest_size=8).digest()) or 1
        now = self._clock()
        place, until = self._row(name)
        until = max(now, until) + self._each
        if until > now + _MINUTE:
            return until - now - _MINUTE
        _ROW.pack_into(self._memory, place, name, until)
        return 0.0

    def _row(self, name: int) -> tuple[int, float]:
        """Where a client stands, or may stand, and its time."""
        first = name % _SETS * _WAYS * _ROW.size
        rows = [
            (place, *_ROW.unpack_from(self._memory, place)) for place in range(first, first + _WAYS * _ROW.size, 16)
        ]
        for place, other, until in rows:
            if other == name:
                return place, until
        return min(rows, key=lambda row: row[2])[0], 0.0


def rates(chosen: int | None) -> Rates | None:
    """The limit that a setting chooses; None for no limit."""
    return None if chosen == 0 else Rates(PER_MINUTE if chosen is None else chosen)


class RateLimit:
    """Refuses with 429. Comes after the token was judged: who only claims to be somebody is counted by address."""

    def __init__(self, rates: Rates, everybody: bool) -> None:
        """Not `everybody`: what this machine asks of itself without a token is not counted. Behind a proxy on the
        same machine that would be all clients together."""
        self._rates = rates
        self._everybody = everybody

    def guard(self) -> Response | None:
        """Before a call, feedback or a launch is read."""
        if request.blueprint not in (COUNTED if request.method == "POST" else LAUNCHED):
            return None
        client = f"iss {g.token.iss}" if "token" in g else self._address()
        wait = self._rates.take(client) if client else 0.0
        if not wait:
            return None
        log.warning("refused: a client made too many calls")
        seconds = math.ceil(wait)
        words = (
            "This client makes more calls than this service takes from one. Nothing was evaluated: do not read this as "
            f"no contraindication. Try again in {seconds} s."
        )
        response = refusal(CallError(429, "throttled", words))
        response.headers["Retry-After"] = str(seconds)
        return response

    def _address(self) -> str:
        address = request.remote_addr or ""
        return address if self._everybody or not is_loopback(address) else ""
