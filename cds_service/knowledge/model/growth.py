"""What becomes of a culture: how its result is read, what is a contaminant, and when one counts as cleared."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from cds_service.knowledge.model.base import Model
from cds_service.knowledge.model.names import FactId, StatusId, Threshold, ValueSetId, ValueSets, Window

Standing = Literal["positive", "contaminant", "uncertain", "cleared", "treated", "over", "old", "negative", "pending"]


class Lasting(Model):
    """Organisms that are dangerous for longer: not cleared they block within `within`; cleared they are `treated` for
    this time after the first culture in which nothing grew."""

    in_: Annotated[ValueSets, Field(alias="in")]
    within: Window
    treated: Window


class Opportunist(Model):
    """Organisms that are growth, also in one set, unless the fact is known to be `atLeast` the threshold: then they are
    judged like skin commensals."""

    in_: Annotated[ValueSetId, Field(alias="in")]
    fact: FactId
    at_least: Threshold


class Contaminants(Model):
    """A result of `commensal` organisms alone counts from as many `sets` within `within` on; `severalSets` are words by
    which one result tells of so many, `bottles` those that only count, `named` those that call it a contaminant; the
    name of an organism goes on after one of `ranks`."""

    commensal: ValueSetId
    sets: Threshold
    within: Window
    several_sets: ValueSetId
    bottles: ValueSetId
    ranks: ValueSetId
    named: ValueSetId
    opportunist: Opportunist


class Clearing(Model):
    """As many cultures without growth as `cultures`, each `apart` from the one before, after the last growth. One that
    is not final counts once nothing has grown for `shownAfter`: by its own time of issue, or in words (`shownBy`).
    What is cleared is `reviewed` for this time after the first of them."""

    cultures: Threshold
    apart: Window
    shown_after: Window
    shown_by: ValueSetId
    reviewed: Window


class Growth(Model):
    """`grew`, `nothing`, `pending` and `unreadable` are what results say, `named` names what grew; a code with other
    words names what grew. What is in
    `early` counts also where the status is only `preliminary`; records that are `withdrawn` say nothing. Growth that is
    older than `within` is old."""

    grew: ValueSets
    named: ValueSets
    nothing: ValueSets
    pending: ValueSets
    unreadable: ValueSets
    early: ValueSets
    final: StatusId
    preliminary: StatusId
    withdrawn: StatusId
    pathogen: ValueSetId
    contaminants: Contaminants
    clearing: Clearing
    within: Window
    lasting: tuple[Lasting, ...]
