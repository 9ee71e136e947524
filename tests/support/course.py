"""The days around a chart: vital signs every twelve hours and laboratory values every day since the infusion, and the
ordinary background of a CAR-T patient. Vital signs always agree with the documented grade of their time."""

from __future__ import annotations

from datetime import datetime, timedelta

from tests.support.charts import Given, chart, grades, infusion
from tests.support.fhir import Builder, Resource, concept

# CRS grade -> temperature, systolic and diastolic pressure, oxygen saturation, oxygen flow (0: room air)
_ADULT = {0: (36.8, 122, 74, 97, 0), 1: (38.7, 116, 70, 96, 0), 2: (39.0, 84, 48, 95, 0), 3: (39.3, 104, 60, 93, 10)}
_CHILD = {0: (36.8, 102, 62, 98, 0), 1: (38.8, 100, 60, 97, 0), 2: (39.1, 98, 58, 95, 2), 3: (39.4, 96, 54, 93, 10)}
_WITH_VASOPRESSOR = (39.3, 88, 46, 95, 0)


def patient_chart(given: Given, at: datetime, patient_id: str) -> list[Resource]:
    """The chart of `given` at `at`, with the days that led to it."""
    builder = Builder(patient_id, chart(given, at, patient_id))
    start = infusion(given, at) or at - timedelta(days=4)
    _background(builder, given, start)
    when = at - timedelta(hours=1)
    while when > start - timedelta(hours=6):
        _vitals(builder, given, at, when)
        when -= timedelta(hours=12)
    when = at - timedelta(hours=4)
    while when > start - timedelta(days=1):
        _labs(builder, given, at, when)
        when -= timedelta(days=1)
    return builder.made


def _grade(given: Given, at: datetime, when: datetime) -> int:
    held = [g for start, end, g in grades(given, at) if start <= when and (end is None or when < end)]
    return max(held, default=0)


def _vitals(builder: Builder, given: Given, at: datetime, when: datetime) -> None:
    grade = _grade(given, at, when)
    temperature, systolic, diastolic, saturation, flow = (_CHILD if given["age"] < 18 else _ADULT)[grade]
    if grade == 3 and given.get("vasopressors"):
        temperature, systolic, diastolic, saturation, flow = _WITH_VASOPRESSOR
    builder.measured("temp", temperature, when)
    builder.pressure(systolic, diastolic, when)
    builder.measured("spo2", saturation, when)
    if flow:
        builder.measured("o2_flow", flow, when)


def _labs(builder: Builder, given: Given, at: datetime, when: datetime) -> None:
    grade, days_ago = _grade(given, at, when), (at - when).days
    builder.measured("crp", 8 + 42 * grade, when, "mg/L")
    if given.get("ferritin") is None:
        builder.measured("ferritin", 460 + 850 * grade, when)
    builder.measured("platelets", 96 + 9 * days_ago, when)
    builder.measured("alt", 24 + 9 * grade, when)
    if given.get("creatinine") is None:
        builder.measured("creatinine", 0.4 if given["age"] < 18 else 0.9, when)
    if given.get("anc") is None:
        builder.measured("anc", round(1.1 + 0.3 * days_ago, 1), when)


def _background(builder: Builder, given: Given, start: datetime) -> None:
    """Prophylaxis is not treatment of an infection, and old problems are no toxicity."""
    for drug in ("levofloxacin", "fluconazole", "acyclovir"):
        builder.ordered(drug, start - timedelta(days=2))
        builder.made[-1]["reasonCode"] = [{"text": "Antimicrobial prophylaxis"}]
    builder.ordered("levetiracetam", start - timedelta(days=2))
    builder.made[-1]["reasonCode"] = [{"text": "Seizure prophylaxis"}]
    if given["age"] >= 18:
        builder.problem(concept("Essential hypertension"), onset=start - timedelta(days=2000))
    builder.problem(
        concept("Community acquired pneumonia"),
        onset=start - timedelta(days=900),
        abated=start - timedelta(days=880),
    )
