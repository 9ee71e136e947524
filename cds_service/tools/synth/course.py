"""One synthetic patient's course: what happened, and when it was written down. No FHIR, and no codes.

Times are whole minutes since the infusion (where there is none, since what stands in its place), negative before it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Final

HOUR: Final = 60
DAY: Final = 24 * HOUR


@dataclass(frozen=True, slots=True)
class Person:
    """Who it is. `product` is "" where no cells were given; `zero` is the moment that times count from."""

    id: str
    number: int
    child: bool
    age: int
    born: date
    female: bool
    weight: float
    product: str
    disease: str
    zero: datetime
    admitted: int

    def moment(self, at: int) -> datetime:
        """A time of the course as a time of the calendar."""
        return self.zero + timedelta(minutes=at)


@dataclass(frozen=True, slots=True)
class Stretch:
    """A time with one grade of cytokine release, held by one support (of courses.yaml), with its oxygen in L/min."""

    begins: int
    ends: int
    grade: int
    support: str
    flow: float


@dataclass(frozen=True, slots=True)
class Grading:
    """A grade written down `at`, of what began at `since`; it holds until `over`, when another was written or none."""

    at: int
    grade: int
    since: int
    over: int


@dataclass(frozen=True, slots=True)
class Dose:
    """A drug given once; `ends` is later than `at` where it takes time."""

    drug: str
    at: int
    ends: int
    mg: float
    route: str


@dataclass(frozen=True, slots=True)
class Running:
    """A vasopressor that runs."""

    drug: str
    begins: int
    ends: int


@dataclass(frozen=True, slots=True)
class Order:
    """A drug order, from `at` until `ends`; `reason` may be ""."""

    drug: str
    at: int
    ends: int
    reason: str


@dataclass(frozen=True, slots=True)
class SignSet:
    """Vital signs taken together; `device` "" is room air, `flow` in L/min where the device has one."""

    at: int
    temperature: float
    systolic: int
    diastolic: int
    saturation: int
    device: str
    flow: float


@dataclass(frozen=True, slots=True)
class Lab:
    """A laboratory value in the unit of courses.yaml."""

    name: str
    at: int
    value: float


@dataclass(frozen=True, slots=True)
class Culture:
    """A blood culture taken `at`, with its final result at `resulted`; `organism` "" is no growth."""

    at: int
    resulted: int
    organism: str


@dataclass(frozen=True, slots=True)
class Problem:
    """An entry of the problem list. `ended` None: still active; `refuted`: it was never true."""

    name: str
    onset: int
    recorded: int
    ended: int | None = None
    refuted: bool = False


@dataclass(frozen=True, slots=True)
class Allergy:
    """An entry of the allergy list."""

    name: str
    recorded: int
    refuted: bool = False
    anaphylaxis: bool = False


@dataclass(frozen=True, slots=True)
class Ask:
    """A moment at which somebody orders; `order` is a kind of courses.yaml."""

    at: int
    order: str


@dataclass(frozen=True, slots=True)
class Course:
    """Everything that happened to one person."""

    person: Person
    plot: str
    stays: tuple[tuple[int, int], ...]
    stretches: tuple[Stretch, ...]
    gradings: tuple[Grading, ...]
    neuro: tuple[Grading, ...]
    doses: tuple[Dose, ...]
    running: tuple[Running, ...]
    orders: tuple[Order, ...]
    signs: tuple[SignSet, ...]
    labs: tuple[Lab, ...]
    weights: tuple[Lab, ...]
    ice: tuple[Lab, ...]
    cultures: tuple[Culture, ...]
    problems: tuple[Problem, ...]
    allergies: tuple[Allergy, ...]
    pregnant: bool | None
    asks: tuple[Ask, ...] = field(default=())

    def given(self, drug: str) -> tuple[Dose, ...]:
        """The doses of a drug, first to last."""
        return tuple(dose for dose in self.doses if dose.drug == drug)

    @property
    def discharged(self) -> int:
        """When the last stay ends."""
        return self.stays[-1][1]
