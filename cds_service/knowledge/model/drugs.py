"""`rules/drugs/<drug>/drug.yaml`: what the service knows of a drug that it doses or judges the dose of."""

from __future__ import annotations

from collections.abc import Mapping

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
    """A single-use unit that a pharmacy dispenses: the amount of drug and, where known, the volume in it; `names` are
    what orders call it beside `unit`, `part` what cards call a dose for which one must be divided."""

    mg: float
    volume_ml: float | None = None
    unit: str
    names: tuple[str, ...] = ()
    display: str
    part: str = ""
    source: str


class DailyMaximum(Model):
    """Policies: the most in a day in mg, and per kilogram under the adult age, where the lower of the two holds.

    `adultByProtocol`: the most for an adult at a site that names its high-dose protocol.
    """

    adult: Id
    child_per_kg: Id
    adult_by_protocol: Id = ""


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


class Spacing(Model):
    """Policies: the hours between two doses, and how many doses a day and an episode of CRS at most."""

    interval: Id
    per_day: Id
    in_all: Id


class Judged(Model):
    """Drafts whose dose is judged: those by these routes, or by none that is named, and of no product in `notIn`."""

    routes: tuple[Id, ...] = Field(min_length=1)
    not_in: tuple[Id, ...] = ()


class Allergies(Model):
    """What the drug must not be given after, as cards call it; `records` names those of `rules/facts.yaml` that say so,
    else they are the allergies to the drug itself."""

    title: str
    records: Id | None = None


class Use(Model):
    """A use of a drug that an order may state as its reason; `pathways` says whether CAR-T pathways still answer."""

    title: str
    value_set: Id
    pathways: bool
    note: str


class RegionStatement(Model):
    """What is known of a drug's status in a region, and as of when; a one-click order may need a supply route.

    `short` is as much of it as the first card has room for.
    """

    statement: str
    short: str
    as_of: str
    source: str
    needs_supply_route: bool


class Drug(Model):
    """One drug. Policies are named without `policy.`; routes are those of `rules/orders.yaml` that are permitted.

    `insteadOf`: kind of order -> the finding while which the drug may be given in its place. `evidence` is what speaks
    of this drug: on cards about another it is left out. `notes` are what shared cards say of this drug alone.
    A drug that the service offers, by a regimen, has all of it; another one has what its orders are judged by.
    """

    id: Id
    title: str
    version: Version
    status: Status
    value_sets: tuple[Id, ...] = Field(min_length=1)
    medication: Medication | None = None
    products: tuple[Pack, ...] = ()
    routes: tuple[Id, ...] = Field(min_length=1)
    maximum: Maximum
    judged: Judged | None = None
    active: Active | None = None
    spacing: Spacing | None = None
    allergies: Allergies | None = None
    groups: tuple[Id, ...] = ()
    instead_of: dict[Id, Id] = Field(default_factory=dict)
    evidence: tuple[Id, ...] = ()
    notes: dict[Id, str] = Field(default_factory=dict)
    regions: dict[str, RegionStatement] = Field(default_factory=dict)
    uses: dict[Id, Use] = Field(default_factory=dict)

    @property
    def roles(self) -> Mapping[str, tuple[str, ...]]:
        """What a rule for any drug calls a policy -> this drug's policies; none where it has no such limit."""
        daily, dose, spacing = self.maximum.daily, self.maximum.dose, self.spacing
        return {
            "drug-daily-maximum": tuple(p for p in (daily.adult, daily.adult_by_protocol) if p) if daily else (),
            "drug-child-daily-maximum": (daily.child_per_kg,) if daily else (),
            "drug-dose-maximum": tuple(str(policy) for _, policy in dose or ()),
            "drug-active-within": (self.active.within,) if self.active else (),
            "drug-course-gap": (self.active.course_gap,) if self.active else (),
            "drug-spacing": tuple(str(policy) for _, policy in spacing or ()),
        }


ROLES = (
    "drug-daily-maximum", "drug-child-daily-maximum", "drug-dose-maximum", "drug-active-within", "drug-course-gap",
    "drug-spacing",
)  # fmt: skip


def named_for(drug: Drug, text: str) -> str:
    """A text for any drug: `<Drug>` is its title, `<name>` that in a sentence, `<allergies>` what it must not meet."""
    allergies = drug.allergies.title if drug.allergies else ""
    return text.replace("<Drug>", drug.title).replace("<name>", drug.title.lower()).replace("<allergies>", allergies)


class Group(Model):
    """Drugs that share safety rules: `rules` must run for each of them that has a regimen."""

    title: str
    rules: tuple[Id, ...]
