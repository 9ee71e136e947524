"""The first page, `/`: a browser is led to the workbench, or to the catalogue; anything else is told which endpoints
there are."""

from __future__ import annotations

from typing import Final

from flask import Blueprint, redirect, url_for
from werkzeug.wrappers import Response

from cds_service import __version__
from cds_service.web.outcome import answer, wants_page

_ENDPOINTS: Final = {
    "discovery": "/cds-services",
    "knowledge": "/knowledge",
    "fhir": "/fhir/metadata",
    "openapi": "/openapi.json",
    "health": "/health",
    "ready": "/ready",
    "metrics": "/metrics",
}


def blueprint(public_url: str, *, workbench: bool) -> Blueprint:
    """`GET /`; the addresses in its answer are relative to `public_url`, where that is set."""
    pages = Blueprint("entry", __name__)
    first, view = ("workbench", "workbench.index") if workbench else ("knowledge", "catalogue.index")
    endpoints = _ENDPOINTS | ({"workbench": "/workbench"} if workbench else {})

    def entry() -> Response:
        if wants_page():
            response = redirect(f"{public_url}/{first}" if public_url else url_for(view), 303)
        else:
            addresses = {name: f"{public_url}{path}" for name, path in endpoints.items()}
            response = answer({"service": "anakinra-cds", "version": __version__, "endpoints": addresses})
        response.vary.add("Accept")
        return response

    pages.add_url_rule("/", view_func=entry)
    return pages
