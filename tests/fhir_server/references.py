"""Charts whose drugs are named only by references to Medications."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tests.fhir_server.faults import bundle

Resource = dict[str, Any]


def referring(
    resources: Sequence[Mapping[str, Any]], reference: Callable[[str], str] = "Medication/{}".format
) -> tuple[list[Resource], dict[str, Resource]]:
    """Copies of the resources whose coded drugs stand in Medications, and these by id. One for each distinct drug."""
    made: dict[str, Resource] = {}
    changed = []
    for resource in copy.deepcopy([dict(r) for r in resources]):
        drug = resource.pop("medicationCodeableConcept", None)
        if drug is not None:
            held = next((m for m in made.values() if m["code"] == drug), None)
            if held is None:
                held = {"resourceType": "Medication", "id": f"drug-{len(made)}", "code": drug}
                made[held["id"]] = held
            resource["medicationReference"] = {"reference": reference(held["id"])}
        changed.append(resource)
    return changed, made


def referring_prefetch(
    prefetch: Mapping[str, Any], reference: Callable[[str], str] = "Medication/{}".format
) -> tuple[dict[str, Any], dict[str, Resource]]:
    """The prefetch with every drug as a reference, and the Medications by id."""
    listed = {key: value for key, value in prefetch.items() if "entry" in value}
    flat = [(key, entry["resource"]) for key, value in listed.items() for entry in value["entry"]]
    changed, made = referring([resource for _, resource in flat], reference)
    sent = dict(prefetch)
    for key, value in listed.items():
        found = [new for (of, _), new in zip(flat, changed, strict=True) if of == key]
        sent[key] = bundle(*found) | {k: v for k, v in value.items() if k not in ("entry", "link")}
    return sent, made
