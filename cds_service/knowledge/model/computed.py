"""What is computed for the facts that need a formula or a course in time: everything that it goes by is named here."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Discriminator, Field

from cds_service.knowledge.model.base import Model
from cds_service.knowledge.model.names import (
    AnalyteId,
    CourseId,
    FactId,
    QueryId,
    RecordsId,
    ScaleId,
    StatusId,
    Threshold,
    ValueSetId,
    ValueSets,
    Window,
)
from cds_service.knowledge.model.support import Eased, Expiry, Grade, Mask, Oxygen, Quantity, Vasopressors

Gives = dict[str, str]


class Computes(Model):
    """Base of all computations: the results that it `gives` with their types, those of them that it `denies` where
    complete reads hold nothing, and those of which it may know the `bounds` alone."""

    gives: ClassVar[Gives]
    bounds: ClassVar[frozenset[str]] = frozenset()
    denies: ClassVar[frozenset[str]] = frozenset()


class GradeRow(Model):
    """Observations whose value is a grade, and which of them hold."""

    from_: Annotated[QueryId, Field(alias="from")]
    in_: Annotated[ValueSetId, Field(alias="in")]
    status: StatusId


class Numeral(Model):
    """A grade, and what stands for its number."""

    grade: int
    text: tuple[str, ...]


class Scale(Model):
    """Grades that clinicians document with one code each, and the condition when its grade is not said.

    `bare` are the grades alone, without the condition: in a stage, a severity, or the value of an Observation (`rows`).
    A record that names one of the `others` has a grade of another scale; one that says a `word` for a grade beside a
    number and gives none has a grade that nobody can read. What is `gradeless` has no grade that a text could mean
    instead. `numerals` are the ways to write a grade as all that the value of a row says, but for what stands in
    brackets or after a dash. A grade in words of doubt, or of an `unconfirmed` record, is in doubt.
    """

    title: str
    grades: tuple[Grade, ...]
    bare: tuple[Grade, ...] = ()
    numerals: tuple[Numeral, ...] = ()
    rows: GradeRow | None = None
    others: ValueSetId | None = None
    word: ValueSetId | None = None
    gradeless: ValueSets = ()
    ungraded: ValueSetId
    disproven: StatusId
    unconfirmed: StatusId
    ended: StatusId
    active: StatusId


class Points(Model):
    """A part of a score, and the most points that it may give."""

    in_: Annotated[ValueSetId, Field(alias="in")]
    most: int


class ScoreGrade(Model):
    """The grade of a score that is no higher than a threshold."""

    grade: int
    at_most: Threshold


class SevereScore(Model):
    """The grade of a score that is no lower than a threshold."""

    grade: int
    at_least: Threshold


class BodyWeight(Computes):
    """The newest weight, and whether it is current enough for a child's dose. A child's is none where its name, method,
    device or note says `not_measured`."""

    gives: ClassVar[Gives] = {"weight": "number", "current": "boolean"}
    by: Literal["body-weight"]
    weights: QueryId
    in_: Annotated[ValueSetId, Field(alias="in")]
    not_measured: ValueSetId
    analyte: AnalyteId
    status: StatusId
    adult_within: Window
    child_within: Window
    jump: Threshold
    jump_within: Window
    child: FactId


class OrderUse(Computes):
    """What the order says that it is for."""

    gives: ClassVar[Gives] = {"use": "code", "other": "boolean"}
    by: Literal["order-use"]
    conditions: QueryId
    toxicities: ValueSets
    active: StatusId
    unconfirmed: StatusId


class CrsGrade(Computes):
    """The grade from vital signs and support, beside the documented one."""

    gives: ClassVar[Gives] = {
        "grade": "integer", "derived": "integer", "differ": "code", "running": "boolean", "alone": "boolean",
        "for-the-heart": "boolean", "airway": "boolean", "other-scale": "boolean", "oxygen": "boolean",
        "not-established": "boolean", "unexplained": "boolean", "open": "boolean", "hours": "number",
    }  # fmt: skip
    denies = frozenset({"running", "alone", "for-the-heart", "airway", "other-scale", "oxygen"})
    by: Literal["crs-grade"]
    vitals: QueryId
    administrations: QueryId
    conditions: QueryId
    infusions: RecordsId
    scale: ScaleId
    child: FactId
    documented: FactId
    day: FactId
    first_day: Threshold
    final: StatusId
    given: StatusId
    within: Window
    temperature: Quantity
    fever: Threshold
    systolic: Quantity
    hypotension: Threshold
    contradicted_within: Window
    highest_grade: int
    eased: Eased
    expiry: Expiry
    flow: Quantity
    saturation: Quantity
    hypoxia: Threshold
    oxygen: Oxygen
    vasopressors: Vasopressors
    fever_masked_by: tuple[Mask, ...]


class OtherRoute(Model):
    """Doses by a route that does not count, in `words`: of these products, by this route, or, where neither the
    `counted` nor any other route is named, of the fixed amount that is used so from a weight on."""

    in_: Annotated[ValueSetId, Field(alias="in")]
    route: ValueSetId
    counted: ValueSetId
    words: str
    amount: Threshold
    analyte: AnalyteId
    from_weight: Threshold
    weight: FactId
    child: FactId


class FirstSign(Model):
    """A dose is before the first sign where no grade is documented until so long after it, and the temperatures of so
    long before it show no fever."""

    documented_within: Window
    temperatures_within: Window


class DistinctDoses(Computes):
    """The distinct doses of a drug in this episode, and how the grade answered to the last one. Fewer than `enough` are
    not known where a drug that was given is not understood: it may be one. A `stopped` one counts where it says how
    much was given. A clause that names one of `otherDrugs` is not about this one; `nothingGiven` beside
    `somethingGiven` is a doubt, and so is any other reason why a dose was not given.
    """

    gives: ClassVar[Gives] = {
        "doses": "integer", "stated-only": "boolean", "hours-since": "number", "change": "code",
        "hours-until": "number", "cap-reached": "boolean", "recent": "boolean",
        "receding": "boolean",
    }  # fmt: skip
    denies = frozenset({"doses", "stated-only", "cap-reached", "recent"})
    by: Literal["distinct-doses"]
    in_: Annotated[ValueSetId, Field(alias="in")]
    other_route: OtherRoute
    administrations: QueryId
    counted: StatusId
    under_way: StatusId
    unsure: StatusId
    not_done: StatusId
    stopped: StatusId
    nothing_given: ValueSetId
    something_given: ValueSetId
    planned: ValueSetId
    other_drugs: ValueSets
    statements: QueryId
    stated: StatusId
    requests: QueryId
    ordered: StatusId
    infusions: RecordsId
    scale: ScaleId
    episode_gap: Window
    in_progress: Window
    merge: Window
    first_sign: FirstSign
    enough: Threshold
    recent: Window
    interval: Window
    max_per_day: Threshold
    max_total: Threshold
    grades: CourseId
    grade: FactId
    documented: FactId
    derived: FactId
    mild: Threshold
    child: FactId


class DoseSpacing(Computes):
    """Whether a dose would come too soon after, or beside too many of, the doses on record."""

    gives: ClassVar[Gives] = {"too-soon": "boolean", "limit-reached": "boolean"}
    denies = frozenset({"too-soon", "limit-reached"})
    by: Literal["dose-spacing"]
    of: CourseId
    counts: StatusId
    interval: Window
    per_day: Threshold
    in_all: Threshold
    scope: FactId


class DrugCourse(Computes):
    """Since when a drug is given, and how the grade changed since its first dose."""

    gives: ClassVar[Gives] = {"hours": "number", "change": "code"}
    denies = frozenset({"hours"})
    by: Literal["drug-course"]
    in_: Annotated[ValueSetId, Field(alias="in")]
    administrations: QueryId
    given: StatusId
    gap: Window
    grades: CourseId
    grade: FactId
    child: FactId


class NeurologicalScore(Computes):
    """The grade from ICE, CAPD and signs, and the worse of it and the documented one."""

    gives: ClassVar[Gives] = {"grade": "integer", "scored": "integer"}
    denies = frozenset({"grade"})
    by: Literal["neurological-score"]
    vitals: QueryId
    conditions: QueryId
    scale: ScaleId
    age: FactId
    final: StatusId
    within: Window
    signs: ValueSetId
    sign_absent: ValueSetId
    sign_grades: tuple[Grade, ...]
    ice: Points
    ice_parts: tuple[Points, ...]
    ice_grades: tuple[ScoreGrade, ...]
    capd: Points
    capd_severe: SevereScore
    capd_mild: int
    ice_age: Threshold


class RenalFunction(Computes):
    """Creatinine clearance, and the renal function that it and the chart's diagnoses and procedures tell."""

    gives: ClassVar[Gives] = {"clearance": "number", "function": "code", "not-read": "boolean"}
    bounds = frozenset({"clearance"})
    by: Literal["renal-function"]
    labs: QueryId
    procedures: QueryId
    conditions: QueryId
    patient: QueryId
    final: StatusId
    active: StatusId
    done: StatusId
    under_way: StatusId
    clearance: Quantity
    creatinine: Quantity
    proxy: Quantity
    within: Window
    rise: Threshold
    severe_below: Threshold
    dialysis: ValueSetId
    dialysis_within: Window
    end_stage: ValueSetId
    severe: ValueSetId
    age: FactId
    child: FactId
    weight: FactId


Computation = Annotated[
    BodyWeight | OrderUse | CrsGrade | DistinctDoses | DoseSpacing | DrugCourse | NeurologicalScore | RenalFunction,
    Discriminator("by"),
]
