"""How a hostile chart is made: the example patient's call with much of one thing in it, of about so many bytes."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping
from typing import Any, Final

Call = Mapping[str, Any]
Resource = dict[str, Any]
# The body of a call of about so many bytes.
Attack = Callable[[Call, int], bytes]

LOINC: Final = "http://loinc.org"
SNOMED: Final = "http://snomed.info/sct"
OURS: Final = "https://anakinra-cds.org/CodeSystem/observation"
_BY_PATIENT: Final = ("AllergyIntolerance", "Immunization")


def body(call: Call) -> bytes:
    """A call as it is sent."""
    return json.dumps(call, separators=(",", ":"), ensure_ascii=False).encode()


def room_of(base: Call, size: int) -> int:
    """How many bytes may be added to the call."""
    return size - len(body(base)) - 1000


def rows(key: str, make: Callable[[int], Resource]) -> Attack:
    """Many resources in one prefetch value."""
    return lambda base, size: added(base, key, lambda count_of: [make(n) for n in range(count_of(make(5000)))], size)


def inside(key: str, make: Callable[[int], Resource]) -> Attack:
    """One resource that fills the room: `make` is told how many bytes it may have."""
    return lambda base, size: added(base, key, lambda _: [make(room_of(base, size))], size)


def added(base: Call, key: str, make: Callable[[Callable[[Resource], int]], list[Resource]], size: int) -> bytes:
    """The call with more of the patient's resources in one prefetch value."""
    call = copy.deepcopy(dict(base))
    subject = {"reference": f"Patient/{call['context']['patientId']}"}

    def entry(made: Resource) -> Resource:
        return {"resource": {"patient" if made["resourceType"] in _BY_PATIENT else "subject": subject} | made}

    value = call["prefetch"][key]
    more = make(lambda unit: _count(entry(unit), room_of(base, size)))
    value["entry"] = [*value.get("entry", []), *map(entry, more)]
    value["total"] = len(value["entry"])
    return body(call)


def drafts(make: Callable[[int], list[Resource]]) -> Attack:
    """Other draft orders, all selected: `make` is told how many bytes they may have."""

    def attack(base: Call, size: int) -> bytes:
        call = copy.deepcopy(dict(base))
        made = make(room_of(base, size))
        call["context"]["draftOrders"]["entry"] = [{"resource": draft} for draft in made]
        call["context"]["selections"] = [f"MedicationRequest/{draft['id']}" for draft in made]
        return body(call)

    return attack


def raw(key: str, item: str, head: str = '{"resourceType":"Bundle","entry":') -> Attack:
    """A prefetch value of raw JSON, whatever it means: one item again and again."""

    def attack(base: Call, size: int) -> bytes:
        call = copy.deepcopy(dict(base))
        call["prefetch"][key] = "@HERE@"
        items = ",".join([item] * (room_of(base, size) // (len(item) + 1)))
        return body(call).replace(b'"@HERE@"', f"{head}[{items}]}}".encode())

    return attack


def _count(unit: object, room: int) -> int:
    return max(room // (len(body({"": unit})) - 4), 1)


def many(unit: Any, room: int) -> list[Any]:
    """The same thing so often that it fills the room."""
    return [unit] * _count(unit, room)


def numbered(make: Callable[[int], Any], room: int) -> list[Any]:
    """Different things, so many that they fill the room."""
    return [make(n) for n in range(_count(make(50_000), room))]


def filled(unit: str, room: int) -> str:
    """The same words so often that they fill the room."""
    return unit * (room // len(json.dumps(unit, ensure_ascii=False).encode()[1:-1]))


# ---------------------------------------------------------------- resources


def coded(code: str, system: str = LOINC, display: str = "") -> Resource:
    """A concept with one coding."""
    return {"coding": [{"system": system, "code": code} | ({"display": display} if display else {})]}


def minute(number: int) -> str:
    """A time of the last days, another one for each number."""
    day, hour, rest = 1 + number // 1440 % 4, number // 60 % 24, number % 60
    return f"2026-03-{day:02d}T{hour:02d}:{rest:02d}:{number // 5760 % 60:02d}Z"


def problem(code: Resource, number: int = 0, **more: Any) -> Resource:
    """A Condition."""
    return {"resourceType": "Condition", "id": f"h{number}", "code": code, "onsetDateTime": "2026-03-04"} | more


def given(drug: str, number: int = 0, **more: Any) -> Resource:
    """A MedicationAdministration."""
    made = {"resourceType": "MedicationAdministration", "id": f"h{number}", "status": "completed"}
    return made | {"medicationCodeableConcept": {"text": drug}, "effectiveDateTime": minute(number)} | more


def observed(code: Resource, number: int = 0, **more: Any) -> Resource:
    """An Observation."""
    made = {"resourceType": "Observation", "id": f"h{number}", "status": "final", "code": code}
    return made | {"effectiveDateTime": minute(number)} | more


def ordered(drug: str, number: int = 0, **more: Any) -> Resource:
    """A MedicationRequest."""
    made = {"resourceType": "MedicationRequest", "id": f"h{number}", "status": "active", "intent": "order"}
    return made | {"medicationCodeableConcept": {"text": drug}, "authoredOn": minute(number)} | more


def draft(**more: Any) -> Resource:
    """A draft of anakinra."""
    made = {"resourceType": "MedicationRequest", "id": "draft-anakinra", "status": "draft", "intent": "order"}
    return made | {"medicationCodeableConcept": {"text": "anakinra"}} | more


def allergy(text: str, number: int = 0, **more: Any) -> Resource:
    """An AllergyIntolerance."""
    return {"resourceType": "AllergyIntolerance", "id": f"h{number}", "code": {"text": text}} | more


def record(kind: str, number: int = 0, **more: Any) -> Resource:
    """Any other resource."""
    return {"resourceType": kind, "id": f"h{number}", "status": "completed"} | more


def quantity(value: float, unit: str) -> Resource:
    """A Quantity by its printed unit."""
    return {"value": value, "unit": unit}
