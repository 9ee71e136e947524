"""A peer: the same view as the limit's, with four plain rules on the dictionaries of the call. Nothing is validated,
nothing unknown, nothing explained: what a first attempt costs.

`python -m benchmarks.peer` serves it on the service's own server.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import orjson
from flask import Flask, Response, request

from benchmarks.limit import LimitServer
from cds_service import settings as settings_module
from cds_service.tools.commands.serve import Server

Resource = dict[str, Any]


def _resources(prefetch: dict[str, Any]) -> Iterator[Resource]:
    for value in prefetch.values():
        if value and value.get("resourceType") == "Bundle":
            yield from (entry["resource"] for entry in value.get("entry", ()))
        elif value:
            yield value


def _words(resource: Resource) -> str:
    found = resource.get("code") or resource.get("medicationCodeableConcept") or {}
    return " ".join([found.get("text", ""), *(c.get("display", "") for c in found.get("coding", ()))]).lower()


def cards(call: dict[str, Any]) -> list[Resource]:
    """Four rules: two doses, a grade, a count that is low, an allergy."""
    told = [(resource, _words(resource)) for resource in _resources(call["prefetch"])]
    doses = [r for r, words in told if r["resourceType"] == "MedicationAdministration" and "tocilizumab" in words]
    syndrome = [r for r, words in told if r["resourceType"] == "Condition" and "cytokine" in words]
    counts = [r["valueQuantity"]["value"] for r, words in told if "neutrophils" in words and "valueQuantity" in r]
    allergies = [r for r, words in told if r["resourceType"] == "AllergyIntolerance" and "coli" in words]
    said = []
    if len(doses) >= 2 and syndrome and not allergies:
        said.append(("Suggest", f"{len(doses)} doses"))
    if allergies:
        said.append(("Stop", "allergy"))
    if counts and min(counts) < 1000:
        said.append(("Neutrophils low", f"{min(counts)}"))
    if syndrome:
        said.append(("Syndrome on record", ""))
    return [{"summary": s, "detail": d, "indicator": "info", "source": {"label": "Peer"}} for s, d in said]


def create_app() -> Flask:
    """One view."""
    app = Flask("peer", static_folder=None)

    def call(service_id: str) -> Response:
        asked = orjson.loads(request.get_data(cache=False))
        return Response(orjson.dumps({"cards": cards(asked)}), mimetype="application/json")

    app.add_url_rule("/cds-services/<service_id>", view_func=call, methods=["POST"])
    return app


class PeerServer(LimitServer):
    """The limit's server, with these rules inside."""

    def __init__(self) -> None:
        Server.__init__(self, settings_module.from_environ(os.environ), "127.0.0.1", 0)

    def load(self) -> Any:
        """The application of one worker."""
        return create_app()


if __name__ == "__main__":
    PeerServer().run()
