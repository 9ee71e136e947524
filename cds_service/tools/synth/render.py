"""Write a course in a dialect: every resource of the chart, each with what it says and since when it is there."""

from __future__ import annotations

from typing import Final

from cds_service.tools.synth.course import DAY, HOUR, Course, Grading, SignSet
from cds_service.tools.synth.dialect import Dialect, Json
from cds_service.tools.synth.figures import Figures
from cds_service.tools.synth.written import INPATIENT, Pen, Record, patient

_VENTILATOR: Final = "ventilator"
_HIGH_FLOW: Final = "high-flow-cannula"


def records_of(course: Course, dialect: Dialect, figures: Figures) -> list[Record]:
    """The whole chart, the Patient first; the rest by the time since when it is there."""
    pen = Pen(dialect, course.person)
    _stays(pen, course)
    _problems(pen, course)
    _cells(pen, course)
    _grades(pen, course)
    _support(pen, course, figures)
    _drugs(pen, course, figures)
    for signs in course.signs:
        _signs(pen, signs)
    _results(pen, course)
    _cultures(pen, course)
    first = Record(patient(course.person), "patient", course.person.admitted)
    return [first, *sorted(pen.records, key=lambda record: record.at)]


def _stays(pen: Pen, course: Course) -> None:
    for admitted, discharged in course.stays:
        period = {"start": pen.time(admitted), "end": pen.time(discharged)}
        pen.write("Encounter", "stay", admitted, {"status": "finished", "class": INPATIENT, "period": period})


def _problems(pen: Pen, course: Course) -> None:
    for problem in course.problems:
        verification = "refuted" if problem.refuted else "confirmed"
        pen.condition(problem.name, problem.onset, problem.recorded, problem.ended, verification=verification)
    for allergy in course.allergies:
        verification = "refuted" if allergy.refuted else "confirmed"
        pen.allergy(allergy.name, allergy.recorded, verification=verification, anaphylaxis=allergy.anaphylaxis)
    if course.pregnant is not None:
        value = {"valueCodeableConcept": pen.concept("pregnant" if course.pregnant else "not-pregnant")}
        pen.observation("pregnancy", course.person.admitted + HOUR, value, category="social-history")


def _cells(pen: Pen, course: Course) -> None:
    product = course.person.product
    if product and pen.dialect.shapes.cells == "procedure":
        pen.procedure(product, 0, None)
    else:
        pen.administration(product or "bispecific", 0, None, {"route": pen.concept("intravenous")})


def _grades(pen: Pen, course: Course) -> None:
    """Grades as problems; the same grade again as an Observation where the dialect does so."""
    observed = pen.dialect.shapes.regrade == "observation"
    gradings = course.gradings
    for n, grading in enumerate(gradings):
        if observed and n and gradings[n - 1].since == grading.since:
            pen.observation("crs-grade", grading.at, {"valueInteger": grading.grade}, category="survey")
        else:
            over = _over(gradings[n:]) if observed else grading.over
            pen.condition(f"crs-{grading.grade}", grading.since, grading.at, over)
    if observed and gradings:  # a row of a flowsheet has no end: none is a grade too
        pen.observation("crs-grade", gradings[-1].over, {"valueInteger": 0}, category="survey")
    for grading in course.neuro:
        pen.condition(f"icans-{grading.grade}", grading.since, grading.at, grading.over)
    for score in course.ice:
        pen.observation("ice", score.at, {"valueInteger": int(score.value)}, category="survey")


def _over(gradings: tuple[Grading, ...]) -> int:
    """When the last of those that say the same of the same is over."""
    return [grading.over for grading in gradings if grading.since == gradings[0].since][-1]


def _support(pen: Pen, course: Course, figures: Figures) -> None:
    """Breathing support that is a procedure."""
    shapes = pen.dialect.shapes
    for stretch in course.stretches:
        device = figures.support(stretch.support).device
        if device == _VENTILATOR and shapes.oxygen != "rows":
            pen.procedure("ventilated", stretch.begins, stretch.ends)
        elif device == _HIGH_FLOW and shapes.oxygen == "procedure":
            pen.procedure(device, stretch.begins, stretch.ends)


