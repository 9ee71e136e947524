"""Calls of a known size: the example patient with refractory grade 2 CRS, and as much older history as it takes."""

from __future__ import annotations

import copy
import itertools
import json
import re
import uuid
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cds_service.tools.replay.bundles import Chart, Resource, read, sources
from cds_service.tools.replay.calls import EVALUATION_TIME, build_call
from cds_service.tools.replay.prefetch import moment

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
HOOK = "order-select"
SERVICE_ID = f"anakinra-{HOOK}"
AT = datetime(2026, 3, 5, 10, 0, tzinfo=UTC)
DECISION = "suggest"

_PATIENT = "refractory-grade-2"
_ADDED_EVERY = timedelta(hours=4)
_INSTANCE = "00000000-0000-4000-8000-000000000000"
_TIME = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00")
_VALUE = re.compile(rb'(?<="value": )\d+(?:\.\d+)?')
# What differs from chart to chart, and so stands between pieces that do not.
_VARIES = re.compile(rb"(%s|%s)" % (_TIME.pattern, _VALUE.pattern))
# What is added to the chart, in turn: nearly half are older vital signs and laboratory values, which facts look at; the
# rest is what else a chart holds. With 600 in all no kind is more than its query's count. Concepts are text only: it
# invents no codes.
_TURNS = (
    "vital", "lab", "given", "vital", "ordered", "vital", "lab", "given", "problem", "vital",
    "vital", "given", "procedure", "given", "vital", "problem", "ordered", "test", "vital", "stated",
)  # fmt: skip
_DRUGS = ("ondansetron", "pantoprazole", "potassium chloride", "allopurinol", "enoxaparin", "furosemide")
_PROBLEMS = ("Nausea", "Hypokalemia", "Alopecia", "Peripheral neuropathy", "Insomnia", "Anemia", "Back pain")
_PROCEDURES = ("Bone marrow biopsy", "Chest X-ray", "Placement of central line", "Lumbar puncture")


class Calls:
    """Whole requests about one patient with `size` prefetched resources, all of the same length in bytes."""

    def __init__(self, templates: Mapping[str, str], size: int) -> None:
        """Build the chart once; raises ValueError for a size below that of the example itself."""
        call = _call(templates, _chart(templates, size))
        call["hookInstance"] = _INSTANCE
        self.size = size
        self._body = json.dumps(call).encode()
        # Pieces that stay, and between them a time or a quantity: found once, for a load is made of very many charts.
        pieces = _VARIES.split(self._body)
        self._stay = pieces[::2]
        self._vary = [datetime.fromisoformat(p.decode()) if _TIME.match(p) else float(p) for p in pieces[1::2]]

    def repeated(self, number: int) -> bytes:
        """The same chart every time, in another call (hookInstance) some seconds later."""
        text = f'"{EVALUATION_TIME}": "'
        then = (AT + timedelta(seconds=number % 3600)).isoformat()
        body = self._body.replace(_INSTANCE.encode(), _instance(number), 1)
        return body.replace((text + AT.isoformat()).encode(), (text + then).encode(), 1)

    def first_sight(self, number: int) -> bytes:
        """Another chart every time: patient and resource ids, every time and every quantity differ from all others."""
        shift, more = timedelta(seconds=number % 3600), number % 1000 * 1e-4
        varied = [
            (each + shift).isoformat().encode() if isinstance(each, datetime) else b"%.4f" % (each + more)
            for each in self._vary
        ]
        whole = [piece for pair in zip(self._stay, [*varied, b""], strict=True) for piece in pair]
        # The new id is as long as the old one, so that all bodies are.
        body = b"".join(whole).replace(_PATIENT.encode(), f"patient-{number:010d}".encode())
        return body.replace(_INSTANCE.encode(), _instance(number), 1)


def _instance(number: int) -> bytes:
    return str(uuid.UUID(int=number, version=4)).encode()


def example_call(templates: Mapping[str, str]) -> dict[str, Any]:
    """The call of the example patient, as replay makes it."""
    return _call(templates, _example())


def _example() -> Chart:
    (source,), _ = sources([EXAMPLES / "patients" / f"{_PATIENT}.json"])
    (base,) = [item for item in read(source) if isinstance(item, Chart)]
    return base


def _call(templates: Mapping[str, str], chart: Chart) -> dict[str, Any]:
    return build_call(chart, hook=HOOK, templates=templates, at=AT)


