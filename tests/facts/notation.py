"""A compact notation for charts: one short mapping for each FHIR resource.

The first key of an item names its kind and what it is about; the others say what differs from a plain record:

    {condition: sepsis, icd: A41.9, onset: 3d, recorded: 2d, abated: 1d, clinical: active, verification: confirmed}
    {allergy: filgrastim, clinical: active, verification: confirmed, reaction: anaphylaxis, criticality: high}
    {allergy: none, substance: anakinra}    {allergy: Kineret, reaction: Local redness, severity: mild, recorded: 2d}
    {given: tocilizumab, ago: 10h, until: 9h, status: completed, route: Subcutaneous}
    {order: meropenem, ago: 1d, status: active, reason: sepsis}         {stated: adalimumab, ago: 9d}
    {obs: temp, value: 38.9, unit: Cel, ago: 1h, device: CPAP}
    {culture: Klebsiella, ago: 1d, interpretation: POS, status: final}   {pregnancy: Not pregnant, ago: 1d}
    {score: ice-score, points: 7, ago: 2h}     {scores: {ice-orientation: 4, ice-naming: 3}, ago: 2h}
    {sign: icans-seizure, answer: Brief seizure}    {vaccine: MMR, cvx: "03", ago: 9d, status: completed}
    {procedure: CAR-T cell infusion, ago: 4d, status: completed, reason: ..}
    {draft: anakinra, reason: COVID-19}

Times are counted back from `NOW` (`1d12h`, `61m`; `-1h` is ahead), `date:4d` is that moment's date only, a quoted year
or month is written as it is, `none` leaves the time out. `rx`, `icd`, `sct`, `loinc`, `cvx` add a code, `text: none`
leaves the words out, `limit` is the upper end of a reference range, `id` names the resource, `with` merges elements
into it, `without` lists elements to take away again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.support.fhir import DRUGS, ICD10, LOINC, MEASURES, RXNORM, SNOMED, concept, quantity, status

NOW = datetime(2026, 3, 5, 12, 0, tzinfo=UTC)
PATIENT = "p1"
Resource = dict[str, Any]
Item = Mapping[str, Any]

_STEP = re.compile(r"(\d+(?:\.\d+)?)([dhms])")
_UNITS = {"d": 86400, "h": 3600, "m": 60, "s": 1}
_SYSTEMS = {
    "rx": RXNORM,
    "icd": ICD10,
    "sct": SNOMED,
    "loinc": LOINC,
    "pcs": "http://www.cms.gov/Medicare/Coding/ICD10",
    "cvx": "http://hl7.org/fhir/sid/cvx",
}
_MEASURES = MEASURES | {"egfr": ("33914-3", "Glomerular filtration rate", "mL/min/{1.73_m2}")}
_LOCAL = "https://anakinra-cds.org/CodeSystem/observation"
_CULTURE = ("600-7", "Bacteria identified in Blood by Culture")


def moment(back: str) -> datetime:
    """The moment that lies `back` before NOW; after it where `back` begins with a minus sign."""
    steps = _STEP.findall(back)
    if not steps or "".join(a + b for a, b in steps) != back.lstrip("-"):
        raise ValueError(f"time {back!r}: expected such as 1d12h, -5m, date:3d, none")
    seconds = sum(float(number) * _UNITS[unit] for number, unit in steps)
    return NOW - timedelta(seconds=-seconds if back.startswith("-") else seconds)


def when(back: object) -> str | None:
    """A FHIR date or dateTime; None for `none`."""
    text = str(back)
    if text == "none":
        return None
    if re.fullmatch(r"\d{4}(-\d{2}(-\d{2}(T.+)?)?)?", text):
        return text
    if text.startswith("date:"):
        return moment(text.removeprefix("date:")).date().isoformat()
    return moment(text).isoformat()


def resources(items: Sequence[Item]) -> list[Resource]:
    """The resources of some items, in order, each with an id of its own."""
    made = []
    for number, item in enumerate(items):
        kind = next(iter(item))
        resource = _clean(_KINDS[kind](item)) | dict(item.get("with", {}))
        resource.setdefault("id", str(item.get("id", f"r{number}")))
        for element in item.get("without", ()):
            resource.pop(element, None)
        made.append(resource)
    return made


def patient(born: str = "1974-06-01", gender: str | None = "male", **more: Any) -> Resource:
    """The Patient; an adult man of 51 where nothing else is said."""
    return _clean({"resourceType": "Patient", "id": PATIENT, "birthDate": born, "gender": gender} | more)


def _clean(resource: Mapping[str, Any]) -> Resource:
    return {name: value for name, value in resource.items() if value is not None}


def _concept(item: Item, text: str) -> Resource:
    """Words and codes; a drug that the project has a code for is coded, unless `plain` says words only."""
    codings = [{"system": _SYSTEMS[n], "code": str(item[n])} for n in _SYSTEMS if n in item]
    known = DRUGS.get(text)
    if known and not codings and not item.get("plain"):
        codings = [{"system": known[0], "code": known[1], "display": known[2]}]
    found: Resource = {"coding": codings} if codings else {}
    if "display" in item:
        found["coding"][0]["display"] = item["display"]
    if item.get("text") != "none":
        found["text"] = str(item.get("text", text))
    return found


def _about(item: Item, kind: str, owner: str = "subject") -> Resource:
    return {"resourceType": kind, owner: {"reference": f"Patient/{item.get('patient', PATIENT)}"}}


def _state(item: Item, name: str, axis: str) -> Resource | None:
    found = item.get(name)
    return None if found in (None, "none") else status(axis, str(found))


def _condition(item: Item) -> Resource:
    onset = item.get("onset", "1d")
    return _about(item, "Condition") | {
        "code": _concept(item, item["condition"]),
        "clinicalStatus": _state({"clinical": "active"} | dict(item), "clinical", "condition-clinical"),
        "verificationStatus": _state(item, "verification", "condition-ver-status"),
        "onsetDateTime": when(onset),
        "recordedDate": when(item.get("recorded", "none")),
        "abatementDateTime": when(item.get("abated", "none")),
        "encounter": {"reference": f"Encounter/{item['encounter']}"} if "encounter" in item else None,
    }


def _allergy(item: Item) -> Resource:
    reaction: Resource = {}
    if "substance" in item:
        reaction["substance"] = {"text": item["substance"]}
    if "reaction" in item or "substance" in item:
        reaction["manifestation"] = [{"text": item.get("reaction", "rash")}]
    if "severity" in item:
        reaction["severity"] = item["severity"]
    return _about(item, "AllergyIntolerance", "patient") | {
        "code": _concept(item, item["allergy"]) if item["allergy"] != "none" else None,
        "clinicalStatus": _state({"clinical": "active"} | dict(item), "clinical", "allergyintolerance-clinical"),
        "verificationStatus": _state(item, "verification", "allergyintolerance-verification"),
        "criticality": item.get("criticality"),
        "recordedDate": when(item.get("recorded", "none")),
        "reaction": [reaction] if reaction else None,
    }


def _drug(item: Item, name: str) -> Resource:
    if "reference" in item:
        return {"medicationReference": {"reference": item["reference"]}}
    return {"medicationCodeableConcept": _concept(item, item[name])}


def _effective(item: Item, element: str = "effective", ago: str = "1h") -> Resource:
    start = when(item.get("ago", ago))
    if "until" in item or item.get("running"):
        end = when(item["until"]) if "until" in item else None
        return {f"{element}Period": _clean({"start": start, "end": end})}
    return {f"{element}DateTime": start}


def _given(item: Item) -> Resource:
    state = "in-progress" if item.get("running") else "completed"
    route = {"text": item["route"]} if "route" in item else None
    return (
        _about(item, "MedicationAdministration")
        | _drug(item, "given")
        | _effective(item)
        | {"status": item.get("status", state), "dosage": {"route": route, "text": "as charted"} if route else None}
    )


def _order(item: Item) -> Resource:
    name = "draft" if "draft" in item else "order"
    reason = [_concept({}, r) for r in _listed(item.get("reason"))]
    because = [{"reference": r} for r in _listed(item.get("because"))]
    return (
        _about(item, "MedicationRequest")
        | _drug(item, name)
        | {
            "status": item.get("status", "draft" if name == "draft" else "active"),
            "intent": "order",
            "authoredOn": when(item.get("ago", "none" if name == "draft" else "12h")),
            "reasonCode": reason or None,
            "reasonReference": because or None,
            "dosageInstruction": item.get("dosage"),
        }
    )


def _stated(item: Item) -> Resource:
    return (
        _about(item, "MedicationStatement")
        | _drug(item, "stated")
        | _effective(item)
        | {"status": item.get("status", "active")}
    )


def _obs(item: Item) -> Resource:
    code, display, usual = _MEASURES[item["obs"]]
    unit = item.get("unit", usual)
    value = {"value": item["value"]} if unit == "none" else quantity(item["value"], unit)
    if item.get("printed"):
        value = {"value": item["value"], "unit": unit}
    if "comparator" in item:
        value["comparator"] = item["comparator"]
    return (
        _about(item, "Observation")
        | _effective(item)
        | {
            "status": item.get("status", "final"),
            "code": concept(display, (LOINC, code, display)),
            "valueQuantity": value,
            "device": {"display": item["device"]} if "device" in item else None,
            "referenceRange": [{"high": quantity(item["limit"], unit)}] if "limit" in item else None,
        }
    )


def _local(code: str) -> Resource:
    return concept(code, (_LOCAL, code, code))


def _score(item: Item) -> Resource:
    """One score; a whole panel of scores as components."""
    if "scores" in item:
        parts = [{"code": _local(code), "valueInteger": points} for code, points in item["scores"].items()]
        value: Resource = {"code": _local("ice-score"), "component": parts}
    else:
        value = {"code": _local(item["score"]), "valueInteger": item.get("points")}
    return _about(item, "Observation") | _effective(item) | {"status": item.get("status", "final")} | value


def _sign(item: Item) -> Resource:
    return (
        _about(item, "Observation")
        | _effective(item)
        | {"status": "final", "code": _local(item["sign"]), "valueCodeableConcept": {"text": item["answer"]}}
    )


def _vaccine(item: Item) -> Resource:
    return _about(item, "Immunization", "patient") | {
        "status": item.get("status", "completed"),
        "vaccineCode": _concept(item, item["vaccine"]),
        "occurrenceDateTime": when(item.get("ago", "9d")),
        "occurrenceString": "some time ago" if item.get("ago") == "none" else None,
    }


def _culture(item: Item) -> Resource:
    value = item["culture"]
    marks = [{"coding": [{"code": str(item["interpretation"])}]}] if "interpretation" in item else None
    return (
        _about(item, "Observation")
        | _effective(item, ago="1d")
        | {
            "status": item.get("status", "final"),
            "code": concept(_CULTURE[1], (LOINC, *_CULTURE)),
            "valueCodeableConcept": _concept(item, value) if value != "none" and not item.get("string") else None,
            "valueString": value if item.get("string") else None,
            "interpretation": marks,
        }
    )


def _answer(item: Item) -> Resource:
    """The answer to a pregnancy status question."""
    return (
        _about(item, "Observation")
        | _effective(item)
        | {
            "status": "final",
            "code": concept("Pregnancy status", (LOINC, "82810-3", "Pregnancy status")),
            "valueCodeableConcept": _concept(item, item["pregnancy"]),
        }
    )


def _procedure(item: Item) -> Resource:
    reason = item.get("reason")
    return (
        _about(item, "Procedure")
        | _effective(item, "performed")
        | {
            "status": item.get("status", "completed"),
            "code": _concept(item, item["procedure"]),
            "reasonCode": [reason if isinstance(reason, Mapping) else {"text": reason}] if reason else None,
        }
    )


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


_KINDS = {
    "condition": _condition,
    "allergy": _allergy,
    "given": _given,
    "order": _order,
    "draft": _order,
    "stated": _stated,
    "obs": _obs,
    "score": _score,
    "scores": _score,
    "sign": _sign,
    "vaccine": _vaccine,
    "culture": _culture,
    "pregnancy": _answer,
    "procedure": _procedure,
}
