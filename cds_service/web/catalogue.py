"""The catalogue for reviewers under `/knowledge`: the same pages as `anakinra-cds docs`, without patient data."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from threading import Lock
from typing import Final

from flask import Blueprint, Response, redirect, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from cds_service.catalogue import CONTENT_SECURITY_POLICY, INDEX, UrlPlaces, not_found, render
from cds_service.knowledge import Knowledge

_ROOT: Final = "knowledge"
_HEADERS: Final = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class CataloguePages:
    """The views; pages are rendered when the first is asked for, and kept: knowledge does not change in a process."""

    def __init__(self, knowledge: Knowledge) -> None:
        self._knowledge = knowledge
        self._places = UrlPlaces(_ROOT)
        self._kept: Mapping[str, tuple[bytes, str]] | None = None
        self._lock = Lock()

    def blueprint(self) -> Blueprint:
        """`GET /knowledge` and below."""
        pages = Blueprint("catalogue", __name__)
        pages.add_url_rule(f"/{_ROOT}", "index", self.page, defaults={"name": INDEX})
        pages.add_url_rule(f"/{_ROOT}/<path:name>", "page", self.page)
        # The pages' links are relative to an index without a slash at its end.
        pages.add_url_rule(f"/{_ROOT}/", "slash", _to_index)
        return pages

    def page(self, name: str) -> Response:
        """One page; a page of the same style, never the name asked for, where there is none."""
        found = self._all().get(name)
        if found is None:
            text = not_found(self._knowledge, self._places, name)
            return Response(text, status=404, headers=_HEADERS, mimetype="text/html")
        body, etag = found
        response = Response(body, headers=_HEADERS, mimetype="text/html")
        response.headers["Cache-Control"] = "no-cache"
        response.set_etag(etag)
        response.make_conditional(request)
        return response

    def _all(self) -> Mapping[str, tuple[bytes, str]]:
        """Name -> the page and its ETag."""
        with self._lock:
            if self._kept is None:
                encoded = {n: text.encode() for n, text in render(self._knowledge, self._places).items()}
                self._kept = {n: (body, hashlib.sha256(body).hexdigest()[:20]) for n, body in encoded.items()}
            return self._kept


def _to_index() -> AnyResponse:
    return redirect(url_for("catalogue.index"), 308)
