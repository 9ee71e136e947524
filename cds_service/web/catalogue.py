"""The catalogue for reviewers under `/knowledge`, as it was built; without patient data."""

from __future__ import annotations

import re
from typing import Final

from flask import Blueprint, Response, redirect, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from cds_service.web.built import PAGES, BuiltFolder
from cds_service.web.outcome import NOT_BUILT, RETRY_SECONDS

_HEADERS: Final = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_LINK: Final = re.compile(rb'href="(?!#)')  # a link that leads to another page


class CataloguePages:
    """The views of one built folder."""

    def __init__(self, built: BuiltFolder) -> None:
        self._built = built

    def blueprint(self) -> Blueprint:
        """`GET /knowledge` and below."""
        pages = Blueprint("catalogue", __name__)
        pages.add_url_rule(f"/{PAGES}", "index", self.page, defaults={"name": ""})
        pages.add_url_rule(f"/{PAGES}/<path:name>", "page", self.page)
        # The pages' links are relative to an index without a slash at its end.
        pages.add_url_rule(f"/{PAGES}/", "slash", _to_index)
        return pages

    def page(self, name: str) -> Response:
        """One page; a page of the same style, never the name asked for, where there is none."""
        build = self._built.build()
        if build is None:
            return Response(f"{NOT_BUILT}\n", 503, {"Retry-After": RETRY_SECONDS, **_HEADERS}, "text/plain")
        headers = {"Content-Security-Policy": build.content_security_policy, **_HEADERS}
        found = build.pages.get(name)
        if found is None:
            # It was written as a page right below the index; this one stands deeper by each slash.
            lower = _LINK.sub(b'href="' + b"../" * name.count("/"), build.not_found)
            return Response(lower, status=404, headers=headers, mimetype="text/html")
        response = Response(found.body, headers=headers, mimetype=found.mimetype)
        response.headers["Cache-Control"] = "no-cache"
        response.set_etag(found.etag)
        response.make_conditional(request)
        return response


def _to_index() -> AnyResponse:
    return redirect(url_for("catalogue.index"), 308)
