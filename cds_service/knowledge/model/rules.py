"""One reviewable rule, its comparisons, what it finds, and its cases."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field, model_validator
from pydantic.alias_generators import to_camel

from cds_service.contract import ASKS, TOLD_BY_STATUS, DecisionName, Hook, Indicator
from cds_service.knowledge.model.base import Id, Model, OptionalDate, Status, Stratum, Version
from cds_service.knowledge.model.names import Window

"""What stands before a policy's name where a number is expected."""


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

    @property
    def key(self) -> str:
        """What is compared, as a name of letters, digits and underscores: `fact_crs_grade`, `finding_crs_wait`."""
        return flat_key("fact", self.fact) if self.fact else flat_key("finding", self.finding)


OPERATORS = ("is_", "is_not", "at_least", "above", "at_most", "below", "known")


def flat_key(kind: str, name: str) -> str:
    """The key of a fact or of a finding in the one flat fact that a rules engine is asked about."""
    return f"{kind}_{name.replace('-', '_')}"


def _spelled() -> str:
    return ", ".join(to_camel(name.rstrip("_")) for name in OPERATORS)


class OfGroup(Model):
    """Every drug of a group of `rules/groups.yaml`."""

    group: Id


OrderScope = Id | OfGroup


class Until(Model):
    """When time alone changes the answer: as soon as a fact in hours reaches a policy's window."""

    fact: Id
    policy: str


class Finding(Model):
    """What it means that a rule holds. Without a decision it is only a fact for later strata.

    `besideSuggestion`: what the decision becomes where another drug is suggested in place of the ordered one.
    `onlyBeside`: a caution that stands only while one of these decisions leads, or nothing but advice is given.
    `onlyByRoute`: a caution that stands only beside a dose by this route, or by none that is named.
    `screens`: a caution that is part of a status, and makes it a warning.
    `onceIn`: a caution that a clinician sees of a patient once in this time, unless what it rests on is new.
    `saidBy`: a caution that is left out beside an answer of one of these rules: they speak of the same risk.
    `statesDose`: where this alone keeps a dose from being suggested, its card states the dose as text.
    """

    decision: DecisionName | None = None
    indicator: Indicator | None = None
    withholds_order: bool = False
    states_dose: bool = False
    screens: bool = False
    only_beside: tuple[DecisionName, ...] = ()
    only_by_route: Id | None = None
    once_in: Window | None = None
    until: Until | None = None
    beside_suggestion: Literal["caution"] | None = None
    said_by: tuple[Id, ...] = ()


class RuleDefinition(Model):
    """One reviewable rule: a file `rules/<group>/<topic>/<id>.yaml`.

    `orders` are kinds of order, drugs among them; `about` are the drugs that a rule for other kinds speaks of. A rule
    for more than one drug may be `shownAs` an id with `<drug>` in it. `firstCard` is a part that the first card has
    while the rule holds, whatever it answers.
    """

    id: Id
    title: str
    version: Version
    status: Status
    approval_date: OptionalDate
    last_review_date: OptionalDate
    stratum: Stratum
    hooks: tuple[Hook, ...]
    orders: tuple[OrderScope, ...]
    about: tuple[OrderScope, ...] = ()
    shown_as: str = ""
    rationale: str
    when: tuple[Condition, ...] = ()
    any: tuple[tuple[Condition, ...], ...] = Field(default=(), max_length=8)
    unless: tuple[Condition, ...] = ()
    if_unknown: Literal["insufficient-data", "note", "quiet"] = "note"
    finding: Finding = Finding()
    pathway: str = ""
    regimen: str = ""
    card: str = ""
    first_card: str = ""
    policies: tuple[str, ...] = ()
    evidence: tuple[Id, ...] = ()
    limits: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _has_conditions(self) -> RuleDefinition:
        if not self.when and not self.any:
            raise ValueError("a rule needs `when` or `any`")
        return self


def runs_at(rule: RuleDefinition, hook: str) -> bool:
    """Whether a hook asks a rule: one of its own, or, without an order, one of those whose finding a status tells."""
    finding = rule.finding
    told = finding.decision is None or finding.decision in TOLD_BY_STATUS or finding.screens
    return hook in rule.hooks or (told and ASKS.get(hook) in rule.hooks)


def conditions(rule: RuleDefinition) -> Iterator[tuple[tuple[str | int, ...], Condition]]:
    """Every condition of the rule with its path in the file."""
    for index, condition in enumerate(rule.when):
        yield ("when", index), condition
    for number, alternative in enumerate(rule.any):
        for index, condition in enumerate(alternative):
            yield ("any", number, index), condition
    for index, condition in enumerate(rule.unless):
        yield ("unless", index), condition


class Case(Model):
    """One named test of a rule: facts in, three-valued result out. Facts left out are unknown."""

    name: str
    facts: dict[str, bool | int | float | str] = Field(default_factory=dict)
    findings: dict[str, bool] = Field(default_factory=dict)
    result: Literal["fires", "silent", "unknown"]
