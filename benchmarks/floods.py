"""Calls with long or many strings that no other call has, wherever a service might remember them."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Final

from benchmarks.shapes import (
    SNOMED,
    Call,
    Resource,
    added,
    body,
    coded,
    given,
    inside,
    many,
    observed,
    problem,
    quantity,
    raw,
    rows,
)

# The body of the call of this number.
Flood = Callable[[Call, int], bytes]
_LONG: Final = 200_000
_MANY: Final = 400_000  # bytes of a call with many short ones
_TEMPERATURE: Final = coded("8310-5")


def _long(key: str, make: Callable[[str], Resource]) -> Flood:
    """One resource with a long string."""
    return lambda base, number: added(base, key, lambda _: [make(f"{number:08d}" + "x" * _LONG)], 0)


def _last_updated(base: Call, number: int) -> bytes:
    """Two versions of each problem, told apart by when they were updated."""
    call = copy.deepcopy(dict(base))
    value = call["prefetch"]["conditions"]
    for entry in value["entry"]:
        entry["resource"]["meta"] = {"lastUpdated": f"{number:08d}" + "2" * (_LONG // 10)}
    value["entry"] += copy.deepcopy(value["entry"])
    return body(call)


FLOODS: Final[Mapping[str, Flood]] = {
    "meta.lastUpdated": _last_updated,
    "displays": _long("conditions", lambda s: problem(coded("1", SNOMED, s))),
    "texts": _long("conditions", lambda s: problem({"text": s})),
    "codes": _long("conditions", lambda s: problem(coded(s, SNOMED))),
    "systems": _long("conditions", lambda s: problem(coded("1", s))),
    "ids": _long("conditions", lambda s: problem({"text": "Sepsis"}) | {"id": s}),
    "units": _long("vitals", lambda s: observed(_TEMPERATURE, valueQuantity=quantity(38, s))),
    "dates": _long("vitals", lambda s: observed(_TEMPERATURE) | {"effectiveDateTime": s}),
    "statuses": _long("conditions", lambda s: problem({"text": "Sepsis"}, clinicalStatus={"text": s})),
    "references": _long("administrations", lambda s: given("", medicationReference={"reference": s})),
    "notes": _long("conditions", lambda s: problem({"text": "Sepsis"}, note=[{"text": s}])),
    "empty codings": lambda base, number: inside(
        "conditions", lambda r: problem({"text": f"Problem {number}", "coding": many({}, r)})
    )(base, _MANY),
    "short codings": lambda base, number: rows(
        "conditions", lambda n: problem({"text": f"{number} {n}", "coding": [{"code": "1"}] * 200}, n)
    )(base, _MANY),
    "small problems": lambda base, number: rows("conditions", lambda n: problem({"text": f"Problem {number} {n}"}, n))(
        base, _MANY
    ),
    "times": lambda base, number: rows(
        "conditions", lambda n: problem({"text": "x"}, n, onsetDateTime=f"2026-03-04T01:01:01.{number}{n}Z")
    )(base, _MANY),
    "empty objects": lambda base, number: raw("conditions", "{}", f'{{"x":{number},"resourceType":"Bundle","entry":')(
        base, 4 * _MANY
    ),
    "small objects": lambda base, number: raw(
        "conditions", '{"a":0}', f'{{"x":{number},"resourceType":"Condition","y":'
    )(base, 4 * _MANY),
}
