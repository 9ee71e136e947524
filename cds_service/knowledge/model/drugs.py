"""`rules/drugs/<drug>/drug.yaml`: what the service knows of a drug that it doses or judges the dose of."""

from __future__ import annotations

from pydantic import Field, model_validator

from cds_service.knowledge.model.base import Id, Model, Status, Version


class Medication(Model):
    """How the service itself would order a drug."""

    system: str
    code: str
    display: str


class Route(Medication):
    """A coded route of administration, and its short form for cards."""

    short: str


class Pack(Model):
    """A single-use unit that a pharmacy dispenses: the amount of drug and, where known, the volume in it."""

    mg: float
    volume_ml: float | None = None
    unit: str
    display: str
    source: str


class DailyMaximum(Model):
    """Policies: the most in a day in mg, and per kilogram under the adult age, where the lower of the two holds."""

    adult: Id
    child_per_kg: Id


class DoseMaximum(Model):
    """Policies: the most at once per kilogram from a body weight on and below it, the most whatever the weight, and
    how many per cent above the dose by weight are still no excess."""

    per_kg: Id
    per_kg_light: Id
    light_below: Id
    whatever_weight: Id
    tolerance: Id


class Maximum(Model):
    """The most of a drug: in a day, or at once where it goes by the single dose."""

    daily: DailyMaximum | None = None
    dose: DoseMaximum | None = None

    @model_validator(mode="after")
    def _one(self) -> Maximum:
        if (self.daily is None) == (self.dose is None):
            raise ValueError("give either `daily` or `dose`")
        return self


class Active(Model):
    """Policies: a dose given this recently makes the drug active; a course is over after this long without one."""

    within: Id
    course_gap: Id


class Use(Model):
    """A use of a drug that an order may state as its reason; `pathways` says whether CAR-T pathways still answer."""

    title: str
    value_set: Id
    pathways: bool
    note: str


class RegionStatement(Model):
    """What is known of a drug's status in a region, and as of when; a one-click order may need a supply route."""

    statement: str
    as_of: str
    source: str
    needs_supply_route: bool


class Drug(Model):
    """One drug. Policies are named without `policy.`; routes are those of `rules/orders.yaml` that are permitted."""

    id: Id
    title: str
    version: Version
    status: Status
    value_sets: tuple[Id, ...] = Field(min_length=1)
    medication: Medication
    products: tuple[Pack, ...] = Field(min_length=1)
    routes: tuple[Id, ...] = Field(min_length=1)
    maximum: Maximum
    active: Active
    groups: tuple[Id, ...] = ()
    regions: dict[str, RegionStatement] = Field(default_factory=dict)
    uses: dict[Id, Use] = Field(default_factory=dict)


class Group(Model):
    """Drugs that share safety rules: `rules` must run for each of them that has a regimen."""

    title: str
    rules: tuple[Id, ...]
