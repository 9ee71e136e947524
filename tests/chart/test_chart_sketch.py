"""The sketch accepts nothing that the models of fhir.resources refuse, and most of what they accept."""

from __future__ import annotations

import json
import random
from collections import defaultdict
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import msgspec
import pytest
from fhir.resources.R4B import get_fhir_model_class

from cds_service.chart.sketch import sketches
from cds_service.chart.validation import INVALID, READ_TYPES, problem_of
from tests.support.examples import EXAMPLES

SKETCHES = sketches(READ_TYPES)
# Values that belong somewhere and stand somewhere else, or stand nowhere.
JUNK: list[Any] = [
    None, "", " ", "x", "a b", "a\u00a0b", "\u200b", "\x1c", "a\n", "2026-02-29", "2026-02-30", "2026-2-3", "2026-13",
    "2024", "2026-03", "2026-03-01T10:00", "2026-03-01T10:00:00", "2026-03-01T24:00:00Z", "2026-03-01T10:00:60Z",
    "2026-03-01T10:00:00.1234567Z", "2026-03-01T10:00:00+14:30", "2026-03-01T10:00:00Z\n", "0000-01-01", "10:00:00",
    "2026-04-31", True, 0, -1, 1.5, 1e300, 10**12, [], {}, [None], [{}], ["x"], {"value": "x"}, {"coding": []},
    {"coding": [{"code": " "}]}, {"reference": 1}, {"extension": [{"valueString": "x"}]}, "Patient/1", 1e-7,
    {"extension": [{"url": "http://x.org", "valueString": "x", "valueCode": "x"}]},
    {"value": 1, "unit": "mg", "comparator": "<"},
]  # fmt: skip
# Elements of a choice, and others that a type may not know.
KEYS = (
    "valueString", "valueQuantity", "valueDateTime", "effectiveDateTime", "effectivePeriod", "onsetDateTime",
    "onsetAge", "medicationReference", "medicationCodeableConcept", "occurrenceDateTime", "occurrenceString",
    "performedDateTime", "deceasedBoolean", "deceasedDateTime", "dosageInstruction", "dosage", "note", "meta", "text",
    "id", "status", "_status", "contained", "extension", "implicitRules", "unheard-of", "fhir_comments",
    "resource_type", "status__ext",
)  # fmt: skip
# Of types that no example holds.
MORE: list[dict[str, Any]] = [
    {"resourceType": "DiagnosticReport", "id": "r", "status": "final", "code": {"text": "Blood culture"},
     "subject": {"reference": "Patient/1"}, "issued": "2026-03-01T10:00:00.5Z", "result": [{"reference": "Obs/1"}],
     "effectivePeriod": {"start": "2026-03-01", "end": "2026-03-02T08:00:00+01:00"}, "conclusion": "No growth"},
    {"resourceType": "ServiceRequest", "id": "s", "status": "active", "intent": "order", "code": {"text": "Ferritin"},
     "subject": {"reference": "Patient/1"}, "authoredOn": "2026-03-01T10:00:00Z", "note": [{"text": "fasting"}],
     "quantityQuantity": {"value": 2, "unit": "tubes"}, "asNeededBoolean": False},
]  # fmt: skip


def _resources() -> Iterator[dict[str, Any]]:
    for path in sorted(EXAMPLES.rglob("*.json")):
        yield from _inside(json.loads(path.read_text()))
    yield from MORE


def _inside(value: Any) -> Iterator[dict[str, Any]]:
    """Every resource of a type that is read, wherever it stands in a document."""
    if isinstance(value, dict):
        if value.get("resourceType") in READ_TYPES:
            yield value
        for each in value.values():
            yield from _inside(each)
    elif isinstance(value, list):
        for each in value:
            yield from _inside(each)


def _by_type() -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for resource in _resources():
        found[resource["resourceType"]].append(resource)
    return found


BY_TYPE = _by_type()


def accepts(resource: dict[str, Any]) -> bool:
    try:
        SKETCHES[resource["resourceType"]].decode(msgspec.json.encode(resource))
    except msgspec.MsgspecError:
        return False
    return True


def refused(resource: dict[str, Any]) -> str:
    """What the models say against a resource; "" where they accept it."""
    try:
        get_fhir_model_class(resource["resourceType"]).model_validate(deepcopy(resource))
    except Exception as error:
        return str(error) or type(error).__name__
    return ""


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Each (container, key) of a document."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield value, key
        yield from _places(inner)


def slip(resource: dict[str, Any], dice: random.Random) -> dict[str, Any]:
    """The resource with one to three things wrong, or only other."""
    other = deepcopy(resource)
    for _ in range(dice.randint(1, 3)):
        container, key = dice.choice([(c, k) for c, k in _places(other) if k != "resourceType"] or [(other, "id")])
        how = dice.randrange(5)
        if how == 0 and isinstance(container, dict):
            container[dice.choice(KEYS)] = deepcopy(dice.choice(JUNK))
        elif how == 1 and isinstance(container, dict):
            container.pop(key, None)
        elif how == 2 and isinstance(container, dict):
            container[dice.choice(KEYS)] = deepcopy(container.get(key))
        else:
            container[key] = deepcopy(dice.choice(JUNK))
    return other


@pytest.mark.parametrize("kind", READ_TYPES)
def test_what_the_sketch_accepts_the_models_accept(kind: str) -> None:
    dice = random.Random(kind)
    accepted = 0
    for _ in range(600):
        other = slip(dice.choice(BY_TYPE[kind]), dice)
        if accepts(other):
            accepted += 1
            assert not refused(other), json.dumps(other)
    assert accepted > 20  # slips that are none: the property is about something


@pytest.mark.parametrize("kind", READ_TYPES)
def test_the_sketch_accepts_what_is_ordinary(kind: str) -> None:
    valid = [r for r in BY_TYPE[kind] if not refused(r)]
    assert valid
    assert sum(map(accepts, valid)) / len(valid) > 0.9


def test_what_is_not_surely_valid_is_said_by_the_models() -> None:
    wrong = {"resourceType": "Observation", "status": "final", "code": {"text": "x"}, "valueString": "x", "unheard": 1}
    assert problem_of(wrong).startswith(f"{INVALID} [unheard: ")
    assert problem_of({"resourceType": "Observation", "code": {"text": "x"}}).startswith(f"{INVALID} [status: ")
    assert problem_of({"resourceType": ["Observation"]}) == "resource type \"['Observation']\" is not read"
