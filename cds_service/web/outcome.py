"""Every answer of the web layer in JSON, and every refusal as a FHIR OperationOutcome."""

from __future__ import annotations

import logging
import traceback
from typing import Any, Final

import msgspec
from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException

from cds_service.errors import CallError

log = logging.getLogger(__name__)

_ENCODER: Final = msgspec.json.Encoder()
# status -> (FHIR IssueType, constant text) of refusals that Flask, Werkzeug and gunicorn's parser make
_KNOWN: Final = {
    400: ("structure", "request: could not be read; expected HTTP with a complete body"),
    404: ("not-found", "url: nothing is here; GET /cds-services lists the services and their ids"),
    405: ("not-supported", "method: not supported here; the Allow header names those that are"),
    408: ("timeout", "request: took too long to arrive"),
    413: ("too-long", "body: too large for this service"),
    414: ("too-long", "url: too long"),
    415: ("not-supported", "Content-Type: expected application/json"),
    431: ("too-long", "headers: too large; expected at most 16 KB each"),
}
NOT_BUILT: Final = (
    "The pages are not there yet. The service builds them after its start: try again in a moment. "
    "If this lasts, its log says why, or CDS_PAGES names no folder in a service that was not started by serve."
)
"""What is said of /knowledge and /fhir until they are there."""
_RETRY_SECONDS: Final = "2"
_NOT_EVALUATED: Final = "Nothing was evaluated: do not read this as no contraindication. Try again in a moment."
NO_ROOM: Final = CallError(503, "throttled", f"The service has no room for this call. {_NOT_EVALUATED}")
TOO_LATE: Final = CallError(503, "timeout", f"The service found no answer in time. {_NOT_EVALUATED}")
_FAILED: Final = "The service failed to answer. Do not read this as advice. The failure was logged."


def answer(content: Any, status: int = 200) -> Response:
    """`content` as a JSON response."""
    return Response(_ENCODER.encode(content), status=status, mimetype="application/json")


def wants_page() -> bool:
    """Whether the caller asks for HTML rather than for JSON, as browsers do."""
    return request.accept_mimetypes.best_match(["application/json", "text/html"]) == "text/html"


def refusal(error: CallError) -> Response:
    """An OperationOutcome with one issue."""
    issue = {"severity": "error", "code": error.code, "diagnostics": error.diagnostics}
    response = answer({"resourceType": "OperationOutcome", "issue": [issue]}, error.status)
    response.headers["Cache-Control"] = "no-store"
    if error.status == 503:
        response.headers["Retry-After"] = _RETRY_SECONDS
    if error.status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def known(status: int) -> CallError:
    """The constant refusal for an HTTP status that is not of our own making."""
    code, text = _KNOWN.get(status, ("processing", "request: refused") if status < 500 else ("exception", _FAILED))
    return CallError(status, code, text)


def too_large(most: int) -> CallError:
    """The refusal of a body of more than `most` bytes."""
    return CallError(413, "too-long", f"body: too large; expected at most {most} bytes")


def install(app: Flask) -> None:
    """Make every error of `app` an OperationOutcome."""
    app.register_error_handler(CallError, refusal)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(Exception, _failed)


def _http(error: HTTPException) -> Response:
    response = refusal(known(error.code or 500))
    for name, value in error.get_headers():
        if name.lower() not in {"content-type", "content-length"}:
            response.headers[name] = value
    return response


def log_failure(error: BaseException) -> None:
    """What failed and where, without a word of any message."""
    log.error("failed: %s", anatomy(error))


def _failed(error: Exception) -> Response:
    log_failure(error)
    return refusal(known(500))


def anatomy(error: BaseException) -> str:
    """Type and place of an exception and of its causes, on one line, without messages: these may quote a chart."""
    parts = []
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        frames = traceback.extract_tb(cause.__traceback__)
        places = " > ".join(f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames)
        parts.append(f"{type(cause).__module__}.{type(cause).__qualname__} at {places or 'unknown'}")
        cause = cause.__cause__ or cause.__context__
    return "; from ".join(parts)
