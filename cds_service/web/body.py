"""The bytes of a request, at most so many, declared to be uncompressed JSON in UTF-8."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Final

from flask import request
from werkzeug.exceptions import RequestEntityTooLarge

from cds_service.errors import CallError
from cds_service.web.outcome import too_large

_DISCARD_SECONDS: Final = 1.0
_CONTENT_TYPES: Final = frozenset({"application/json", "application/fhir+json"})


def body_of(limit: int) -> bytes:
    """The bytes of the request, at most `limit`, declared to be uncompressed JSON in UTF-8. Raises CallError."""
    if request.headers.get("Content-Encoding", "identity").strip().lower() != "identity":
        raise CallError(415, "not-supported", "Content-Encoding: expected none; send the body uncompressed")
    charset = request.mimetype_params.get("charset", "utf-8").lower()
    if request.mimetype not in _CONTENT_TYPES or charset not in {"utf-8", "utf8"}:
        raise CallError(415, "not-supported", "Content-Type: expected application/json (in UTF-8)")
    # One more byte than allowed: a body without Content-Length is cut at the limit, not refused.
    request.max_content_length = limit + 1
    try:
        body = request.get_data(cache=False)
    except RequestEntityTooLarge:
        _discard(4 * limit)
        raise too_large(limit) from None
    except Exception:  # which error says that the body does not arrive is each WSGI server's own affair
        raise CallError(400, "structure", "body: broken off, stalled or badly chunked; expected a whole body") from None
    if len(body) > limit:
        _discard(4 * limit)
        raise too_large(limit)
    if not body:
        raise CallError(400, "required", "body: missing; expected a JSON object of CDS Hooks")
    return body


def _discard(most: int) -> None:
    """Read on for a while: a connection closed with bytes unread is reset, and the client may never see the refusal."""
    source, until = request.environ["wsgi.input"], time.monotonic() + _DISCARD_SECONDS
    # What breaks off here was to be thrown away; the refusal stands whatever happens to the rest of the body.
    with suppress(Exception):
        while most > 0 and time.monotonic() < until and (chunk := source.read(min(65536, most))):
            most -= len(chunk)
