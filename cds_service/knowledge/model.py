"""The shape of everything under `rules/` and `cards/`: what a reviewer may write, and nothing else.

Every model is frozen and refuses unknown keys. Keys are spelled in YAML as FHIR spells its elements (camelCase);
in Python they are snake_case. Thresholds, codes, doses and wording live in those files, never in Python.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator
from pydantic.alias_generators import to_camel

Id = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$", max_length=64)]
Version = Annotated[str, StringConstraints(pattern=r"^\d+\.\d+\.\d+$")]
Status = Literal["draft", "active", "retired"]
Hook = Literal["order-select", "order-sign", "patient-view"]
Stratum = Literal["safety", "pathway", "regimen", "advice"]
Indicator = Literal["info", "warning", "critical"]
DecisionName = Literal[
    "block", "order-exceeds-max", "duplicate", "vaccine-warning", "insufficient-data", "review",
    "suggest", "suggest-reduced", "suggest-restricted", "wait", "not-indicated", "investigational",
    "not-recommended", "order-ok", "caution", "monitoring",
]  # fmt: skip
STRATA: tuple[Stratum, ...] = ("safety", "pathway", "regimen", "advice")


def _date_or_none(value: object) -> object:
    """An approval that nobody gave is an empty field."""
    return None if value == "" else value


OptionalDate = Annotated[date | None, BeforeValidator(_date_or_none)]


class Model(BaseModel):
    """Base of all knowledge: frozen, camelCase keys, unknown keys refused, no silent type conversion."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True, strict=False
    )


# ---------------------------------------------------------------- value sets


class Code(Model):
    """One code of a value set; `match: prefix` also takes the code's children (ATC classes)."""

    system: str
    code: str
    display: str
    source: str
    match: Literal["exact", "prefix"] = "exact"


class Exclusion(Model):
    """A code or a phrase that must never match, and why."""

    system: str = ""
    code: str = ""
    display: str = ""
    text: str = ""
    reason: str


class UnverifiedCode(Model):
    """A code that was met but could not be verified: recorded, never used for matching."""

    system: str
    code: str
    display: str
    reason: str


class ValueSet(Model):
    """Codes and words with one clinical meaning."""

    id: Id
    title: str
    status: Status
    version: Version
    date: date
    purpose: str
    method: str
    codes: tuple[Code, ...]
    text: tuple[str, ...]
    exclusions: tuple[Exclusion, ...]
    unverified: tuple[UnverifiedCode, ...]


# ---------------------------------------------------------------- policies, evidence, units


class Policy(Model):
    """A threshold or window with an owner and a source. Rules fire on these, never on a study's figure."""

    title: str
    value: float | int | bool
    unit: str
    owner: str
    valid_from: date
    reference: str
    site_may_override: bool = False


class Evidence(Model):
    """What a rule leans on, how it was checked, and what may be said of it."""

    id: Id
    title: str
    citation: str
    url: str
    population: str
    n: int | None
    design: str
    statement: str
    status: Literal["verified", "partly", "unverified", "refuted"]
    why: str
    checked_on: date
    seeds: tuple[str, ...]
    forbidden: tuple[str, ...]


class Unit(Model):
    """One accepted unit of an analyte: canonical value = value * factor + offset. Decimal numbers as strings."""

    code: str
    aliases: tuple[str, ...] = ()
    factor: str = "1"
    offset: str = "0"


class Analyte(Model):
    """The closed table of units of one kind of measurement, and the range outside which a value is implausible."""

    title: str
    unit: str
    units: tuple[Unit, ...]
    plausible: tuple[float, float]
    plausible_adult: tuple[float, float] | None = None


# ---------------------------------------------------------------- facts and queries


class Query(Model):
    """One read of the FHIR chart; prefetch templates and FHIR searches are both derived from it.

    `window` names the policy beyond which older resources do not matter: a read that stops earlier than its last page
    is complete where what it holds reaches back further. Without a window every page matters.
    """

    title: str
    resource: str
    by: Literal["id", "patient"] = "patient"
    codes: tuple[Id, ...] = ()
    sort: str = ""
    count: int | None = None
    window: str = ""