def prefetched(call: Mapping[str, Any]) -> int:
    """How many resources a request carries in its prefetch."""
    values = call["prefetch"].values()
    return sum(len(value.get("entry", ())) if value["resourceType"] == "Bundle" else 1 for value in values)


def _chart(templates: Mapping[str, str], size: int) -> Chart:
    """The example patient, without its oldest laboratory results or with older resources, until the templates read
    exactly `size`."""
    base = _example()
    base = _without_oldest(base, _call(templates, base), size)
    missing = size - prefetched(_call(templates, base))
    if missing < 0:
        raise ValueError(f"{size} resources: expected at least the {size - missing} of examples/patients/{_PATIENT}")
    # Only what the templates ask for is a model: the others are never sent.
    sent = [
        entry["resource"] for value in _call(templates, base)["prefetch"].values() for entry in value.get("entry", ())
    ]
    added = itertools.islice(_history(sent), missing)
    chart = Chart(base.patient_id, base.story, (*base.resources, *added), base.source)
    found = prefetched(_call(templates, chart))
    if found != size:
        raise ValueError(f"{size} resources: the templates read only {found}; see _TURNS in {Path(__file__).name}")
    return chart


def _without_oldest(chart: Chart, call: Mapping[str, Any], size: int) -> Chart:
    """The chart without so many of its oldest laboratory results that the call holds at most `size` resources; the
    newest of each kind decide the answer."""
    results = sorted((entry["resource"] for entry in call["prefetch"]["labs"]["entry"]), key=_effective)
    dropped = {result["id"] for result in results[: max(prefetched(call) - size, 0)]}
    kept = tuple(r for r in chart.resources if r["id"] not in dropped)
    return Chart(chart.patient_id, chart.story, kept, chart.source)


def _effective(observation: Resource) -> str:
    return str(observation["effectiveDateTime"])


def _history(sent: list[Resource]) -> Iterator[Resource]:
    """Older resources without end, each before the first one of the example."""
    observations = [resource for resource in sent if resource["resourceType"] == "Observation"]
    models = {
        "vital": itertools.cycle([r for r in observations if _category(r) == "vital-signs"]),
        "lab": itertools.cycle([r for r in observations if _category(r) == "laboratory"]),
    }
    when = min(moment(resource["effectiveDateTime"]) for resource in observations)
    for number, turn in enumerate(itertools.cycle(_TURNS)):
        when -= _ADDED_EVERY
        if turn in models:
            resource = copy.deepcopy(next(models[turn])) | {"effectiveDateTime": when.isoformat()}
        else:
            resource = _other(turn, number, when.isoformat())
        yield resource | {"id": f"{_PATIENT}-older-{number:05d}"}


def _category(observation: Resource) -> str:
    return str(observation["category"][0]["coding"][0]["code"])


def _other(kind: str, number: int, when: str) -> Resource:
    """One resource that is about none of the facts."""
    drug = {"text": _DRUGS[number % len(_DRUGS)]}
    problem = {"text": _PROBLEMS[number % len(_PROBLEMS)]}
    procedure = {"text": _PROCEDURES[number % len(_PROCEDURES)]}
    resolved = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/condition-clinical", "code": "resolved"}]}
    dose = {"dose": {"value": 8, "unit": "mg", "system": "http://unitsofmeasure.org", "code": "mg"}}
    made: dict[str, Resource] = {
        "given": {
            "resourceType": "MedicationAdministration", "status": "completed", "medicationCodeableConcept": drug,
            "effectiveDateTime": when, "dosage": dose,
        },
        "ordered": {
            "resourceType": "MedicationRequest", "status": "completed", "intent": "order",
            "medicationCodeableConcept": drug, "authoredOn": when,
        },
        "problem": {
            "resourceType": "Condition", "clinicalStatus": resolved, "code": problem, "onsetDateTime": when,
            "abatementDateTime": when, "recordedDate": when,
        },
        "procedure": {
            "resourceType": "Procedure", "status": "completed", "code": procedure, "performedDateTime": when,
        },
        "test": {
            "resourceType": "ServiceRequest", "status": "completed", "intent": "order", "code": procedure,
            "authoredOn": when,
        },
        "stated": {
            "resourceType": "MedicationStatement", "status": "completed", "medicationCodeableConcept": drug,
            "effectiveDateTime": when, "dateAsserted": when,
        },
    }  # fmt: skip
    return {**made[kind], "subject": {"reference": f"Patient/{_PATIENT}"}}
