"""Regimens, cards and regions: what is offered, in which words, and where."""

from __future__ import annotations

from pydantic import model_validator

from cds_service.knowledge.model.base import Id, Model, Status, Version


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
    """What a pathway offers: the recommended dose first, its alternatives, and what a finished draft may be.

    A draft must name one of `permittedRoutes`, where there are any; else any route of the drug, or none, is permitted.
    `byProtocol`: the intervals in hours at which more than the permitted pairs is right too, up to the maximum of a
    site that names its high-dose protocol; it is never offered.
    """

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
    permitted_routes: tuple[Id, ...] = ()
    by_protocol: tuple[int, ...] = ()
    duration_days: int
    review: str
    stop: str
    taper: str
    notes: tuple[str, ...] = ()
    reference: str


class CardOrder(Model):
    """A monitoring order offered as a ServiceRequest: repeated, or as needed where `as_needed` says when."""

    label: str
    system: str = ""
    code: str = ""
    display: str = ""
    text: str
    every_hours: int
    as_needed: str = ""
    reason: str


class OverrideReason(Model):
    """A reason that a clinician may give for going another way. `always`: whatever the card, which need not name it."""

    system: str
    code: str
    display: str
    always: bool = False


class Card(Model):
    """Wording of one card: Jinja2 templates for plain text (`summary`) and Markdown (`detail`).

    `parts` are the cards whose details follow its own: what several cards say stands in one of them. `overrideReasons`
    are names in `rules/override-reasons.yaml`, beside those that always fit. `background` are sentences for the page
    that the card links to: what a reader may want to know and has no room on the card.
    """

    id: Id
    version: Version
    summary: str
    detail: str
    parts: tuple[Id, ...] = ()
    orders: tuple[CardOrder, ...] = ()
    override_reasons: tuple[Id, ...] = ()
    background: tuple[str, ...] = ()


class Region(Model):
    """Where a site may be. What is known of a drug there stands with the drug."""

    title: str
