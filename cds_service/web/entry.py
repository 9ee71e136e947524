"""The first page, `/`: a browser is led to the catalogue, anything else is told which endpoints there are."""

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


def blueprint(public_url: str) -> Blueprint:
    """`GET /`; the addresses in its answer are relative to `public_url`, where that is set."""
    pages = Blueprint("entry", __name__)

    def entry() -> Response:
        if wants_page():
            response = redirect(f"{public_url}/knowledge" if public_url else url_for("catalogue.index"), 303)
        else:
            endpoints = {name: f"{public_url}{path}" for name, path in _ENDPOINTS.items()}
            response = answer({"service": "anakinra-cds", "version": __version__, "endpoints": endpoints})
        response.vary.add("Accept")
        return response

    pages.add_url_rule("/", view_func=entry)
    return pages
