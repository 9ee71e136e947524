"""The kinds of orders: those of `rules/orders.yaml`, and the drugs that say what they are themselves."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field, field_validator

from cds_service.knowledge.model.base import Id, Model
from cds_service.knowledge.model.drugs import Drug, Medication, Pack, Route, Use


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
    """A kind of order that the service has something to say about."""

    title: str
    value_sets: tuple[Id, ...]


class DosedKind(OrderKind):
    """A kind of order that is a drug of `rules/drugs`; a plain kind has no dosing."""

    dosing: Dosing | None = None


class Lies(Model):
    """Words of a route that only say where the way of another route (`of`) lies, where that one and words of such a way
    (`beside`) are said too."""

    of: Id
    beside: Id


class PerDay(Model):
    """Words that say so many doses a day."""

    times: float = Field(gt=0)
    words: tuple[str, ...]


class Frequencies(Model):
    """How words say how often a dose is given; `{n}` is a number. `alone` are words that say so only where they are all
    that a timing says ("daily"); behind `bounds` stands a maximum, and no dose."""

    every_hours: tuple[str, ...] = ()
    every_days: tuple[str, ...] = ()
    times_a_day: tuple[str, ...] = ()
    per_day: tuple[PerDay, ...] = ()
    alone: tuple[PerDay, ...] = ()
    bounds: tuple[str, ...] = ()

    @field_validator("every_hours", "every_days", "times_a_day")
    @classmethod
    def _hold_a_number(cls, phrases: tuple[str, ...]) -> tuple[str, ...]:
        lacking = [phrase for phrase in phrases if phrase.count("{n}") != 1]
        if lacking:
            raise ValueError(f"expected {{n}} once in each, found {lacking}")
        return phrases


class OrdersFile(Model):
    """`rules/orders.yaml`: the kinds of order that are no dosed drug, the order of pathways, those of them that answer
    where no toxicity is at hand, the routes, and how words say how often a dose is given."""

    kinds: dict[Id, OrderKind]
    pathways: tuple[str, ...]
    without_toxicity: tuple[str, ...] = ()
    routes: dict[Id, Route]
    lies: dict[Id, Lies] = Field(default_factory=dict)
    frequencies: Frequencies = Frequencies()


class Orders(Model):
    """All order kinds, drugs first, then as `rules/orders.yaml` has them; the drugs, order of pathways, and routes."""

    kinds: dict[Id, DosedKind]
    drugs: dict[Id, Drug] = Field(default_factory=dict)
    pathways: tuple[str, ...]
    without_toxicity: tuple[str, ...] = ()
    routes: dict[Id, Route]
    lies: dict[Id, Lies] = Field(default_factory=dict)
    frequencies: Frequencies = Frequencies()

    def uses(self, drug: str) -> Mapping[str, Use]:
        """The uses that an order may state, while this drug is judged."""
        return self.drugs[drug].uses if drug in self.drugs else {}


def assembled(file: OrdersFile, drugs: Mapping[str, Drug]) -> Orders:
    """The drugs and the other kinds as one table."""
    kinds = {
        name: DosedKind(title=drug.title, value_sets=drug.value_sets, dosing=_dosing(drug))
        for name, drug in drugs.items()
    }
    kinds |= {name: DosedKind(**dict(kind)) for name, kind in file.kinds.items() if name not in kinds}
    return Orders(
        kinds=kinds,
        drugs=dict(drugs),
        pathways=file.pathways,
        without_toxicity=file.without_toxicity,
        routes=file.routes,
        lies=file.lies,
        frequencies=file.frequencies,
    )


def _dosing(drug: Drug) -> Dosing | None:
    if drug.maximum.daily is None or drug.medication is None or not drug.products or drug.active is None:
        return None
    return Dosing(
        medication=drug.medication,
        pack=drug.products[0],
        daily_maximum=drug.maximum.daily.adult,
        child_daily_maximum=drug.maximum.daily.child_per_kg,
        active=f"{drug.id}-active",
        active_daily_dose=f"{drug.id}-active-daily-dose",
    )
