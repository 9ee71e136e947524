"""FHIR searches over what is served: which parameters there are, what matches, and which page is wanted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from cds_service.errors import CallError

Json = dict[str, Any]

PARAMETERS: Final = {"_id": "token", "url": "uri", "version": "token", "name": "string"}
"""Search parameters of every type, and their FHIR types."""

_PAGING: Final = ("_count", "_offset")
_FORMAT: Final = "_format"
_FORMATS: Final = frozenset({"json", "text/json", "application/json", "application/fhir+json"})
_DEFAULT_COUNT: Final = 100
_MOST: Final = 500
_MAX_DIGITS: Final = 9


@dataclass(frozen=True, slots=True)
class Search:
    """What is asked for: `wanted` are (parameter, alternatives), all of which must hold."""

    wanted: tuple[tuple[str, tuple[str, ...]], ...]
    count: int
    offset: int


def read(arguments: Iterable[tuple[str, str]]) -> Search:
    """The search of a query string. CallError(400) names no more than what there is, never what was sent."""
    pairs = tuple(arguments)
    for name, _ in pairs:
        if name not in (*PARAMETERS, *_PAGING, _FORMAT):
            known = ", ".join((*PARAMETERS, *_PAGING, _FORMAT))
            raise CallError(400, "not-supported", f"search: a parameter is not supported; there are {known}")
    check_format(pairs)
    wanted = tuple((name, _alternatives(name, value)) for name, value in pairs if name in PARAMETERS)
    count = _whole(pairs, "_count", _DEFAULT_COUNT)
    return Search(wanted, min(count, _MOST), _whole(pairs, "_offset", 0))


def check_format(arguments: Iterable[tuple[str, str]]) -> None:
    """CallError(406) where another format than JSON is asked for."""
    for name, value in arguments:
        # A plus sign that was not escaped arrives as a space; parameters such as fhirVersion may follow.
        if name == _FORMAT and value.split(";")[0].strip().replace(" ", "+") not in _FORMATS:
            raise CallError(406, "not-supported", f"{_FORMAT}: expected application/fhir+json, or json")


def matching(search: Search, resources: Iterable[Json]) -> list[Json]:
    """The resources that match, in their order."""
    return [
        resource
        for resource in resources
        if all(any(_MATCHES[name](resource, text) for text in texts) for name, texts in search.wanted)
    ]


def searchset(search: Search, found: Sequence[Json], base: str, kind: str) -> Json:
    """The Bundle of the page that is asked for; `base` is the url that this server has for the client."""
    page = found[search.offset : search.offset + search.count]
    links = [("self", search.offset)]
    if search.count and search.offset:
        links.append(("previous", max(0, search.offset - search.count)))
    if search.count and search.offset + search.count < len(found):
        links.append(("next", search.offset + search.count))
    bundle: Json = {
        "resourceType": "Bundle",
        "type": "searchset",
        "total": len(found),
        "link": [{"relation": relation, "url": _url(search, base, kind, offset)} for relation, offset in links],
    }
    if page:  # FHIR has no empty arrays
        bundle["entry"] = [
            {"fullUrl": f"{base}/{kind}/{each['id']}", "resource": each, "search": {"mode": "match"}} for each in page
        ]
    return bundle


def _url(search: Search, base: str, kind: str, offset: int) -> str:
    asked = [(name, ",".join(texts)) for name, texts in search.wanted]
    return f"{base}/{kind}?{urlencode([*asked, ('_count', search.count), ('_offset', offset)])}"


def _alternatives(name: str, value: str) -> tuple[str, ...]:
    texts = tuple(text for text in value.split(",") if text)
    if not texts:
        raise CallError(400, "required", f"{name}: expected a value, or several with commas between them")
    return texts


def _whole(arguments: Iterable[tuple[str, str]], wanted: str, default: int) -> int:
    """The last value given, as a whole number that is not negative."""
    found = default
    for name, value in arguments:
        if name == wanted:
            if not (value.isascii() and value.isdigit() and len(value) <= _MAX_DIGITS):
                raise CallError(400, "invalid", f"{wanted}: expected a whole number of at most {_MAX_DIGITS} digits")
            found = int(value)
    return found


def _starts(resource: Json, text: str) -> bool:
    """FHIR's search by string: from the start, upper and lower case alike."""
    return str(resource["name"]).casefold().startswith(text.casefold())


_MATCHES: Final[Mapping[str, Callable[[Json, str], bool]]] = {
    "_id": lambda resource, text: bool(resource["id"] == text),
    "url": lambda resource, text: bool(resource["url"] == text),
    "version": lambda resource, text: bool(resource["version"] == text),
    "name": _starts,
}
