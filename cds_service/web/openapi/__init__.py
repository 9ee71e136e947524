"""`/openapi.json`, the OpenAPI 3.1 description of every endpoint of this service, and `/openapi`, the same as a page.

The description is data: `openapi.yaml` has the paths, `parts.yaml` and `schemas.yaml` what they share,
`explanation.yaml` the extension of a card. Only what other tables say is put in here: words of the public contract,
version, address; and to every operation what holds for all of them.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml
from flask import Blueprint, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from cds_service import __version__
from cds_service.contract import RANK, SERVICES, SEVERITY
from cds_service.web.address import called_url
from cds_service.web.outcome import answer
from cds_service.web.requests import HEADER as REQUEST_ID

_FOLDER: Final = Path(__file__).parent
_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
# What is described only where it is on: its tag, the path below which it lies, and its member of `Served`.
_SWITCHED: Final = {"Workbench": ("/workbench", "workbench"), "SMART app": ("/smart/", "smart")}
_FEEDBACK: Final = "/cds-services/{service_id}/feedback"
Json = dict[str, Any]


def explanation() -> Json:
    """The JSON Schema of the explanation of a card, whole in itself."""
    schema = _read("explanation.yaml")
    schema["properties"]["decision"]["enum"] = list(RANK)
    return {"$schema": _DIALECT, "title": "Anakinra CDS: explanation of a card", **schema}


class Served(NamedTuple):
    """What of the description a service has: feedback where it has a `store`, `tokens` where it asks for them, and the
    `workbench` and the `smart` app where they are on."""

    store: bool
    tokens: bool
    workbench: bool = False
    smart: bool = False


def document(served: Served, address: str = "") -> Json:
    """The description of a service."""
    described, everywhere = _described(served)
    if address:
        described["servers"] = [{"url": address}]
    shared = described["components"]["responses"]
    whole = list(shared.values())
    for path, _, operation in _operations(described):
        added = {status: _refusal(path, name, shared) for status, name in everywhere.items()}
        operation["responses"] = dict(sorted((added | operation["responses"]).items()))
        whole += [each for each in operation["responses"].values() if "$ref" not in each]
    for response in whole:
        response["headers"] = response.get("headers", {}) | {REQUEST_ID: {"$ref": "#/components/headers/RequestId"}}
    return described


def _described(served: Served) -> tuple[Json, Json]:
    """As each operation is described for itself; and, by status, how any may be refused."""
    described = _read("openapi.yaml")
    described["info"]["version"] = __version__
    if not served.store:
        del described["paths"][_FEEDBACK]
    off = {tag: path for tag, (path, switch) in _SWITCHED.items() if not getattr(served, switch)}
    below = tuple(off.values())
    described["paths"] = {path: each for path, each in described["paths"].items() if not path.startswith(below)}
    described["tags"] = [tag for tag in described["tags"] if tag["name"] not in off]
    components = described["components"] = _read("parts.yaml")
    if served.tokens:
        described["security"] = [{"client": []}]
    else:
        del components["securitySchemes"]
    components["parameters"]["service_id"]["schema"]["enum"] = list(SERVICES)
    components["schemas"] = _read("schemas.yaml") | _explained()
    components["schemas"]["Card"]["properties"]["indicator"]["enum"] = list(SEVERITY)
    return described, components.pop("everywhere")


def _operations(described: Json) -> Iterator[tuple[str, str, Json]]:
    """(path, method, operation) of each."""
    for path, methods in described["paths"].items():
        yield from ((path, method, operation) for method, operation in methods.items())


def _refusal(path: str, name: str, shared: Json) -> Json:
    """A shared response as it is at a path: FHIR has a media type of its own."""
    if not path.startswith("/fhir/"):
        return {"$ref": f"#/components/responses/{name}"}
    response: Json = shared[name]
    return response | {"content": {"application/fhir+json": response["content"]["application/json"]}}


def blueprint(served: Served, public_url: str) -> Blueprint:
    """`GET /openapi.json` and `GET /openapi`."""
    pages = Blueprint("openapi", __name__)

    def as_json() -> Response:
        return answer(document(served, public_url or called_url()))

    def as_page() -> Response:
        body, policy = _page(served)
        headers = {"Content-Security-Policy": policy, "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY"}
        return Response(body, headers=headers, mimetype="text/html")

    pages.add_url_rule("/openapi.json", "json", as_json)
    pages.add_url_rule("/openapi", "page", as_page)
    return pages


def _explained() -> Json:
    """The same as members of a description, in which `$defs` of one schema cannot be found."""
    whole = explanation()
    parts = {f"Explanation{name}": schema for name, schema in whole.pop("$defs").items()}
    del whole["$schema"]
    text = json.dumps({"Explanation": whole, **parts})
    moved: Json = json.loads(text.replace('"#/$defs/', '"#/components/schemas/Explanation'))
    return moved


@cache
def _page(served: Served) -> tuple[str, str]:
    """The page, and the policy under which a browser loads nothing for it from anywhere."""
    described, everywhere = _described(served)
    environment = Environment(loader=FileSystemLoader(_FOLDER), autoescape=True, undefined=StrictUndefined)
    style = (_FOLDER / "page.css").read_text(encoding="utf-8")
    schemas = {name: _brief(schema) for name, schema in described["components"]["schemas"].items()}
    tags = {tag["name"]: _told(described, tag["name"]) for tag in described["tags"]}
    refusals = {status: described["components"]["responses"][name] for status, name in everywhere.items()}
    body = environment.get_template("page.html.j2").render(
        info=described["info"], tags=tags, refusals=refusals, schemas=schemas, style=style
    )
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    only = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    return body, f"{only}; style-src 'sha256-{digest}'"


def _told(described: Json, tag: str) -> list[Json]:
    """What is told of each operation of a tag; references to shared parts are followed."""
    found = []
    for path, method, operation in _operations(described):
        if tag in operation["tags"]:
            parameters = [_followed(described, each) for each in operation.get("parameters", ())]
            responses = {status: _followed(described, each) for status, each in operation["responses"].items()}
            told = {"method": method.upper(), "path": path, "parameters": parameters, "responses": responses}
            found.append({"description": "", **operation, **told, "body": _named(operation.get("requestBody"))})
            for response in responses.values():
                response["body"] = _named(response)
    return found


def _followed(described: Json, part: Json) -> Json:
    if "$ref" not in part:
        return {**part}
    _, _, group, name = part["$ref"].split("/")
    return {**described["components"][group][name]}


def _named(part: Json | None) -> list[str]:
    """The media types of a body; for one with a schema of its own, the name of that."""
    content = part.get("content", {}) if part else {}
    named = {media: each["schema"].get("$ref", "").rpartition("/")[2] for media, each in content.items()}
    return [name or media for media, name in named.items()]


def _brief(schema: Json) -> str:
    text: str = yaml.safe_dump(schema, sort_keys=False, allow_unicode=True, width=100)
    return text.replace("$ref: '#/components/schemas/", "is: '")


def _read(name: str) -> Json:
    found: Json = yaml.safe_load((_FOLDER / name).read_text(encoding="utf-8"))
    return found
