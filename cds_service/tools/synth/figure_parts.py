"""Parts of courses.yaml as frozen models: who patients are, how cytokine release goes, what is given."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

Range = tuple[float, float]
Share = Annotated[float, Field(ge=0, le=1)]
ByGrade = dict[Literal["0", "1", "2", "3", "4"], Range]
Who = Literal["adult", "child"]


class Model(BaseModel):
    """Frozen, and without keys that nobody reads; the file writes names in camelCase."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel)


class Calendar(Model):
    """When infusions happen: on one of so many days from the first on, at an hour of the day."""

    first: date
    days: int
    infusion_hour: Range
    admitted_days_before: Range


class People(Model):
    """A kind of people: how many of all, and how old in years."""

    name: Who
    share: Share
    age: Range
    source: str


class Weights(Model):
    """kg at an age in years, by sex; a patient has a factor of it."""

    source: str
    male: tuple[Range, ...]
    female: tuple[Range, ...]
    factor: Range
    child_factor: Range


class Product(Model):
    """A CAR-T product: for which disease, and of whom."""

    name: str
    disease: str
    people: tuple[Who, ...]
    share: Share


class Support(Model):
    """What holds a patient at a grade: pressure, an oxygen device with its flow in L/min, vasopressors."""

    name: str
    grade: int
    source: str
    pressure: Literal["normal", "low", "held"] = "normal"
    device: str = ""
    flow: Range | None = None
    pressors: tuple[str, ...] = ()


class Step(Model):
    """So many hours after the step before: a grade begins, a drug is given, or somebody orders."""

    after: Range
    grade: int | None = None
    give: str = ""
    ask: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _one(self) -> Step:
        if (self.grade is not None) + bool(self.give) + bool(self.ask) != 1:
            raise ValueError("a step has one of grade, give, ask")
        return self


class Plot(Model):
    """How cytokine release goes."""

    name: str
    share: Share
    why: str
    steps: tuple[Step, ...]
    cells: bool = True
    adults_only: bool = False


class OrderKind(Model):
    """An order that is asked about; `permitted`: a regimen of the patient's own pathway."""

    name: str
    hook: Literal["order-select", "order-sign"]
    permitted: bool = False
    dose_mg: float | None = None
    every_hours: float | None = None
    route: str = ""
    as_needed: bool = False


class AskedOfAll(Model):
    """What every patient is asked beside the plot's own moments."""

    after_infusion: Range
    any_hours: int
    from_hour: float
    orders: tuple[str, ...]


class Drug(Model):
    """How a drug is given; `every` hours for so many `days`."""

    route: str
    source: str
    mg: float | None = None
    mg_per_kg: float | None = None
    child_mg_per_kg: float | None = None
    light_below_kg: float = 0
    light_mg_per_kg: float | None = None
    most_mg: float | None = None
    every: Range | None = None
    days: Range | None = None
    lasts_minutes: int = 0


class Preventive(Model):
    """A drug that is ordered to prevent something."""

    drug: str
    reason: str


class BeforeCells(Model):
    """What is given on which days before the cells."""

    drugs: tuple[str, ...]
    days: tuple[int, ...]


class VasopressorRows(Model):
    """ug/kg/min, and hours between two rows of it."""

    rate: float
    every: float


class AtFever(Model):
    """What is begun at the first fever, hours after it."""

    drug: str
    reason: str
    share: Share
    after: Range


class CockcroftGault(Model):
    """The numbers of the formula."""

    years: float
    divisor: float
    female: float


class Grading(Model):
    """How late a grade is written down, and how often again."""

    lag: Range
    again: Range
    forgotten_share: Share
    source: str
