"""Cross-origin access for browser clients: an exact allowlist, off while that list is empty."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from flask import Flask, Response, request

from cds_service.errors import SettingsError
from cds_service.web.marks import Asked, Mark

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


def marker(origins: frozenset[str]) -> Mark:
    """Marks every answer under `/cds-services`, so that a page of one of `origins` may read it."""

    def mark(response: Response, asked: Asked) -> None:
        if not _ours(asked.path):
            return
        response.vary.add("Origin")
        if asked.origin in origins:
            response.headers["Access-Control-Allow-Origin"] = asked.origin
            if asked.method == "OPTIONS":
                response.headers["Access-Control-Allow-Methods"] = "GET, POST, OPTIONS"
                response.headers["Access-Control-Allow-Headers"] = "authorization, content-type"
                response.headers["Access-Control-Max-Age"] = _MAX_AGE

    return mark


def install(app: Flask) -> None:
    """Answer preflights under `/cds-services`, before any authentication."""

    def preflight() -> Response | None:
        # A path that no route has stays a 404: request.url_rule is None there.
        if request.method == "OPTIONS" and request.url_rule is not None and _ours(request.path):
            return Response(status=204)
        return None

    app.before_request(preflight)


def _ours(path: str) -> bool:
    return path == _PATH or path.startswith(_PATH + "/")
