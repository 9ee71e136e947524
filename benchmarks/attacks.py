"""Charts that somebody made to be slow: each is much of one thing.

`ATTACKS` makes the body of a call of about so many bytes. No codes are invented, but those that stand for "a code that
nobody knows".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from benchmarks.shapes import (
    OURS,
    SNOMED,
    Attack,
    Resource,
    allergy,
    coded,
    draft,
    drafts,
    filled,
    given,
    inside,
    many,
    minute,
    numbered,
    observed,
    ordered,
    problem,
    quantity,
    raw,
    record,
    rows,
)

_SEPSIS: Final = {"text": "Sepsis"}
_UNKNOWN: Final = coded("1234567", SNOMED)
_TEMPERATURE: Final = coded("8310-5")
_WARM: Final = {"valueQuantity": quantity(38.2, "Cel")}
_CULTURE: Final = coded("600-7")
_CVX: Final = "http://hl7.org/fhir/sid/cvx"
_ICD10: Final = "http://hl7.org/fhir/sid/icd-10-cm"

_ROWS: Final[Mapping[str, tuple[str, Callable[[int], Resource]]]] = {
    "sepsis": ("conditions", lambda n: problem(_SEPSIS, n)),
    "different problems": ("conditions", lambda n: problem({"text": f"Sepsis {n} of the lung"}, n)),
    "unknown problems": ("conditions", lambda n: problem(_UNKNOWN, n)),
    "problems without id": ("conditions", lambda n: {"resourceType": "Condition", "code": _SEPSIS}),
    "CRS grades": ("conditions", lambda n: problem({"text": "CRS grade 2"}, n, recordedDate=minute(n))),
    "ICANS grades": ("conditions", lambda n: problem({"text": "ICANS grade 2"}, n, recordedDate=minute(n))),
    "allergies": ("allergies", lambda n: allergy("filgrastim", n)),
    "unknown allergies": ("allergies", lambda n: allergy("", n, code=_UNKNOWN)),
    "tocilizumab doses": ("administrations", lambda n: given("tocilizumab", n)),
    "norepinephrine": ("administrations", lambda n: given("norepinephrine", n, status="in-progress")),
    "norepinephrine with rates": (
        "administrations",
        lambda n: given("norepinephrine", n, dosage={"rateQuantity": quantity(5, "ug/min")}, request={}),
    ),
    "anakinra given": ("administrations", lambda n: given("anakinra", n)),
    "CAR-T infusions": ("administrations", lambda n: given("axicabtagene ciloleucel", n)),
    "unknown drugs given": ("administrations", lambda n: given("", n, medicationCodeableConcept=_UNKNOWN)),
    "drugs by reference": (
        "administrations",
        lambda n: record("MedicationAdministration", n, medicationReference={"reference": f"Medication/m{n}"}),
    ),
    "anakinra ordered": ("requests", lambda n: ordered("anakinra", n)),
    "antibiotics ordered": ("requests", lambda n: ordered("meropenem", n, reasonCode=[_SEPSIS])),
    "reasons by reference": (
        "requests",
        lambda n: ordered("meropenem", n, reasonReference=[{"reference": f"Condition/h{n}"}]),
    ),
    "drugs stated": (
        "statements",
        lambda n: record("MedicationStatement", n, status="active", medicationCodeableConcept={"text": "anakinra"}),
    ),
    "temperatures": ("vitals", lambda n: observed(_TEMPERATURE, n, **_WARM)),
    "pressures": ("vitals", lambda n: observed(coded("8480-6"), n, valueQuantity=quantity(84, "mm[Hg]"))),
    "devices": (
        "vitals",
        lambda n: observed(coded("3151-8"), n, valueQuantity=quantity(2, "L/min"), device={"display": "CPAP"}),
    ),
    "unknown devices": ("vitals", lambda n: observed({"text": "Oxygen device"}, n, valueString=f"QXZ{n}")),
    "grades as results": ("vitals", lambda n: observed({"text": "CRS grade"}, n, valueInteger=n % 4)),
    "ferritin": ("labs", lambda n: observed(coded("2276-4"), n, valueQuantity=quantity(9000 + n, "ng/mL"))),
    "creatinine": ("labs", lambda n: observed(coded("2160-0"), n, valueQuantity=quantity(1.2, "mg/dL"))),
    "positive cultures": ("cultures", lambda n: observed(_CULTURE, n, valueString="Staphylococcus epidermidis")),
    "cultures of both kinds": (
        "cultures",
        lambda n: observed(_CULTURE, n, valueString="No growth" if n % 2 else "Klebsiella pneumoniae"),
    ),
    "cultures derived from one": (
        "cultures",
        lambda n: observed(_CULTURE, n, derivedFrom=[{"reference": "Observation/h0"}]),
    ),
    "reports": (
        "reports",
        lambda n: record(
            "DiagnosticReport", n, status="final", code=_CULTURE, effectiveDateTime=minute(n),
            result=[{"reference": f"Observation/h{n}"}], conclusion="Escherichia coli",
        ),
    ),
    "procedures": (
        "procedures",
        lambda n: record("Procedure", n, code={"text": "Mechanical ventilation"}, performedDateTime=minute(n)),
    ),
    "vaccines": (
        "immunizations",
        lambda n: record("Immunization", n, vaccineCode=coded("03", _CVX), occurrenceDateTime=minute(n)),
    ),
    "tests ordered": ("service-requests", lambda n: record("ServiceRequest", n, code={"text": "CBC"})),
    "weights": ("weights", lambda n: observed(coded("29463-7"), n, valueQuantity=quantity(70 + n % 9, "kg"))),
    "one id, equal": ("conditions", lambda n: problem(_SEPSIS)),
    "one id, different": ("administrations", lambda n: given("tocilizumab", 0, note=[{"text": f"copy {n}"}])),
    "one id, updated later": ("vitals", lambda n: observed(_TEMPERATURE, 0, meta={"lastUpdated": minute(n)}, **_WARM)),
}  # fmt: skip

_LISTS: Final[Mapping[str, tuple[str, Callable[[int], Resource]]]] = {
    "codings": ("conditions", lambda r: problem({"coding": many({"system": SNOMED, "code": "1234567"}, r)})),
    "different codings": (
        "conditions",
        lambda r: problem({"coding": numbered(lambda n: {"system": SNOMED, "code": f"{n}"}, r)}),
    ),
    "codings with displays": (
        "conditions",
        lambda r: problem({"coding": numbered(lambda n: {"system": SNOMED, "code": f"{n}", "display": f"TB {n}"}, r)}),
    ),
    "empty codings": ("conditions", lambda r: problem(_SEPSIS | {"coding": many({}, r)})),
    "categories": (
        "vitals",
        lambda r: observed(_TEMPERATURE, category=many({"coding": [{"code": "vital-signs"}]}, r), **_WARM),
    ),
    "categories of a problem": ("conditions", lambda r: problem(_SEPSIS, category=many({"text": "x"}, r))),
    "components": (
        "vitals",
        lambda r: observed(
            coded("85354-9"), component=many({"code": coded("8480-6"), "valueQuantity": quantity(84, "mm[Hg]")}, r)
        ),
    ),
    "components of oxygen": (
        "vitals",
        lambda r: observed(
            coded("3151-8"),
            component=numbered(lambda n: {"code": {"text": "Oxygen device"}, "valueString": f"QXZ{n} mask"}, r),
        ),
    ),
    "components of a culture": (
        "cultures",
        lambda r: observed(_CULTURE, component=numbered(lambda n: {"code": {"text": f"Organism {n}"}}, r)),
    ),
    "components of ICE": (
        "vitals",
        lambda r: observed(
            coded("ice-score", OURS), component=many({"code": coded("ice-naming", OURS), "valueInteger": 3}, r)
        ),
    ),
    "members of a culture": (
        "cultures",
        lambda r: observed(_CULTURE, hasMember=numbered(lambda n: {"reference": f"Observation/h{n}"}, r)),
    ),
    "contained results": (
        "cultures",
        lambda r: observed(
            _CULTURE,
            contained=numbered(lambda n: observed({"text": "Organism"}, n, valueString="E. coli"), r // 2),
            hasMember=numbered(lambda n: {"reference": f"#h{n}"}, r // 2),
        ),
    ),
    "interpretations": (
        "cultures",
        lambda r: observed(_CULTURE, interpretation=many(coded("POS"), r)),
    ),
    "conclusion codes": (
        "reports",
        lambda r: record(
            "DiagnosticReport", code=_CULTURE, conclusionCode=numbered(lambda n: {"text": f"Escherichia {n}"}, r)
        ),
    ),
    "reactions": (
        "allergies",
        lambda r: allergy("Drug allergy", reaction=numbered(lambda n: {"substance": {"text": f"anakinra {n}"}}, r)),
    ),
    "notes": ("allergies", lambda r: allergy("Drug allergy", note=numbered(lambda n: {"text": f"Kineret {n}"}, r))),
    "stages": (
        "conditions",
        lambda r: problem({"text": "CRS"}, stage=numbered(lambda n: {"summary": {"text": f"grade {n % 4}"}}, r)),
    ),
    "reasons": ("requests", lambda r: ordered("meropenem", reasonCode=numbered(lambda n: {"text": f"Sepsis {n}"}, r))),
    "dosages": ("requests", lambda r: ordered("anakinra", dosageInstruction=many({"text": "100 mg q6h"}, r))),
    "ingredients": (
        "administrations",
        lambda r: record(
            "MedicationAdministration",
            medicationReference={"reference": "#m"},
            contained=[
                {
                    "resourceType": "Medication",
                    "id": "m",
                    "ingredient": numbered(lambda n: {"itemCodeableConcept": {"text": f"epinephrine {n}"}}, r),
                }
            ],
        ),
    ),
    "extensions": ("conditions", lambda r: problem(_SEPSIS, extension=many({"url": "x", "valueString": "y"}, r))),
    "nested extensions": ("conditions", lambda r: problem(_SEPSIS, extension=many(_nested(20, {"url": "x"}), r))),
    "nested contained": ("conditions", lambda r: problem(_SEPSIS, contained=many(_nested(20, {"id": "x"}), r))),
    "unknown members": ("conditions", lambda r: problem(_SEPSIS) | {f"x{n}": n for n in range(r // 14)}),
    "a long ICD-10 code": ("conditions", lambda r: problem(coded("A" * r, _ICD10))),
    "a long NDC": (
        "administrations",
        lambda r: given("", medicationCodeableConcept=coded("1" * r, "http://hl7.org/fhir/sid/ndc")),
    ),
    "a long id": ("conditions", lambda r: problem(_SEPSIS) | {"id": "x" * r}),
    "a long lastUpdated": ("vitals", lambda r: observed(_TEMPERATURE, meta={"lastUpdated": "2" * r}, **_WARM)),
    "a long unit": ("vitals", lambda r: observed(_TEMPERATURE, valueQuantity=quantity(38, "C" * r))),
}

_DRAFTS: Final[Mapping[str, Callable[[int], list[Resource]]]] = {
    "members": lambda r: [draft(**{f"x{n}": n for n in range(r // 14)})],
    "dosages": lambda r: [draft(dosageInstruction=many({"text": "100 mg SC q6h"}, r))],
    "reasons": lambda r: [draft(reasonCode=numbered(lambda n: {"text": f"CRS {n}"}, r))],
    "reasons by reference": lambda r: [draft(reasonReference=numbered(lambda n: {"reference": f"Condition/h{n}"}, r))],
    "codings": lambda r: [
        draft(medicationCodeableConcept={"coding": numbered(lambda n: {"system": SNOMED, "code": f"{n}"}, r)})
    ],
    "a dosage text of numbers": lambda r: [draft(dosageInstruction=[{"text": filled("100 mg ", r)}])],
    "many": lambda r: numbered(lambda n: draft(id=f"d{n}"), r * 3 // 4),
    "many unknown": lambda r: numbered(lambda n: draft(id=f"d{n}", medicationCodeableConcept=_UNKNOWN), r * 3 // 4),
    "one id": lambda r: many(draft(), r * 3 // 4),
}


def _nested(levels: int, inner: Any) -> Any:
    for _ in range(levels):
        inner = {"extension": [inner]}
    return inner


TEXTS: Final[Mapping[str, str]] = {
    "words": "the patient was seen on the ward and is stable ",
    "negations": "no ",
    "denials": "no sepsis ",
    "denials, then doubt": "denies sepsis, possible ",
    "clause separators": "; ",
    "infections": "pneumonia; ",
    "organisms": "s. epidermidis and ",
    "digits": "7",
    "numbers": "5 ",
    "flows": "2 l/min ",
    "parentheses": "(",
    "trade marks": "(tm)",
    "question marks": "?",
    "stops": "abc. ",
    "one word": "a",
    "accents": "e\u0301",
    "Japanese": "\u80ba\u708e\u306a\u3057",
    "invisible signs": "\u200b",
    "grades": "CRS grade ",
    "cue words": "history of ",
    "people": "mother ",
    "turns": "but ",
}
_PLACES: Final[Mapping[str, tuple[str, Callable[[str], Resource]]]] = {
    "problem": ("conditions", lambda t: problem({"text": t})),
    "note": ("allergies", lambda t: allergy("Drug allergy", note=[{"text": t}])),
    "result": ("cultures", lambda t: observed(_CULTURE, valueString=t)),
    "device": ("vitals", lambda t: observed(coded("3151-8"), valueString=t)),
    "dosage": ("administrations", lambda t: given("tocilizumab", dosage={"text": t})),
}
# What is sent in every place; in a problem all of them are.
_EVERYWHERE: Final = ("denials", "organisms", "flows", "parentheses")


def _text(place: str, name: str) -> Attack:
    key, make = _PLACES[place]
    return inside(key, lambda room: make(filled(TEXTS[name], room)))


ATTACKS: Final[dict[str, Attack]] = {
    **{f"many: {name}": rows(*kind) for name, kind in _ROWS.items()},
    **{f"inside: {name}": inside(*kind) for name, kind in _LISTS.items()},
    **{f"draft: {name}": drafts(make) for name, make in _DRAFTS.items()},
    **{
        f"text: {place} of {name}": _text(place, name)
        for place in _PLACES
        for name in (TEXTS if place == "problem" else _EVERYWHERE)
    },
    "raw: empty objects": raw("conditions", "{}"),
    "raw: empty lists": raw("conditions", "[]"),
    "raw: small resources": raw("conditions", '{"resource":{"resourceType":"x"}}'),
    "raw: outcomes": raw("conditions", '{"resource":{"resourceType":"OperationOutcome","issue":[{"severity":"x"}]}}'),
    "raw: links": raw("conditions", '{"relation":"self"}', '{"resourceType":"Bundle","link":'),
    "raw: deep": raw("conditions", "[" * 55 + "]" * 55),
}
