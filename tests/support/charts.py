"""Charts from a short description (`given`): every key becomes FHIR resources, and nothing else is invented.

The keys and what they mean are in `KEYS`. A key that is absent or null leaves nothing in the chart, so that what a
description does not say is unknown to the service.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from cds_service.tools.replay.calls import dosage
from tests.facts.notation import resources
from tests.support.fhir import DRUGS, ICD10, LOINC, PROBLEMS, Builder, Resource, concept, quantity, status

KEYS = {
    "age": "years",
    "allergies": "[{text, clinicalStatus, verificationStatus, criticality, reaction, drug: code it as this drug}]",
    "anc": "neutrophils per microlitre",
    "antipyretic": "true: acetaminophen within the last hours",
    "born": "birth date, instead of `age`",
    "cart_as": "procedure: the infusion is charted as a Procedure, not as a MedicationAdministration",
    "crcl": "measured creatinine clearance, mL/min",
    "creatinine": "mg/dL",
    "crs_grade": "documented CRS grade now; 0 or null: none documented",
    "days_post_cart": "days since the infusion; null: none",
    "draft": "{drug, id, dose_mg or words, interval_h, days, as_needed, route, reason}: the order being written",
    "drafts": "several such orders",
    "encounter": "id of the encounter in progress",
    "ferritin": "ng/mL",
    "gender": "male, female, other or unknown; else female where pregnant, else male",
    "grade_at_last_toci": "documented CRS grade at the last tocilizumab dose, where it was another",
    "hook": "the hook of the call (not in the chart)",
    "icans": "documented ICANS grade; 0: none",
    "iec_hs": "clinician-confirmed",
    "indication": "what the CAR-T therapy is for",
    "infection": "{type, days_ago, organism, clinicalStatus, verificationStatus, cultures: negative}",
    "meds": "drugs that the patient is on",
    "more": "further resources, in the notation of tests/facts/notation.py",
    "orders": "[{drug, dose_mg, interval_h, route}]: active orders",
    "person": "elements of the Patient besides, such as deceasedBoolean",
    "pregnant": "true: a pregnancy on record",
    "product": "the CAR-T product",
    "region": "US, EU, KR (the site, not in the chart)",
    "selected": "ids of the selected drafts (not in the chart); else all are selected",
    "site": "a shipped site, or what a site file of its own says (not in the chart); else by `region`",
    "sbp": "systolic pressure, mm[Hg]",
    "spo2": "oxygen saturation, %",
    "steroid": "such as `dex 10 mg q12h` or `dex 10 mg q6h x 24 h`",
    "temp": "{value, unit}",
    "temp_c": "temperature, Cel",
    "tests": "[{text, loinc, days_ago}]: laboratory tests that were ordered once",
    "toci_doses_h_ago": "hours since each completed IV dose; null: none visible",
    "toci_orders": "number of tocilizumab orders",
    "toci_outside_episode": "number of SC doses before the infusion",
    "tocilizumab_shortage": "true: the site declares one (not in the chart)",
    "vasopressors": "drugs running now",
    "weight": "{value, unit}",
    "weight_age_days": "how old the weight is",
    "weight_kg": "kg",
    "withhold": "resource types, or prefetch keys, that the client could not send (not in the chart)",
}
_STEROID = re.compile(r"dex (?P<dose>\d+) mg q(?P<every>\d+)h(?: x (?P<hours>\d+) h)?")
_PROCEDURES = {
    "axi-cel": ("XW033H7", "Axicabtagene ciloleucel, peripheral vein"),
    "tisa-cel": ("XW033J7", "Tisagenlecleucel, peripheral vein"),
}
_DISEASES = {"LBCL": "Large B-cell lymphoma", "B-ALL": "B-cell acute lymphoblastic leukemia"}
Given = Mapping[str, Any]


def chart(given: Given, at: datetime, patient_id: str = "patient-1") -> list[Resource]:
    """The resources of one patient at `at`, the Patient first, draft orders with status draft."""
    unknown = set(given) - set(KEYS)
    if unknown:
        raise ValueError(f"unknown keys {sorted(unknown)}; there are: {', '.join(KEYS)}")
    builder = Builder(patient_id)
    _person(builder, given, at)
    _car_t(builder, given, at)
    _toxicity(builder, given, at)
    _tocilizumab(builder, given, at)
    _drugs(builder, given, at)
    _infection(builder, given.get("infection"), at)
    for allergy in given.get("allergies") or ():
        _allergy(builder, allergy)
    _measurements(builder, given, at)
    builder.made += resources([{**item, "patient": patient_id} for item in given.get("more") or ()])
    for draft in given.get("drafts") or [given.get("draft")]:
        _draft(builder, draft)
    return builder.made


def site(given: Given) -> str:
    """The shipped site at which the description plays."""
    if isinstance(given.get("site"), str):
        return str(given["site"])
    region = str(given.get("region") or "US").lower()
    return f"{region}-tocilizumab-shortage" if given.get("tocilizumab_shortage") else region


def infusion(given: Given, at: datetime) -> datetime | None:
    """When the CAR-T cells were given; on day 0 three hours ago."""
    days = given.get("days_post_cart")
    return None if days is None else at - (timedelta(days=days) if days else timedelta(hours=3))


def grades(given: Given, at: datetime) -> list[tuple[datetime, datetime | None, int]]:
    """Documented CRS grades as (from, to, grade), oldest first; the last one still holds."""
    now = given.get("crs_grade")
    if not now:
        return []
    doses = given.get("toci_doses_h_ago") or [20]
    start = at - timedelta(hours=max(doses) + 4)
    before = given.get("grade_at_last_toci")
    if before is None or before == now:
        return [(start, None, now)]
    changed = at - timedelta(hours=min(doses) / 2)
    return [(start, changed, before), (changed, None, now)]


def _person(builder: Builder, given: Given, at: datetime) -> None:
    born = (at - timedelta(days=100)).date()
    born = born.replace(year=born.year - given["age"])
    gender = given.get("gender") or ("female" if given.get("pregnant") else "male")
    builder.patient(given.get("born") or born.isoformat(), gender)
    builder.made[-1] |= given.get("person") or {}
    if given.get("encounter"):
        builder.add("Encounter", status="in-progress", period={"start": (at - timedelta(days=6)).isoformat()})
        builder.made[-1]["id"] = given["encounter"]
    indication = given.get("indication")
    if indication:
        coding = PROBLEMS.get(indication)
        builder.problem(concept(_DISEASES.get(indication, indication), coding), onset=at - timedelta(days=400))
    if given.get("pregnant"):
        builder.problem(concept("Pregnancy", PROBLEMS["pregnancy"]), onset=at - timedelta(days=60))


def _car_t(builder: Builder, given: Given, at: datetime) -> None:
    when, product = infusion(given, at), given.get("product")
    if when is None or product is None:
        return
    if given.get("cart_as") != "procedure":
        builder.given(product, when, text="CAR-T cell infusion", route="Intravenous")
        return
    code, display = _PROCEDURES[product]
    builder.add(
        "Procedure",
        status="completed",
        code=concept(f"CAR-T cell infusion ({product})", ("http://www.cms.gov/Medicare/Coding/ICD10", code, display)),
        performedDateTime=when.isoformat(),
    )


def _toxicity(builder: Builder, given: Given, at: datetime) -> None:
    for start, end, grade in grades(given, at):
        text = f"Cytokine release syndrome, grade {grade}"
        recorded = start if end else max(start, at - timedelta(hours=2))
        code = concept(text, (ICD10, f"D89.83{grade}", text))
        builder.problem(code, onset=start, recorded=recorded, abated=end)
    icans = given.get("icans")
    if icans:
        text = f"Immune effector cell-associated neurotoxicity syndrome, grade {icans}"
        onset, recorded = at - timedelta(hours=30), at - timedelta(hours=2)
        builder.problem(concept(text, (ICD10, f"G92.0{icans}", text)), onset=onset, recorded=recorded)
    if given.get("iec_hs"):
        code = concept("IEC-HS, confirmed by the treating clinician", PROBLEMS["iec-hs"])
        builder.problem(code, onset=at - timedelta(hours=12), recorded=at - timedelta(hours=6))


def _tocilizumab(builder: Builder, given: Given, at: datetime) -> None:
    weight = given.get("weight_kg")
    dose = quantity(min(800, 8 * weight), "mg") if weight else None
    for hours in given.get("toci_doses_h_ago") or ():
        when = at - timedelta(hours=hours)
        builder.given("tocilizumab", when, dose=dose, text="8 mg/kg over 60 minutes", route="Intravenous")
    for number in range(given.get("toci_outside_episode") or 0):
        when = at - timedelta(days=28 + 7 * number)
        builder.given("tocilizumab syringe", when, dose=quantity(162, "mg"), route="Subcutaneous")
    for number in range(given.get("toci_orders") or 0):
        builder.ordered("tocilizumab", at - timedelta(hours=10 * (number + 1)), dosage={"text": "8 mg/kg IV once"})


def _drugs(builder: Builder, given: Given, at: datetime) -> None:
    steroid = _STEROID.fullmatch(given.get("steroid") or "")
    if given.get("steroid") and not steroid:
        raise ValueError(f"steroid {given['steroid']!r}: expected such as `dex 10 mg q6h x 24 h`")
    if steroid:
        for hours in range(1, int(steroid["hours"] or 24) + 2, int(steroid["every"])):
            dose = quantity(int(steroid["dose"]), "mg")
            builder.given("dexamethasone", at - timedelta(hours=hours), dose=dose, route="Intravenous")
    documented = grades(given, at)
    # The record of a running drug is of its last bag: one that is older says too little to count.
    running_since = max(documented[-1][0], at - timedelta(hours=12)) if documented else at - timedelta(hours=2)
    for drug in given.get("vasopressors") or ():
        builder.given(drug, running_since, route="Intravenous", running=True)
    if given.get("antipyretic"):
        when = at - timedelta(hours=3)
        builder.given("acetaminophen", when, dose=quantity(650, "mg"), route="Oral")
    for drug in given.get("meds") or ():
        builder.ordered(drug, at - timedelta(days=60))
        builder.given(drug, at - timedelta(days=5))
    for test in given.get("tests") or ():
        code = concept(test["text"], (LOINC, test["loinc"], test["text"]))
        when = (at - timedelta(days=test["days_ago"])).isoformat()
        builder.add("ServiceRequest", status="active", intent="order", code=code, authoredOn=when)
    for order in given.get("orders") or ():
        builder.ordered(order["drug"], at - timedelta(hours=12), dosage=_dosage(order))


def _infection(builder: Builder, infection: Mapping[str, Any] | None, at: datetime) -> None:
    if not infection:
        return
    when = at - timedelta(days=infection.get("days_ago", 2))
    kind = infection["type"]
    if kind == "blood culture positive":
        builder.culture(infection["organism"], when)
    else:
        name = kind.removeprefix("Condition ")
        clinical = infection.get("clinicalStatus", "active")
        over = when if clinical == "resolved" else None
        builder.problem(
            concept(name.capitalize() if name.islower() else name, PROBLEMS[name]),
            onset=when - timedelta(days=5) if over else when,
            abated=over,
            clinical=clinical,
            verification=infection.get("verificationStatus", "confirmed"),
        )
    if infection.get("cultures") == "negative":
        for days in (2, 1):
            builder.culture(None, at - timedelta(days=days))


def _allergy(builder: Builder, allergy: Mapping[str, Any]) -> None:
    state = {
        name: status(f"allergyintolerance-{axis}", allergy[name])
        for name, axis in (("clinicalStatus", "clinical"), ("verificationStatus", "verification"))
        if name in allergy
    }
    reaction = allergy.get("reaction")
    builder.add(
        "AllergyIntolerance",
        "patient",
        **state,
        criticality=allergy.get("criticality"),
        code=concept(allergy["text"], DRUGS[allergy["drug"]] if "drug" in allergy else None),
        reaction=[{"manifestation": [{"text": reaction}]}] if reaction else None,
    )


def _measurements(builder: Builder, given: Given, at: datetime) -> None:
    an_hour_ago, six_hours_ago = at - timedelta(hours=1), at - timedelta(hours=6)
    temperature, weight = given.get("temp"), given.get("weight")
    if given.get("temp_c") is not None:
        temperature = {"value": given["temp_c"], "unit": "Cel"}
    if given.get("weight_kg") is not None:
        weight = {"value": given["weight_kg"], "unit": "kg"}
    if temperature:
        builder.measured("temp", temperature["value"], an_hour_ago, temperature["unit"])
    if weight:
        weighed = at - timedelta(days=given.get("weight_age_days") or 0.5)
        builder.measured("weight", weight["value"], weighed, weight["unit"])
    if given.get("sbp") is not None:
        builder.pressure(given["sbp"], round(given["sbp"] * 0.6), an_hour_ago)
    if given.get("spo2") is not None:
        builder.measured("spo2", given["spo2"], an_hour_ago)
    if given.get("anc") is not None:
        builder.measured("anc", given["anc"] / 1000, six_hours_ago)
    for name in ("crcl", "creatinine", "ferritin"):
        if given.get(name) is not None:
            builder.measured(name, given[name], six_hours_ago)


def _draft(builder: Builder, draft: Mapping[str, Any] | None) -> None:
    if draft:
        drug = draft.get("drug", "anakinra")
        written = _dosage(draft) if "dose_mg" in draft else {"text": draft["words"]} if "words" in draft else None
        builder.ordered(drug, None, state="draft", dosage=written)
        more = {"id": draft.get("id"), "reasonCode": [concept(draft["reason"])] if "reason" in draft else None}
        builder.made[-1] |= {name: value for name, value in more.items() if value is not None}


def _dosage(order: Mapping[str, Any]) -> Resource:
    return dosage(
        order["dose_mg"],
        order.get("interval_h"),
        route=order.get("route"),
        days=order.get("days", 3) if order.get("interval_h") else None,
        as_needed=bool(order.get("as_needed")),
    )
