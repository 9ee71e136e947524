"""The id of a request: in every line that is logged for it, and in the answer, so that both can be found together."""

from __future__ import annotations

import time
from typing import Final

from flask import Flask, Response, g, request

from cds_service.web.logs import REQUEST
from cds_service.web.marks import Asked, request_id

HEADER: Final = "X-Request-ID"


def install(app: Flask) -> None:
    """Give each request of `app` its id."""
    app.before_request(_begin)


def mark(response: Response, asked: Asked) -> None:
    """Name the request."""
    response.headers[HEADER] = asked.id


def _begin() -> None:
    g.started = time.perf_counter()
    REQUEST.set(request_id(request.headers.get(HEADER, "")))


def began() -> float:
    """When this request did, by `perf_counter`."""
    started: float = g.started
    return started


def seconds() -> float:
    """Since this request began."""
    return time.perf_counter() - began()
