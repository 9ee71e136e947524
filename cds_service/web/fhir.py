"""The knowledge as FHIR R4 under `/fhir`, as it was built: read-only, without patient data."""

from __future__ import annotations

import hashlib
from typing import Any, Final

import msgspec
from flask import Blueprint, Response, request

from cds_service.errors import CallError
from cds_service.web import fhir_search
from cds_service.web.address import called_url
from cds_service.web.built import FHIR, Build, BuiltFolder
from cds_service.web.marks import Asked
from cds_service.web.outcome import NOT_BUILT

_ROOT: Final = f"/{FHIR}"
_MEDIA_TYPE: Final = "application/fhir+json"
_ENCODER: Final = msgspec.json.Encoder()


def mark(response: Response, asked: Asked) -> None:
    """Mark every answer below `/fhir`, refusals too, as FHIR."""
    if asked.path == _ROOT or asked.path.startswith(f"{_ROOT}/"):
        response.headers["X-Content-Type-Options"] = "nosniff"
        if response.mimetype == "application/json":
            response.mimetype = _MEDIA_TYPE


class FhirPages:
    """The views of one built folder."""

    def __init__(self, built: BuiltFolder, public_url: str = "") -> None:
        self._built = built
        self._public_url = public_url

    def blueprint(self) -> Blueprint:
        """`GET /fhir/metadata`, `GET /fhir/<type>` and `GET /fhir/<type>/<id>`."""
        pages = Blueprint("fhir", __name__)
        pages.add_url_rule(f"{_ROOT}/metadata", view_func=self.metadata)
        pages.add_url_rule(f"{_ROOT}/<kind>", view_func=self.search)
        pages.add_url_rule(f"{_ROOT}/<kind>/<name>", view_func=self.read)
        return pages

    def metadata(self) -> Response:
        """The CapabilityStatement."""
        fhir_search.check_format(_arguments())
        statement: dict[str, Any] = {**self._all().capability}
        statement["implementation"] = {**statement["implementation"], "url": self._base()}
        return _conditional(_ENCODER.encode(statement))

    def search(self, kind: str) -> Response:
        """One page of the resources of a type that match."""
        resources = _known(self._all(), kind)
        asked = fhir_search.read(_arguments())
        found = fhir_search.matching(asked, resources)
        return _conditional(_ENCODER.encode(fhir_search.searchset(asked, found, self._base(), kind)))

    def read(self, kind: str, name: str) -> Response:
        """One resource."""
        _known(self._all(), kind)
        fhir_search.check_format(_arguments())
        body = self._all().resources.get((kind, name))
        if body is None:
            raise CallError(404, "not-found", f"url: no such resource; GET {_ROOT}/{kind} lists those that there are")
        return _conditional(body)

    def _base(self) -> str:
        """The url of this endpoint: the public one, else that by which it was called."""
        return f"{self._public_url or called_url()}{_ROOT}"

    def _all(self) -> Build:
        build = self._built.build()
        if build is None:
            raise CallError(503, "transient", NOT_BUILT)
        return build


def _known(build: Build, kind: str) -> list[dict[str, Any]]:
    """The resources of a type, in order. CallError(404) where it is none of those that are served."""
    if kind not in build.by_type:
        raise CallError(404, "not-supported", f"url: no such resource type here; there are {', '.join(build.by_type)}")
    return build.by_type[kind]


def _arguments() -> list[tuple[str, str]]:
    return list(request.args.items(multi=True))


def _conditional(body: bytes) -> Response:
    response = Response(body, content_type=_MEDIA_TYPE)
    response.headers["Cache-Control"] = "no-cache"
    response.set_etag(hashlib.sha256(body).hexdigest()[:20], weak=True)
    response.make_conditional(request)
    return response