class Source(Model):
    """Where a fact comes from: exactly one key. All but `topic` are declared: they need no code of their own."""

    topic: str | None = None
    newest_quantity: Id | None = None
    active_condition: Id | None = None
    active_medication: Id | None = None
    active_daily_dose: Id | None = None
    draft_daily_dose: Id | None = None
    draft_dose_computable: Id | None = None
    given_within: Id | None = None

    @model_validator(mode="after")
    def _one_key(self) -> Source:
        given = [name for name, value in self if value is not None]
        if len(given) != 1:
            raise ValueError(f"exactly one source expected, found {len(given)}: {', '.join(given) or 'none'}")
        return self

    @property
    def kind(self) -> str:
        """The snake_case name of the one key that is set."""
        return next(name for name, value in self if value is not None)

    @property
    def target(self) -> str:
        """The value of the one key that is set: a topic or the id of a value set."""
        return str(next(value for _, value in self if value is not None))


class FactDefinition(Model):
    """A fact that a rule may name."""

    title: str
    type: Literal["boolean", "integer", "number", "code"]
    source: Annotated[Source, Field(alias="from")]
    unit: str = ""
    values: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    empty_means: Literal["no", "unknown"] = "unknown"
    max_age: str = ""
    analyte: str = ""


class Catalogue(Model):
    """`rules/facts.yaml`: every query and every fact."""

    queries: dict[str, Query]
    facts: dict[Id, FactDefinition]


class Medication(Model):
    """How the service itself would order a drug."""

    system: str
    code: str
    display: str


class Route(Medication):
    """A coded route of administration, and its short form for cards."""

    short: str


class Dosing(Model):
    """What the service needs to order a drug itself: how it is coded, its daily maximum (a policy each, in mg and in
    mg/kg under the adult age), and the facts that say what is already active."""

    medication: Medication
    daily_maximum: str
    child_daily_maximum: str
    active: Id
    active_daily_dose: Id


class OrderKind(Model):
    """A kind of order that the service has something to say about; `onlyIf` names the finding it waits for."""

    title: str
    value_sets: tuple[Id, ...]
    only_if: Id | None = None
    dosing: Dosing | None = None


class Orders(Model):
    """`rules/orders.yaml`: the order kinds, most important first, and the order in which pathways answer."""

    kinds: dict[Id, OrderKind]
    pathways: tuple[str, ...]
    routes: dict[Id, Route]


# ---------------------------------------------------------------- rules


class Condition(Model):
    """One typed comparison of one fact, or of the finding of an earlier stratum.

    `policy.<name>` in place of a number stands for that policy's value at this site.
    """

    fact: str = ""
    finding: str = ""
    is_: Annotated[bool | int | float | str | None, Field(alias="is")] = None
    is_not: str | None = None
    at_least: int | float | str | None = None
    above: int | float | str | None = None
    at_most: int | float | str | None = None
    below: int | float | str | None = None
    known: bool | None = None

    @model_validator(mode="after")
    def _one_comparison(self) -> Condition:
        if bool(self.fact) == bool(self.finding):
            raise ValueError("name either a `fact` or a `finding`")
        operators = [n for n in OPERATORS if getattr(self, n) is not None]
        if len(operators) != 1:
            raise ValueError(f"exactly one comparison expected, found {len(operators)}; there are: {_spelled()}")
        return self

    @property
    def operator(self) -> str:
        """One of `OPERATORS`."""
        return next(n for n in OPERATORS if getattr(self, n) is not None)

    @property
    def operand(self) -> bool | int | float | str:
        """The right-hand side as written: a literal or `policy.<name>`."""
        value: bool | int | float | str = getattr(self, self.operator)
        return value


OPERATORS = ("is_", "is_not", "at_least", "above", "at_most", "below", "known")


def _spelled() -> str:
    return ", ".join(to_camel(name.rstrip("_")) for name in OPERATORS)


