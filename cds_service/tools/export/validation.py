"""Is every exported resource valid FHIR? R4B models accept what is written here in R4."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final

import msgspec
from fhir.resources.R4B import get_fhir_model_class
from pydantic import ValidationError

from cds_service.tools.export.fhir import Json

_ID: Final = re.compile(r"[A-Za-z0-9\-.]{1,64}")


def problems(resources: Iterable[Json]) -> Iterator[str]:
    """One line each: the resource, the element, what was wrong; and ids that two files would share."""
    seen: Counter[str] = Counter()
    for resource in resources:
        name = f"{resource['resourceType']}/{resource['id']}"
        seen[name] += 1
        if seen[name] > 1:
            yield f"{name}: id: expected once (found {seen[name]} times); rename the regimen or card it is made from"
        yield from (f"{name}: {problem}" for problem in _invalid(resource))


def _invalid(resource: Json) -> Iterator[str]:
    if not _ID.fullmatch(resource["id"]):
        yield "id: expected 1 to 64 letters, digits, hyphens and dots; rename what it is made from"
    for path in _empty(resource, ""):
        yield f"{path}: expected a value, or no such element"
    model = get_fhir_model_class(resource["resourceType"])
    try:
        model.model_validate_json(msgspec.json.encode(resource))
    except ValidationError as error:
        for each in error.errors(include_input=False, include_url=False):
            yield f"{'.'.join(str(part) for part in each['loc'])}: {each['msg']}"


def _empty(element: object, path: str) -> Iterator[str]:
    """Where null, or a blank text, an empty array or object stands. FHIR has none of them; the models let them pass."""
    if element in (None, [], {}) or (isinstance(element, str) and not element.strip()):
        yield path
    elif isinstance(element, dict):
        for name, value in element.items():
            yield from _empty(value, f"{path}.{name}" if path else name)
    elif isinstance(element, list):
        for index, value in enumerate(element):
            yield from _empty(value, f"{path}[{index}]")
