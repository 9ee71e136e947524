"""The knowledge as FHIR R4 under `/fhir`, read-only and without patient data: for systems that take it over."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from threading import Lock
from typing import Any, Final

import msgspec
from flask import Blueprint, Response, request

from cds_service.errors import CallError, KnowledgeError
from cds_service.knowledge import Knowledge
from cds_service.tools.export import TYPES, capability_statement, checked, search
from cds_service.web.address import called_url

log = logging.getLogger(__name__)

_ROOT: Final = "/fhir"
_MEDIA_TYPE: Final = "application/fhir+json"
_ENCODER: Final = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class _Kept:
    """What is served: the resources of each type in order, each as bytes by type and id, and since when."""

    by_type: Mapping[str, list[dict[str, Any]]]
    bodies: Mapping[tuple[str, str], bytes]
    since: date


class FhirPages:
    """The views; resources are made when the first is asked for, and kept: knowledge does not change in a process."""

    def __init__(self, knowledge: Knowledge, public_url: str = "") -> None:
        self._knowledge = knowledge
        self._public_url = public_url
        self._kept: _Kept | None = None
        self._lock = Lock()

    def blueprint(self) -> Blueprint:
        """`GET /fhir/metadata`, `GET /fhir/<type>` and `GET /fhir/<type>/<id>`."""
        pages = Blueprint("fhir", __name__)
        pages.add_url_rule(f"{_ROOT}/metadata", view_func=self.metadata)
        pages.add_url_rule(f"{_ROOT}/<kind>", view_func=self.search)
        pages.add_url_rule(f"{_ROOT}/<kind>/<name>", view_func=self.read)
        # Of the app: a refusal that no route has made belongs to no blueprint.
        pages.after_app_request(_as_fhir)
        return pages

    def metadata(self) -> Response:
        """The CapabilityStatement."""
        search.check_format(_arguments())
        knowledge = self._knowledge
        statement = capability_statement(self._base(), knowledge.digest, knowledge.site.id, self._all().since)
        return _conditional(_ENCODER.encode(statement))

    def search(self, kind: str) -> Response:
        """One page of the resources of a type that match."""
        _known(kind)
        asked = search.read(_arguments())
        found = search.matching(asked, self._all().by_type[kind])
        return _conditional(_ENCODER.encode(search.searchset(asked, found, self._base(), kind)))

    def read(self, kind: str, name: str) -> Response:
        """One resource."""
        _known(kind)
        search.check_format(_arguments())
        body = self._all().bodies.get((kind, name))
        if body is None:
            raise CallError(404, "not-found", f"url: no such resource; GET {_ROOT}/{kind} lists those that there are")
        return _conditional(body)

    def _base(self) -> str:
        """The url of this endpoint: the public one, else that by which it was called."""
        return f"{self._public_url or called_url()}{_ROOT}"

    def _all(self) -> _Kept:
        with self._lock:
            if self._kept is None:
                self._kept = _made(self._knowledge)
            return self._kept


def _made(knowledge: Knowledge) -> _Kept:
    try:
        found = checked(knowledge)
    except KnowledgeError as error:
        log.error("export: not valid FHIR: %s", "; ".join(error.problems))
        raise CallError(
            500, "exception", "export: these knowledge files do not make valid FHIR; anakinra-cds export says why"
        ) from error
    return _Kept(
        by_type={kind: [resource for resource in found if resource["resourceType"] == kind] for kind in TYPES},
        bodies={(resource["resourceType"], resource["id"]): _ENCODER.encode(resource) for resource in found},
        since=datetime.now(UTC).date(),
    )


def _known(kind: str) -> None:
    if kind not in TYPES:
        raise CallError(404, "not-supported", f"url: no such resource type here; there are {', '.join(TYPES)}")


def _arguments() -> list[tuple[str, str]]:
    return list(request.args.items(multi=True))


def _conditional(body: bytes) -> Response:
    response = Response(body, content_type=_MEDIA_TYPE)
    response.headers["Cache-Control"] = "no-cache"
    response.set_etag(hashlib.sha256(body).hexdigest()[:20], weak=True)
    response.make_conditional(request)
    return response


def _as_fhir(response: Response) -> Response:
    """Mark every answer below `/fhir`, refusals too, as FHIR."""
    if request.path == _ROOT or request.path.startswith(f"{_ROOT}/"):
        response.headers["X-Content-Type-Options"] = "nosniff"
        if response.mimetype == "application/json":
            response.mimetype = _MEDIA_TYPE
    return response
