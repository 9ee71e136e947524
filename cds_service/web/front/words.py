"""What is said without the application: that a request cannot be read, came too slowly, or finds no room or no time."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from email.utils import formatdate
from threading import Lock
from typing import Final

from flask import Response
from gunicorn.http import errors as http_errors

from cds_service.errors import CallError
from cds_service.web import outcome
from cds_service.web.logs import REQUEST
from cds_service.web.marks import Asked, Mark

log = logging.getLogger(__name__)

CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
_TOO_LONG: Final = {http_errors.LimitRequestLine: 414, http_errors.LimitRequestHeaders: 431}
COUNTED_AS: Final = {
    400: "malformed",
    408: "too slow",
    413: "body too large",
    414: "address too long",
    431: "headers too large",
    500: "failed",
}
"""What a refusal is counted as, by its status: words of our own."""


class Refusals:
    """Answers of one worker in place of its application: with the headers of any other, and counted."""

    def __init__(self, marks: Sequence[Mark], count: Callable[[str], None]) -> None:
        self._marks = marks
        self._count = count
        self._untold: Counter[str] = Counter()
        self._lock = Lock()

    def no_room(self, asked: Asked) -> bytes:
        """There are too many calls."""
        return self._said(outcome.NO_ROOM, asked, "no room")

    def too_late(self, asked: Asked) -> bytes:
        """A thread found no answer in time."""
        return self._said(outcome.TOO_LATE, asked, "no answer in time")

    def too_large(self, most: int, asked: Asked) -> bytes:
        """The body is of more bytes than a call may have."""
        return self._said(outcome.too_large(most), asked, COUNTED_AS[413])

    def known(self, status: int, asked: Asked) -> bytes:
        """The constant refusal for a status."""
        return self._said(outcome.known(status), asked, COUNTED_AS[status])

    def unreadable(self, error: BaseException, asked: Asked) -> bytes:
        """Refuse a request that is no HTTP, or that failed outside the application."""
        REQUEST.set(asked.id)
        log.warning("unreadable request: %s", outcome.anatomy(error))
        ours = 400 if isinstance(error, http_errors.ParseException) else 500
        return self.known(_TOO_LONG.get(type(error), ours), asked)

    def told(self) -> str:
        """How many calls were refused since this was last asked, and why; empty where none was."""
        with self._lock:
            found = ", ".join(f"{why}: {number}" for why, number in self._untold.items())
            self._untold.clear()
        return found

    def _said(self, refusal: CallError, asked: Asked, why: str) -> bytes:
        self._count(why)
        with self._lock:
            self._untold[why] += 1
        response = outcome.refusal(refusal)
        for mark in self._marks:
            mark(response, asked)
        return _wire(response, asked.method)


def _wire(response: Response, method: str) -> bytes:
    """A response as it goes over the wire; the connection ends with it."""
    lines = [f"HTTP/1.1 {response.status}", "Connection: close", f"Date: {formatdate(usegmt=True)}"]
    lines += [f"{name}: {value}" for name, value in response.headers]
    body = b"" if method == "HEAD" else response.get_data()
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body