class Until(Model):
    """When time alone changes the answer: as soon as a fact in hours reaches a policy's window."""

    fact: Id
    policy: str


class Finding(Model):
    """What it means that a rule holds. Without a decision it is only a fact for later strata."""

    decision: DecisionName | None = None
    indicator: Indicator | None = None
    withholds_order: bool = False
    until: Until | None = None


class RuleDefinition(Model):
    """One reviewable rule: a file `rules/<topic>/<id>.yaml`."""

    id: Id
    title: str
    version: Version
    status: Status
    approval_date: OptionalDate
    last_review_date: OptionalDate
    stratum: Stratum
    hooks: tuple[Hook, ...]
    orders: tuple[Id, ...]
    rationale: str
    when: tuple[Condition, ...] = ()
    any: tuple[tuple[Condition, ...], ...] = Field(default=(), max_length=8)
    unless: tuple[Condition, ...] = ()
    if_unknown: Literal["insufficient-data", "note"] = "note"
    finding: Finding = Finding()
    pathway: str = ""
    regimen: str = ""
    card: str = ""
    policies: tuple[str, ...] = ()
    evidence: tuple[Id, ...] = ()
    limits: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _has_conditions(self) -> RuleDefinition:
        if not self.when and not self.any:
            raise ValueError("a rule needs `when` or `any`")
        return self


class Case(Model):
    """One named test of a rule: facts in, three-valued result out. Facts left out are unknown."""

    name: str
    facts: dict[str, bool | int | float | str] = {}
    findings: dict[str, bool] = {}
    result: Literal["fires", "silent", "unknown"]


# ---------------------------------------------------------------- regimens, cards, sites


class Dose(Model):
    """One dose and interval: a fixed dose, or a dose per kilogram with its cap."""

    mg: float | None = None
    mg_per_kg: float | None = None
    cap_mg: float | None = None
    interval_hours: int

    @model_validator(mode="after")
    def _one_amount(self) -> Dose:
        if (self.mg is None) == (self.mg_per_kg is None):
            raise ValueError("give either `mg` or `mgPerKg`")
        if self.mg_per_kg is not None and self.cap_mg is None:
            raise ValueError("a dose per kilogram needs `capMg`")
        return self


class Regimen(Model):
    """What a pathway offers: the recommended dose first, its alternatives, and what a finished draft may be."""

    id: Id
    title: str
    version: Version
    status: Status
    order_kind: Id
    route: Id
    dose: Dose
    alternatives: tuple[Dose, ...] = ()
    permitted: tuple[Dose, ...]
    permitted_up_to: bool = False
    duration_days: int
    review: str
    notes: tuple[str, ...] = ()
    reference: str


class CardOrder(Model):
    """A monitoring order offered as a ServiceRequest."""

    label: str
    system: str = ""
    code: str = ""
    display: str = ""
    text: str
    every_hours: int
    reason: str


class OverrideReason(Model):
    """A reason that a clinician may give for going another way."""

    system: str
    code: str
    display: str


class Card(Model):
    """Wording of one card: Jinja2 templates for plain text (`summary`) and Markdown (`detail`)."""

    id: Id
    version: Version
    summary: str
    detail: str
    orders: tuple[CardOrder, ...] = ()
    override_reasons: tuple[OverrideReason, ...] = ()


class Issuer(Model):
    """A CDS client that this site trusts: its `iss` and where its public keys are."""

    iss: str
    jwks: str


class Region(Model):
    """What is known of the drug's status in a region, and since when; a one-click order may need a supply route."""

    title: str
    statement: str
    as_of: str
    source: str
    needs_supply_route: bool


class Site(Model):
    """Where the process runs: region, supply, trusted servers, overridden policies."""

    id: Id
    title: str = ""
    region: str
    supply_route: str = ""
    tocilizumab_shortage: bool = False
    high_dose_protocol: str = ""
    fhir_servers: tuple[str, ...] = ()
    issuers: tuple[Issuer, ...] = ()
    cors_origins: tuple[str, ...] = ()
    policies: dict[str, float | int | bool] = {}
