"""What the read-only FHIR endpoint can do, as a CapabilityStatement."""

from __future__ import annotations

from datetime import date

from cds_service import __version__
from cds_service.tools.export.collection import TYPES
from cds_service.tools.export.fhir import DRAFT_NOTICE, Json
from cds_service.web.fhir_search import PARAMETERS


def capability_statement(digest: str, site: str, today: date) -> Json:
    """The statement of a server of what was built `today`. The server adds its own address, `implementation.url`."""
    return {
        "resourceType": "CapabilityStatement",
        "name": "AnakinraCdsKnowledge",
        "title": "Knowledge of the Anakinra CDS, read-only",
        "status": "draft",
        "experimental": True,
        "date": today.isoformat(),
        "kind": "instance",
        "description": f"{DRAFT_NOTICE} There is no patient data here.",
        "software": {"name": "anakinra-cds", "version": __version__},
        "implementation": {"description": f"Knowledge {digest} at the site {site}"},
        "fhirVersion": "4.0.1",
        "format": ["application/fhir+json"],
        "rest": [{"mode": "server", "resource": [_resource(kind) for kind in TYPES]}],
    }


def _resource(kind: str) -> Json:
    return {
        "type": kind,
        "interaction": [{"code": "read"}, {"code": "search-type"}],
        "versioning": "no-version",
        "searchParam": [{"name": name, "type": of} for name, of in PARAMETERS.items()],
    }