def _drugs(pen: Pen, course: Course, figures: Figures) -> None:
    rows = pen.dialect.shapes.vasopressor == "rows"
    for dose in course.doses:
        dosage = {"route": pen.concept(dose.route), "dose": pen.dialect.quantity("dose", dose.mg)}
        ends = dose.ends if dose.ends > dose.at and not rows else None
        pen.administration(dose.drug, dose.at, ends, dosage)
    told = figures.vasopressor_rows
    for each in course.running:
        if not rows:
            pen.administration(each.drug, each.begins, each.ends, _rate(pen, told.rate))
            continue
        for at in range(each.begins, each.ends, round(told.every * HOUR)):
            pen.administration(each.drug, at, None, _rate(pen, told.rate))
        pen.administration(each.drug, each.ends, None, _rate(pen, 0), status="stopped")
    for order in course.orders:
        more = {"reasonCode": [pen.concept(order.reason)]} if order.reason else {}
        pen.order(order.drug, order.at, None if order.ends >= course.discharged else order.ends, more)
    for name in figures.home if not rows else ():
        when = {"start": pen.time(course.person.admitted - figures.home_since_days * DAY)}
        asserted = {"dateAsserted": pen.time(course.person.admitted + HOUR)}
        elements = {"status": "active", "medicationCodeableConcept": pen.concept(name), "effectivePeriod": when}
        pen.write("MedicationStatement", "home", course.person.admitted + HOUR, elements | asserted)


def _rate(pen: Pen, rate: float) -> Json:
    return {"route": pen.concept("intravenous"), "rateQuantity": pen.dialect.quantity("rate", rate)}


def _signs(pen: Pen, signs: SignSet) -> None:
    def measured(name: str, value: float, unit: str = "") -> Json:
        return {"code": pen.concept(name), "valueQuantity": pen.dialect.quantity(unit or name, value)}

    at, quantity = signs.at, pen.dialect.quantity
    vital = "vital-signs"
    pen.observation("temperature", at, {"valueQuantity": quantity("temperature", signs.temperature)}, category=vital)
    pressures = [measured("systolic", signs.systolic, "pressure"), measured("diastolic", signs.diastolic, "pressure")]
    pen.observation("pressure", at, {"component": pressures}, category=vital)
    saturation: Json = {"valueQuantity": quantity("saturation", signs.saturation)}
    device = {"code": pen.concept("oxygen-device"), "valueCodeableConcept": pen.concept(signs.device or "room-air")}
    flow = [measured("oxygen-flow", signs.flow)] if signs.flow else []
    shape = pen.dialect.shapes.oxygen
    if signs.device and shape == "component" and signs.device != _VENTILATOR:
        saturation["component"] = [*flow, device]
    pen.observation("saturation", at, saturation, category=vital)
    if shape == "rows":
        pen.observation("oxygen-device", at, {"valueCodeableConcept": device["valueCodeableConcept"]}, category=vital)
        if flow:
            pen.observation("oxygen-flow", at, {"valueQuantity": flow[0]["valueQuantity"]}, category=vital)
    elif shape == "procedure" and flow and signs.device != _HIGH_FLOW:
        value = {"valueQuantity": flow[0]["valueQuantity"], "component": [device]}
        pen.observation("oxygen-flow", at, value, category=vital)


def _results(pen: Pen, course: Course) -> None:
    for weight in course.weights:
        value = {"valueQuantity": pen.dialect.quantity("weight", weight.value)}
        pen.observation("weight", weight.at, value, category="vital-signs")
    for lab in course.labs:
        value = {"valueQuantity": pen.dialect.quantity(lab.name, lab.value)}
        pen.observation(lab.name, lab.at, value, category="laboratory", issued=lab.at + HOUR)


def _cultures(pen: Pen, course: Course) -> None:
    for culture in course.cultures:
        result = pen.concept(culture.organism or "no-growth")
        value = {"valueCodeableConcept": result}
        reference = pen.observation("blood-culture", culture.at, value, category="laboratory", issued=culture.resulted)
        if pen.dialect.shapes.report:
            words = result.get("text", "")
            pen.report("blood-culture", culture.at, culture.resulted, reference, words)
