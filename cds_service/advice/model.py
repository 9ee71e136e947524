"""What one assessment holds: the answers to each kind of order, what they rest on, and what could not be told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from msgspec import Struct

from cds_service.chart.intake import Intake
from cds_service.contract import DecisionName, Indicator
from cds_service.engine import Findings
from cds_service.facts.draft_read import DraftRead
from cds_service.facts.model import Fact
from cds_service.facts.order import Draft
from cds_service.knowledge.model import CardOrder, Regimen, RuleDefinition
from cds_service.knowledge.occasions import Occasion

NOTHING_READ = Intake()


@dataclass(frozen=True, slots=True)
class DosePlan:
    """One concrete regimen for this patient. `dose_mg` is rounded down to 1 mg where it comes from a weight."""

    dose_mg: float
    interval_h: int
    route: str
    duration_days: int
    mg_per_kg: float | None = None
    weight_kg: float | None = None

    @property
    def daily_mg(self) -> float:
        """mg in 24 hours."""
        return self.dose_mg * 24.0 / self.interval_h


@dataclass(frozen=True, slots=True)
class DraftedDose:
    """What a complete draft orders; `route` is the id of one of ours, or empty."""

    dose_mg: float
    interval_h: float
    daily_mg: float
    route: str


@dataclass(frozen=True, slots=True)
class Offer:
    """An order that may be placed with one click: `changes` is the draft that becomes it (None: it is a new order),
    `removes` are the drafts in whose place it comes."""

    kind: str
    plan: DosePlan
    changes: Draft | None = None
    removes: tuple[Draft, ...] = ()


class Answer(Struct, frozen=True):
    """One card to be, on an occasion.

    `offers` are one-click orders, the recommended first; `monitoring` those of its card that are not ordered yet, for
    `days`. `because` are the known facts that it rests on; `other_route` is the id of the draft's route where that is
    another one of ours than the regimen's; `until` is when time alone changes the answer, where the rule says how.
    `differs` is a complete draft that is no permitted regimen of the pathway. `leads` marks the first answer of all,
    `also` are those that have no card of their own any more and are named on this one's. `found` are those that a
    status tells, the most important first.
    """

    decision: DecisionName
    indicator: Indicator
    rule: RuleDefinition
    occasion: Occasion
    regimen: Regimen | None = None
    plan: DosePlan | None = None
    alternatives: tuple[DosePlan, ...] = ()
    offers: tuple[Offer, ...] = ()
    reevaluate_at: datetime | None = None
    until: datetime | None = None
    monitoring: tuple[CardOrder, ...] = ()
    days: int = 0
    other_route: str = ""
    differs: DraftedDose | None = None
    because: tuple[Fact, ...] = ()
    leads: bool = False
    also: tuple[Answer, ...] = ()
    found: tuple[Answer, ...] = ()


@dataclass(frozen=True, slots=True)
class Missing:
    """A rule that could not be evaluated, or that says what is missing; `facts` are the unknown ones."""

    rule: RuleDefinition
    facts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OrderAssessment:
    """What was found on one occasion: facts, what became of each rule (in order), and the answers, ranked.

    `answers` empty means that there is nothing to say. `missing` are the rules that must not stay unknown and did;
    `unknown` the unknown facts that could change any rule. `trouble` says
    in plain words why the rules could not be evaluated ("" where they could). `maximum` is the daily maximum in mg of
    the drug that is judged; `orders_unread` why orders that stand already may be missing, `not_read` why queries
    were not read whole, by name; `forgone` are those of them that facts do without. `first_card` are parts that the
    first card has whatever it answers. `drafts` are the references of the orders that it is about, `drafts_read` what
    all drafts in hand say.
    """

    occasion: Occasion
    rules: tuple[RuleDefinition, ...]
    facts: Mapping[str, Fact]
    findings: Findings
    answers: tuple[Answer, ...] = ()
    pathway: str = ""
    flags: tuple[str, ...] = ()
    missing: tuple[Missing, ...] = ()
    trouble: str = ""
    unknown: tuple[Fact, ...] = ()
    maximum: float | None = None
    orders_unread: tuple[str, ...] = ()
    not_read: Mapping[str, str] = field(default_factory=dict)
    forgone: tuple[str, ...] = ()
    first_card: tuple[str, ...] = ()
    drafts: tuple[str, ...] = ()
    drafts_read: tuple[DraftRead, ...] = ()

    @property
    def kind(self) -> str:
        """The kind of order ("" where there is none)."""
        return self.occasion.kind

    @property
    def drug(self) -> str:
        """The drug that is judged ("" where there is none)."""
        return self.occasion.drug


@dataclass(frozen=True, slots=True)
class Assessment:
    """Everything that was found for one question at one time; cards, explanations and records are made of it alone.

    `program` names the knowledge and the site (`<digest> <site>`), `now` the time as of which the chart was judged.
    `orders` has one entry for each occasion that was selected, most important first; `answers` are those of all
    together, in the order of the contract, with what one kind's answer takes from another's already taken. `intake` is
    how the chart came in, and what of it nothing recognised.
    """

    program: str
    hook: str
    now: datetime
    patient_id: str
    encounter_id: str | None
    orders: tuple[OrderAssessment, ...]
    answers: tuple[Answer, ...]
    intake: Intake = NOTHING_READ

    def of(self, occasion: Occasion) -> OrderAssessment:
        """What was found on an occasion. Raises KeyError where there was none such."""
        for order in self.orders:
            if order.occasion == occasion:
                return order
        raise KeyError(occasion.key)

    @property
    def failed(self) -> bool:
        """The rules could not be evaluated for one of the kinds, or the two evaluators differ."""
        return any(order.trouble for order in self.orders)


@dataclass(frozen=True, slots=True)
class Advice:
    """What a call is answered with. `held_back`: all cards that would be shown were nothing `silent` here (site, its
    service, its rules; "" where nothing that is silent has a say)."""

    cards: list[dict[str, Any]]
    silent: Literal["site", "service", "rules", ""] = ""
    held_back: tuple[dict[str, Any], ...] = ()
