"""The catalogue for reviewers under `/knowledge`, as it was built; without patient data."""

from __future__ import annotations

import re
from typing import Final

from flask import Blueprint, Response, redirect, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from cds_service.errors import CallError
from cds_service.web.built import PAGES, BuiltFolder
from cds_service.web.outcome import NOT_BUILT, refusal, wants_page

_HEADERS: Final = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_NO_PAGE: Final = CallError(404, "not-found", f"url: no such page; GET /{PAGES} leads to those that there are")
_NOT_YET: Final = f'<!doctype html><html lang="en"><title>Not there yet</title><p>{NOT_BUILT}</p></html>'.encode()
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
        """One page. What is refused never names what was asked for."""
        build = self._built.build()
        if build is None:
            return _refused(CallError(503, "transient", NOT_BUILT), _NOT_YET, "default-src 'none'")
        found = build.pages.get(name)
        if found is None:
            # It was written as a page right below the index; this one stands deeper by each slash.
            lower = _LINK.sub(b'href="' + b"../" * name.count("/"), build.not_found)
            return _refused(_NO_PAGE, lower, build.content_security_policy)
        headers = {"Content-Security-Policy": build.content_security_policy, **_HEADERS}
        response = Response(found.body, headers=headers, mimetype=found.mimetype)
        response.headers["Cache-Control"] = "no-cache"
        response.set_etag(found.etag)
        response.make_conditional(request)
        return response


def _refused(error: CallError, page: bytes, policy: str) -> Response:
    """A refusal as a page, for who asks for one; for anyone else an OperationOutcome, like every other."""
    response = refusal(error)
    if wants_page():
        response.data = page
        response.mimetype = "text/html"
        response.headers["Content-Security-Policy"] = policy
    response.headers.update(_HEADERS)
    response.vary.add("Accept")
    return response


def _to_index() -> AnyResponse:
    return redirect(url_for("catalogue.index"), 308)
