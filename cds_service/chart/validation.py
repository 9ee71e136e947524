"""Is this resource valid FHIR R4? Asked only of resources that a fact is about to use.

R4B models accept R4 4.0.1 content for every type read here. What they do not check (status codes, references,
comparators) is checked where it matters, in `facts`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, lru_cache, partial
from typing import Any, Final

import msgspec
from fhir.resources.R4B import get_fhir_model_class
from fhir.resources.R4B.resource import Resource as FHIRResource
from pydantic import ValidationError

from cds_service.chart.sketch import sketches

READ_TYPES = (
    "Patient", "Condition", "AllergyIntolerance", "Procedure", "Observation", "MedicationAdministration",
    "MedicationStatement", "MedicationRequest", "Immunization", "DiagnosticReport", "ServiceRequest",
)  # fmt: skip


# Objects of one resource: a chart's largest have some hundreds. What has more is not read, and said not to be.
MOST_PARTS: Final = 20_000
# Bytes of one resource: with the number of those remembered this bounds the memory (16 MiB).
_LONGEST: Final = 8192


@lru_cache(maxsize=512)
def is_resource_type(name: str) -> bool:
    """Whether FHIR R4 has a resource of this name: an order of DSTU 2 or a misspelling is none."""
    if not name.isascii() or not name.isalpha():
        return False
    try:
        return issubclass(get_fhir_model_class(name), FHIRResource)
    except ValueError:  # fhir.resources says so of a name that it does not know
        return False


# How a server keeps a record, which no fact reads. A member that R4 does not know is none of them, since it may say
# that a drug was not given; but for the date that STU 3 put beside the others.
_UNREAD: Final = frozenset({"id", "identifier", "language", "text", "assertedDate"})
_UNREAD_META: Final = frozenset({"versionId", "lastUpdated", "source", "profile"})


def as_read(raw: Mapping[str, Any]) -> dict[str, Any]:
    """The resource without the members that no fact reads: what is wrong with these takes nothing from the others."""
    kept = {name: value for name, value in raw.items() if name not in _UNREAD}
    if isinstance(meta := kept.get("meta"), dict):
        kept["meta"] = {name: value for name, value in meta.items() if name not in _UNREAD_META}
    return kept


INVALID: Final = "not valid FHIR R4"
_NO_BRACKETS: Final = str.maketrans("[]", "()")
_sketches = cache(partial(sketches, READ_TYPES))


def problem_of(raw: Mapping[str, Any]) -> str:
    """What is wrong, by element, without repeating the chart's own values; "" where nothing is."""
    kind = raw.get("resourceType")
    if not isinstance(kind, str) or kind not in READ_TYPES:
        return f"resource type {str(kind)[:40]!r} is not read"
    encoded = msgspec.json.encode(raw)
    if encoded.count(b"{") > MOST_PARTS:
        return f"it has more than {MOST_PARTS} parts"
    try:
        _sketches()[kind].decode(encoded)
    except (msgspec.MsgspecError, RecursionError):  # not surely valid: the models say
        return _remembered(kind, encoded) if len(encoded) <= _LONGEST else _problem(kind, encoded)
    return ""


@lru_cache(maxsize=2048)
def _remembered(kind: str, encoded: bytes) -> str:
    """Remembered by content: a validation by the models costs a hundred times what encoding does."""
    return _problem(kind, encoded)


def _problem(kind: str, encoded: bytes) -> str:
    try:
        get_fhir_model_class(kind).model_validate(msgspec.json.decode(encoded))
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        return invalid(f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}")
    except Exception as error:  # fhir.resources answers malformed content with bare Python errors of many kinds
        return invalid(type(error).__name__)
    return ""


def invalid(why: str) -> str:
    """A problem in the words of whoever validated: they stand between brackets, and a card leaves them out."""
    return f"{INVALID} [{why.translate(_NO_BRACKETS)[:160]}]"


@lru_cache(maxsize=len(READ_TYPES))
def elements_of(kind: str) -> Mapping[str, str]:
    """The elements that R4 knows of a type of resource; for each that is one of a choice (`reported[x]`) which one."""
    found = get_fhir_model_class(kind).model_fields.values()
    more = ((field.alias, field.json_schema_extra) for field in found)
    return {str(name): str(extra.get("one_of_many", "")) if isinstance(extra, dict) else "" for name, extra in more}


def warm() -> None:
    """Import and build the model classes at start: the first one costs hundreds of milliseconds."""
    for kind in READ_TYPES:
        problem_of({"resourceType": kind})
