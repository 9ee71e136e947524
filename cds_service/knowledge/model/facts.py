"""`rules/facts.yaml`: the queries that read a chart, and the facts that a rule may name."""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, Literal

from pydantic import Field, model_validator

from cds_service.knowledge.model.base import Id, Model


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
    quantity_rise: Id | None = None
    times_upper_limit: Id | None = None
    active_condition: Id | None = None
    recorded_condition: Id | None = None
    active_allergy: Id | None = None
    immunized_within: Id | None = None
    order_on_hold: Id | None = None
    amount_given: Id | None = None
    active_medication: Id | None = None
    active_daily_dose: Id | None = None
    drafted_medication: Id | None = None
    draft_daily_dose: Id | None = None
    draft_dose_computable: Id | None = None
    given_within: Id | None = None
    policy: Id | None = None

    @model_validator(mode="after")
    def _one_key(self) -> Source:
        given = [name for name, value in self if value is not None]
        if len(given) != 1:
            raise ValueError(f"exactly one source expected, found {len(given)}: {', '.join(given) or 'none'}")
        return self

    @cached_property
    def kind(self) -> str:
        """The snake_case name of the one key that is set."""
        return next(name for name, value in self if value is not None)

    @cached_property
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
    """`rules/facts.yaml`: every query and every fact, and the code systems that a search by code names."""

    searched_systems: tuple[str, ...] = ()
    queries: dict[str, Query]
    facts: dict[Id, FactDefinition]
