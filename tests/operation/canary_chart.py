"""A call in which all that could name a patient, a user or a caller is a canary, a text that nobody else writes."""

from __future__ import annotations

import copy
import json
from typing import Any

from tests.support.shipped import ROOT

Json = dict[str, Any]
MARK = "zq7canary"
BREAK = '\r\n{"level":"CRITICAL","message":"forged"}\u2028\x85'
"""What would begin a line of its own in a log that writes what it is given."""
NEUTROPHILS, FACT = 1.1739, "1173.9"
"""A count that no other chart has (10*9/L), and the fact (per microlitre) that a record is allowed to hold."""
_EXAMPLE = ROOT / "examples/requests/refractory-grade-2.json"


class Canaries:
    """Hands out canaries and remembers them."""

    def __init__(self) -> None:
        self.made: list[str] = []

    def one(self, kind: str) -> str:
        """A new canary that is an id as well as a word."""
        self.made.append(f"{MARK}-{kind}-{len(self.made)}")
        return self.made[-1]


def call(canaries: Canaries, token: str) -> Json:
    """The example request, with canaries in place of ids, names, words and numbers that no rule needs."""
    request: Json = json.loads(_EXAMPLE.read_text(encoding="utf-8"))
    old = request["context"]["patientId"]
    patient = canaries.one("patient")
    text = json.dumps(request).replace(f"Patient/{old}", f"Patient/{patient}").replace(f'"{old}"', f'"{patient}"')
    request = json.loads(text)
    request["context"] |= {
        "userId": f"Practitioner/{canaries.one('user')}",
        "encounterId": canaries.one("encounter"),
    }
    for value in request["prefetch"].values():
        _fill(value, canaries)
    request["prefetch"]["patient"] |= {
        "id": patient,
        "name": [{"family": canaries.one("family") + BREAK, "given": [canaries.one("given") for _ in range(60)]}],
        "identifier": [{"system": "urn:mrn", "value": canaries.one("mrn")} for _ in range(20)],
        "address": [{"line": [canaries.one("street")], "city": canaries.one("city")}],
    }
    for entry in request["prefetch"]["labs"]["entry"]:
        if any(coding["code"] == "751-8" for coding in entry["resource"]["code"]["coding"]):
            entry["resource"]["valueQuantity"]["value"] = NEUTROPHILS
    request["fhirServer"] = f"https://{canaries.one('server')}.example.org/fhir"
    request["fhirAuthorization"] = {
        "access_token": token,
        "token_type": "Bearer",
        "expires_in": 300,
        "scope": "patient/*.read",
        "subject": canaries.one("subject"),
    }
    return request


def broken(request: Json, canaries: Canaries) -> list[Json]:
    """The same call, wrong in ways that are refused or that something stumbles over: a canary where it is wrong."""
    changes: list[Json] = [
        {"hook": canaries.one("hook")},
        {"hookInstance": canaries.one("instance")},
        {"context": request["context"] | {"patientId": canaries.one("bad") + BREAK}},
        {"context": request["context"] | {"selections": [f"MedicationRequest/{canaries.one('selection')}"]}},
        {"prefetch": request["prefetch"] | {canaries.one("key"): canaries.one("value")}},
        {"prefetch": request["prefetch"] | {"labs": canaries.one("labs"), "conditions": [canaries.one("list")]}},
        {
            "prefetch": request["prefetch"]
            | {"vitals": {"resourceType": canaries.one("type"), "id": canaries.one("id")}}
        },
        {"prefetch": {}},
    ]
    return [copy.deepcopy(request) | change for change in changes]


def _fill(value: Any, canaries: Canaries) -> None:
    if isinstance(value, list):
        for each in value:
            _fill(each, canaries)
    elif isinstance(value, dict):
        for held in value.values():
            _fill(held, canaries)
        if value.get("resourceType", "Bundle") != "Bundle":
            value["note"] = [{"text": canaries.one("note") + BREAK}]
            value["identifier"] = [{"value": canaries.one("identifier")}]
        if "code" in value and "system" in value and "value" not in value:  # a Coding, not a Quantity
            value["display"] = canaries.one("display")
