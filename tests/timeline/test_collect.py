"""A timeline says what the chart says, what the facts say, and where each value stands."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cds_service.assess import NO_ORDER
from cds_service.knowledge import Knowledge
from cds_service.program import Program, compile_program
from cds_service.timeline.collect import collect, decide_at, decided
from cds_service.timeline.model import Point, Series, Timeline, Track
from cds_service.timeline.words import rows, table
from cds_service.tools.charts import chart_of, question_of
from cds_service.tools.replay import bundles
from tests.support.shipped import ROOT

END = datetime(2026, 3, 5, 10, tzinfo=UTC)
HOURS = [END - timedelta(hours=n) for n in range(120, -1, -6)]
PATIENTS = ("refractory-grade-3", "bacteraemia", "worse-on-anakinra", "iec-hs", "low-clearance", "child-grade-3")


def patient(name: str) -> bundles.Chart:
    (source,) = bundles.sources([ROOT / "examples/patients" / f"{name}.json"])[0]
    (found,) = bundles.read(source)
    assert isinstance(found, bundles.Chart)
    return found


@pytest.fixture(scope="module")
def program(ours: Knowledge) -> Program:
    return compile_program(ours)


@pytest.fixture(scope="module")
def courses(program: Program) -> Mapping[str, Timeline]:
    return {name: collect(program, chart_of(program, patient(name), END), HOURS) for name in PATIENTS}


def series(timeline: Timeline, track: str, title: str = "") -> Series:
    (found,) = [t for t in timeline.tracks if t.title == track]
    return next(s for s in found.series if not title or s.title == title)


# ---- against the bundle, read by nothing of ours


def taken(name: str, text: str) -> list[tuple[datetime, float]]:
    """Time and number of every final Observation whose code, or that of a component, says a text."""
    found = []
    for raw in patient(name).resources:
        if raw["resourceType"] != "Observation" or raw["status"] != "final":
            continue
        for part in (raw, *raw.get("component", ())):
            if text in str(part["code"]).lower() and "valueQuantity" in part:
                found.append((datetime.fromisoformat(raw["effectiveDateTime"]), part["valueQuantity"]["value"]))
    return sorted(pair for pair in found if HOURS[0] <= pair[0] <= END)


def given(name: str, text: str) -> list[tuple[datetime, Any]]:
    found = []
    for raw in patient(name).resources:
        if raw["resourceType"] == "MedicationAdministration" and text in str(raw["medicationCodeableConcept"]).lower():
            time = raw.get("effectiveDateTime") or raw["effectivePeriod"]["start"]
            dose = raw.get("dosage", {}).get("dose", {})
            found.append((datetime.fromisoformat(time), dose.get("value")))
    return sorted((pair for pair in found if HOURS[0] <= pair[0] <= END), key=lambda pair: pair[0])


@pytest.mark.parametrize("name", PATIENTS)
@pytest.mark.parametrize(
    ("track", "text", "factor"),
    [
        ("Temperature", "temperature", 1),
        ("Systolic blood pressure", "systolic", 1),
        ("Oxygen saturation", "oxygen saturation", 1),
        ("Ferritin", "ferritin", 1),
        ("Neutrophils", "neutrophil", 1000),
    ],
)
def test_every_measured_value_stands_in_the_bundle(
    courses: Mapping[str, Timeline], name: str, track: str, text: str, factor: float
) -> None:
    shown = [(p.at, p.value) for p in series(courses[name], track).points]
    assert shown == [(at, pytest.approx(value * factor)) for at, value in taken(name, text)]


@pytest.mark.parametrize("name", PATIENTS)
@pytest.mark.parametrize(
    ("track", "text"), [("Tocilizumab", "tocilizumab"), ("Anakinra", "anakinra"), ("Corticosteroids", "dexamethasone")]
)
def test_every_dose_stands_in_the_bundle(courses: Mapping[str, Timeline], name: str, track: str, text: str) -> None:
    assert [(p.at, p.value) for p in series(courses[name], track).points] == given(name, text)


def test_something_was_compared(courses: Mapping[str, Timeline]) -> None:
    for track in ("Temperature", "Ferritin", "Neutrophils", "Tocilizumab", "Anakinra", "Corticosteroids"):
        assert any(series(course, track).points for course in courses.values()), track


@pytest.mark.parametrize("name", PATIENTS)
def test_every_source_is_a_resource_of_the_chart(courses: Mapping[str, Timeline], name: str) -> None:
    refs = {f"{r['resourceType']}/{r.get('id')}" for r in patient(name).resources}
    points = [p for t in courses[name].tracks for s in t.series for p in s.points]
    assert {ref for p in points for ref in p.sources} <= refs
    assert all(
        p.sources for t in courses[name].tracks for s in t.series for p in s.points if s.kind in ("values", "marks")
    )


# ---- against the facts


@pytest.mark.parametrize("name", PATIENTS)
def test_a_step_is_what_the_fact_said_at_each_hour(
    program: Program, courses: Mapping[str, Timeline], name: str
) -> None:
    """Found by another way: every fact of the catalogue, of a chart that was read at that hour."""
    shown = {s.fact: (t.title, s.title) for t in program.knowledge.timeline.tracks for s in t.series if s.fact}
    assert shown
    for hour in HOURS[::4]:
        chart = chart_of(program, patient(name), END).at(program.horizon(hour))
        reading = program.reading(chart, NO_ORDER, program.no_order.drug, None, hour)
        facts = program.every_fact.gather(reading)
        for fact, place in shown.items():
            (point,) = [
                p
                for p in series(courses[name], *place).points
                if p.at <= hour and (hour < (p.until or p.at) or hour == p.at)
            ] or [series(courses[name], *place).points[-1]]
            assert point.value == facts[fact].value, (fact, hour)


def test_the_newest_value_is_that_of_the_fact(program: Program, courses: Mapping[str, Timeline]) -> None:
    name = "refractory-grade-3"
    reading = program.reading(chart_of(program, patient(name), END), NO_ORDER, program.no_order.drug, None, END)
    facts = program.every_fact.gather(reading)
    for fact, track in (("ferritin", "Ferritin"), ("neutrophils", "Neutrophils")):
        assert facts[fact].value is not None
        assert series(courses[name], track).points[-1].value == facts[fact].value


def test_what_is_not_known_is_no_no(program: Program) -> None:
    """Without the drugs given nobody knows whether a vasopressor runs, and the track says that it was not read."""
    kept = chart_of(program, patient("refractory-grade-3"), END)
    lost = type(kept)(kept.patient_id, {n: r for n, r in kept.reads.items() if n != "administrations"})
    timeline = collect(program, lost, HOURS[-3:])
    (running,) = [p.value for p in series(timeline, "Vasopressors", "a vasopressor is running").points]
    assert running is None
    assert next(t for t in timeline.tracks if t.title == "Vasopressors").gaps
    assert not next(t for t in timeline.tracks if t.title == "Vasopressors").is_empty


def test_a_culture_says_what_grew(courses: Mapping[str, Timeline]) -> None:
    (culture,) = series(courses["bacteraemia"], "Blood cultures").points
    assert culture.label == "positive"
    assert "Klebsiella" in culture.text
    assert not culture.is_hollow


def test_a_report_of_a_culture_that_is_there_itself_is_no_second_one(program: Program) -> None:
    asked = patient("bacteraemia")
    (culture,) = [r for r in asked.resources if r.get("id") == "bacteraemia-observation-1"]
    named = {key: culture[key] for key in ("subject", "effectiveDateTime", "code")}
    category = [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0074", "code": "MB"}]}]
    report = {
        "resourceType": "DiagnosticReport", "id": "r", "status": "final", "category": category, **named,
        "result": [{"reference": "Observation/bacteraemia-observation-1"}],
    }  # fmt: skip
    twice = bundles.Chart(asked.patient_id, "", (*asked.resources, report), "")
    assert "DiagnosticReport/r" in {r.ref for r in chart_of(program, twice, END).of("reports")}
    course = collect(program, chart_of(program, twice, END), HOURS[-9:])
    assert [p.sources for p in series(course, "Blood cultures").points] == [("Observation/bacteraemia-observation-1",)]


def test_an_infusion_without_an_end_lasts_until_the_end(courses: Mapping[str, Timeline]) -> None:
    (infusion,) = series(courses["refractory-grade-3"], "Vasopressors", "vasopressor given").points
    assert infusion.until == END


def test_hours_ascend(program: Program) -> None:
    chart = chart_of(program, patient("refractory-grade-3"), END)
    for hours in ([], [END, END], [END, END - timedelta(hours=1)]):
        with pytest.raises(ValueError, match="each after the one before"):
            collect(program, chart, hours)


# ---- answers


def test_answers_are_those_of_a_call_at_that_hour(program: Program) -> None:
    asked = patient("refractory-grade-3")
    chart = chart_of(program, asked, END)
    told = list(decide_at(program, chart, question_of(program, asked), [END - timedelta(hours=30), END]))
    assert [(d.decision, d.indicator) for d in told] == [("insufficient-data", "warning"), ("suggest", "critical")]
    assert "100 mg" in told[1].summary
    assert told[1].rule == "crs-adult-severe"


def test_an_answer_without_cards_is_one() -> None:
    assert decided(END, []).decision == ""
    assert decided(END, [{"summary": "x", "indicator": "info"}]).decision == "info"


def test_the_table_tells_every_point(courses: Mapping[str, Timeline]) -> None:
    course = courses["bacteraemia"]
    told = list(rows(course))
    assert len(told) == sum(len(s.points) for t in course.tracks for s in t.series)
    assert any(row.value == "39 °C" for row in told)
    assert table(course).count("<tr>") == len(told) + 1


def test_chart_text_is_escaped_in_the_table() -> None:
    mark = Point(END, None, text="<img src=x onerror=alert(1)>")
    assert "<img" not in table(_with(mark))


def _with(point: Point) -> Timeline:
    return Timeline("p", HOURS[0], END, (Track("T", (Series("s", "marks", "", (point,)),)),))
