"""What is said without the application: that a request cannot be read, came too slowly, or finds no room or no time."""

from __future__ import annotations

import logging
from typing import Final

from flask import Response
from gunicorn.http import errors as http_errors

from cds_service.web import outcome

log = logging.getLogger(__name__)

_STATUS: Final = {
    400: "400 Bad Request",
    408: "408 Request Timeout",
    413: "413 Content Too Large",
    414: "414 URI Too Long",
    431: "431 Request Header Fields Too Large",
    500: "500 Internal Server Error",
    503: "503 Service Unavailable",
}
_TOO_LONG: Final = {http_errors.LimitRequestLine: 414, http_errors.LimitRequestHeaders: 431}
_NOT_EVALUATED: Final = "Nothing was evaluated: do not read this as no contraindication. Try again in a moment."


def _http(status: int, response: Response) -> bytes:
    """A refusal as it goes over the wire; the connection ends with it."""
    body = response.get_data()
    lines = [f"HTTP/1.1 {_STATUS[status]}", "Connection: close", "Content-Type: application/json"]
    lines += ["Cache-Control: no-store", f"Content-Length: {len(body)}"]
    if status == 503:
        lines.append(f"Retry-After: {outcome.RETRY_SECONDS}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def known(status: int) -> bytes:
    """The constant refusal for a status."""
    return _http(status, outcome.http_refusal(status))


def unreadable(error: BaseException) -> bytes:
    """Refuse a request that is no HTTP, or that failed outside the application, with an OperationOutcome."""
    log.warning("unreadable request: %s", outcome.anatomy(error))
    ours = 400 if isinstance(error, http_errors.ParseException) else 500
    return known(_TOO_LONG.get(type(error), ours))


def too_large(most: int) -> bytes:
    """Refuse a body of more bytes than a call may have."""
    return _http(413, outcome.refusal(413, "too-long", f"body: too large; expected at most {most} bytes"))


BUSY: Final = _http(503, outcome.refusal(503, "throttled", f"The service has no room for this call. {_NOT_EVALUATED}"))
LATE: Final = _http(503, outcome.refusal(503, "timeout", f"The service found no answer in time. {_NOT_EVALUATED}"))
CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
