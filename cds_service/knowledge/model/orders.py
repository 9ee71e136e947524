"""`rules/orders.yaml`: the kinds of orders, how the service orders a drug itself, and the order of pathways."""

from __future__ import annotations

from pydantic import Field

from cds_service.knowledge.model.base import Id, Model


class Medication(Model):
    """How the service itself would order a drug."""

    system: str
    code: str
    display: str


class Route(Medication):
    """A coded route of administration, and its short form for cards."""

    short: str


class Pack(Model):
    """The single-use unit that a pharmacy dispenses, and the amount of drug in it."""

    mg: float
    unit: str
    display: str
    source: str


class Dosing(Model):
    """What the service needs to order a drug itself: how it is coded and packed, its daily maximum (a policy each, in
    mg and in mg/kg under the adult age), and the facts that say what is already active."""

    medication: Medication
    pack: Pack
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


class Use(Model):
    """A use of the drug that an order may state as its reason; `pathways` says whether CAR-T pathways still answer."""

    title: str
    value_set: Id
    pathways: bool
    note: str


class Orders(Model):
    """`rules/orders.yaml`: the order kinds, most important first, their stated uses, and the order of pathways."""

    kinds: dict[Id, OrderKind]
    uses: dict[Id, Use] = Field(default_factory=dict)
    pathways: tuple[str, ...]
    routes: dict[Id, Route]
