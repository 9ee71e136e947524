"""Cross-origin access for browser clients: an exact allowlist, off while that list is empty."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from flask import Flask, Response, request

from cds_service.errors import SettingsError

_ORIGIN: Final = re.compile(r"https?://[a-z0-9.\-]+(:[0-9]{1,5})?|https?://\[[0-9a-f:]+\](:[0-9]{1,5})?")
_PATH: Final = "/cds-services"
_MAX_AGE: Final = "600"


def allowlist(origins: Iterable[str], where: str) -> frozenset[str]:
    """`origins`, each proven to be one exact origin; `where` names the setting or file in the error."""
    found = frozenset(origins)
    for origin in sorted(found):
        if not _ORIGIN.fullmatch(origin):
            raise SettingsError(
                f"{where}: {origin!r} is no origin; expected scheme://host[:port] in lower case without a path "
                f"(never * or null), for example https://ehr.example.org"
            )
    return found


def install(app: Flask, origins: frozenset[str]) -> None:
    """Answer preflights under `/cds-services`, before any authentication, and mark every answer there."""

    def preflight() -> Response | None:
        # A path that no route has stays a 404: request.url_rule is None there.
        if request.method == "OPTIONS" and request.url_rule is not None and _ours():
            return Response(status=204)
        return None

    def mark(response: Response) -> Response:
        if not _ours():
            return response
        response.vary.add("Origin")
        origin = request.headers.get("Origin")
        if origin in origins:
            response.headers["Access-Control-Allow-Origin"] = str(origin)
            if request.method == "OPTIONS":
                response.headers["Access-Control-Allow-Methods"] = "GET, POST, OPTIONS"
                response.headers["Access-Control-Allow-Headers"] = "authorization, content-type"
                response.headers["Access-Control-Max-Age"] = _MAX_AGE
        return response

    app.before_request(preflight)
    app.after_request(mark)


def _ours() -> bool:
    return request.path == _PATH or request.path.startswith(_PATH + "/")
