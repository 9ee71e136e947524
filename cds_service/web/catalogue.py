"""The catalogue for reviewers under `/knowledge`: the same pages as `anakinra-cds docs`, without patient data."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from threading import Lock
from typing import Final

from flask import Blueprint, Response, redirect, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from cds_service.knowledge import Knowledge
from cds_service.tools.catalogue import CONTENT_SECURITY_POLICY, INDEX, UrlPlaces, data, not_found, render

_ROOT: Final = "knowledge"
_HEADERS: Final = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


@dataclass(frozen=True, slots=True)
class Kept:
    """One page as it is served."""

    body: bytes
    etag: str
    mimetype: str


class CataloguePages:
    """The views; pages are rendered when the first is asked for, and kept: knowledge does not change in a process."""

    def __init__(self, knowledge: Knowledge) -> None:
        self._knowledge = knowledge
        self._places = UrlPlaces(_ROOT)
        self._kept: Mapping[str, Kept] | None = None
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
        response = Response(found.body, headers=_HEADERS, mimetype=found.mimetype)
        response.headers["Cache-Control"] = "no-cache"
        response.set_etag(found.etag)
        response.make_conditional(request)
        return response

    def _all(self) -> Mapping[str, Kept]:
        """Name -> the page; also what stands beside the pages as JSON."""
        with self._lock:
            if self._kept is None:
                made = {name: _kept(text, "text/html") for name, text in render(self._knowledge, self._places).items()}
                made |= {name: _kept(text, "application/json") for name, text in data(self._knowledge).items()}
                self._kept = made
            return self._kept


def _kept(text: str, mimetype: str) -> Kept:
    body = text.encode()
    return Kept(body, hashlib.sha256(body).hexdigest()[:20], mimetype)


def _to_index() -> AnyResponse:
    return redirect(url_for("catalogue.index"), 308)
