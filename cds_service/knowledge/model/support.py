"""How the support of breathing and circulation is read: devices, flows and drugs, and what each of them proves."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from cds_service.knowledge.model.base import Model
from cds_service.knowledge.model.names import (
    AnalyteId,
    QueryId,
    StatusId,
    Threshold,
    ValueSetId,
    ValueSets,
    Window,
)


class Grade(Model):
    """A grade, and the value set whose concepts have it."""

    grade: int
    in_: Annotated[ValueSetId, Field(alias="in")]


class Quantity(Model):
    """A measured value and its table of units."""

    in_: Annotated[ValueSetId, Field(alias="in")]
    analyte: AnalyteId


class Device(Grade):
    """A device that gives oxygen, the grade that its use proves, and how it is called.

    `by_flow`: the flow through it decides, and without one the grade is a least one. `none_at_air`: with nothing but
    air it proves none.
    """

    words: str
    by_flow: bool = False
    none_at_air: bool = False


class Oxygen(Model):
    """How oxygen need is read: devices from the highest grade down, flow, fraction, and what does not score. A
    device that is called `off` beside room air is none."""

    devices: tuple[Device, ...]
    device: ValueSetId
    room_air: ValueSetId
    off: ValueSetId
    fraction: Quantity
    air: Threshold
    beside: Window
    low_flow: Threshold
    low: int
    high: int
    procedures: QueryId
    done: StatusId
    under_way: StatusId
    unsure: StatusId
    open_within: Window
    breathing_support: ValueSetId
    not_for_oxygen: ValueSetId
    airway: ValueSetId
    lack_of_oxygen: ValueSetId


class Vasopressors(Model):
    """Which running drugs count as vasopressors, by substance; `uncounted` never adds to the count, `if_infused` counts
    in a record of an infusion, and what is `unclear` may be any of them.

    A unit that ends in one of `per_time` makes a rate of a dose; a text with `instructed` words says what may be given.
    One runs where it is in progress, where a rate was recorded `rate_within` and nothing stopped it, or where it ended
    `within`; up to `open_within` it may be running.
    """

    in_: Annotated[ValueSetId, Field(alias="in")]
    uncounted: ValueSetId
    if_infused: ValueSetId
    unclear: ValueSetId
    inotropes: ValueSetId
    substances: ValueSets
    not_infused: ValueSetId
    elsewhere: ValueSets
    subcutaneous: ValueSetId
    bolus: ValueSetId
    continuous: ValueSetId
    not_started: ValueSetId
    per_time: tuple[str, ...]
    instructed: ValueSetId
    within: Window
    rate_within: Window
    open_within: Window
    clock_tolerance: Window
    done: StatusId
    under_way: StatusId
    halted: StatusId
    stopped: StatusId
    unsure: StatusId
    requests: QueryId
    ordered: StatusId


class Eased(Model):
    """The one difference that is no disagreement: a grade documented no longer than `within` ago, and vital signs that
    now say one less."""

    documented: int
    derived: int
    within: Window


class Mask(Model):
    """Drugs after whose administration in this status a fever may be absent for this long."""

    in_: Annotated[ValueSets, Field(alias="in")]
    status: StatusId
    within: Window


class Expiry(Model):
    """A documented grade is fresh `within` this time; as long as it is `remembered` a lower derived one asks for a
    person."""

    within: Window
    remembered: Window
