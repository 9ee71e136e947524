"""Parts of courses.yaml as frozen models: what is measured, and what else may be."""

from __future__ import annotations

from typing import Literal

from cds_service.tools.synth.figure_parts import ByGrade, CockcroftGault, Model, Range, Share, Who


class ByAge(Model):
    """mm[Hg] of a child: the base and so much more a year of age."""

    base: Range
    per_year: float


class Signs(Model):
    """Vital signs: how often, and between which values."""

    source: str
    every: ByGrade
    before_cells_every: float
    quiet_every: Range
    quiet_after: float
    fever: Range
    masked: Range
    afebrile: Range
    systolic: Range
    systolic_low: Range
    systolic_held: Range
    child_systolic: ByAge
    child_systolic_low: ByAge
    child_systolic_held: ByAge
    diastolic_share: Range
    saturation: Range
    saturation_on_oxygen: Range


class Marker(Model):
    """A laboratory value that an inflammation raises or lowers."""

    plain: Range
    peak: ByGrade
    digits: int


class Count(Model):
    """Blood cells, which lymphodepletion takes down."""

    plain: Range
    lowest: Range
    lowest_days: Range
    recovered_days: Range
    digits: int


class Labs(Model):
    """Laboratory values, once a day."""

    source: str
    first_day: int
    hour: Range
    ferritin: Marker
    crp: Marker
    fibrinogen: Marker
    alt: Marker
    ast: Marker
    neutrophils: Count
    platelets: Count
    missed_share: Share
    rise_hours: float
    halved_hours: float


class Kidneys(Model):
    """Creatinine clearance in mL/min; of a child the creatinine in mg/dL."""

    source: str
    cockcroft_gault: CockcroftGault
    plain: Range
    severe_share: Share
    severe: Range
    child_creatinine: Range
    injury_from_grade: int
    injury_share: Share
    injury_lasts_hours: float
    injury_factor: Range


class Icans(Model):
    """Neurotoxicity: how often by the worst grade of CRS, and how it goes."""

    source: str
    share_by_grade: dict[Literal["1", "2", "3", "4"], Share]
    after: Range
    grades: dict[Literal["1", "2", "3", "4"], Share]
    lasts: Range
    ask_share: Share
    ask_after: Range
    ice: dict[Literal["1", "2", "3", "4"], Range]


class IecHs(Model):
    """The hyperinflammatory syndrome: when, and its laboratory values."""

    source: str
    share: Share
    day: Range
    ferritin: Range
    fibrinogen: Range
    transaminase: Range
    after_release_hours: float
    lasts_days: Range
    orders: tuple[str, ...]
    ask_after: Range


class Kind(Model):
    """One of several things that may be."""

    name: str
    share: Share
    people: tuple[Who, ...] = ("adult", "child")


class Infections(Model):
    """Infections and blood cultures; hours are from when a culture was taken."""

    source: str
    kinds: tuple[Kind, ...]
    organisms: tuple[str, ...]
    contaminant: str
    fever: Range
    taken_after: Range
    cultures_at_fever: int
    culture_every: float
    problem_after: Range
    written_after: Range
    ask_after: Range
    past_days_before: Range
    past_lasts_days: float
    negative_after_hours: Range
    positive_after_hours: Range
    follow_up_hours: tuple[float, ...]
    follow_up_negative_after_hours: Range


class Allergies(Model):
    """What the allergy list says."""

    source: str
    recorded_days_before: Range
    kinds: tuple[Kind, ...]


class HomeProblem(Kind):
    """What some patients have had for long."""

    days_before: Range


class Pregnancy(Model):
    """Of women at an age in years."""

    share: Share
    age: Range
    source: str


class Weighing(Model):
    """How often weight is measured; of some children not for days."""

    every_days: int
    child_missed_share: Share
    missed_before: Range
    drift: float
    source: str


class Stay(Model):
    """How long a patient stays after the last step, and at least after the infusion."""

    after_last_step_hours: Range
    least_hours: float
    # Who falls ill so long after the infusion was discharged meanwhile, and comes so many hours before.
    first_stay_days: float
    second_stay_from_days: float
    second_stay_hours_before: float
