"""The id of a request: in every line that is logged for it, and in the answer, so that both can be found together."""

from __future__ import annotations

import re
import time
from typing import Final
from uuid import uuid4

from flask import Flask, Response, g, request

from cds_service.web.logs import REQUEST

HEADER: Final = "X-Request-ID"
# What proxies make. Anything else could be a name, and is not taken over.
_ID: Final = re.compile(r"[0-9a-fA-F]{8}-?(?:[0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}")


def install(app: Flask) -> None:
    """Give each request of `app` its id: that of the caller where it is a UUID, else one of our own."""
    app.before_request(_begin)
    app.after_request(_name)


def _begin() -> None:
    g.started = time.perf_counter()
    sent = request.headers.get(HEADER, "")
    REQUEST.set(sent.lower() if _ID.fullmatch(sent) else str(uuid4()))


def _name(response: Response) -> Response:
    response.headers[HEADER] = REQUEST.get()
    return response


def seconds() -> float:
    """Since this request began."""
    started: float = g.started
    return time.perf_counter() - started
