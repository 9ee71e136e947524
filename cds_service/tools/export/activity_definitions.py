"""Doses of regimens and monitoring orders of cards as FHIR ActivityDefinitions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from cds_service.knowledge import Knowledge
from cds_service.knowledge.model import Card, CardOrder, Dose, Dosing, Regimen
from cds_service.tools.export.extensions import compound, extension
from cds_service.tools.export.fhir import (
    DRAFT_NOTICE,
    Json,
    canonical,
    coding,
    concept,
    definition,
    given,
    lines,
    overall,
    plain,
    quantity,
)

KIND: Final = "ActivityDefinition"
_PROPOSAL: Final = "Propose it only where the rule that names it holds and no other rule withholds it."


def activity_definitions(knowledge: Knowledge) -> Iterator[Json]:
    """Every dose of every regimen, and every order of every card."""
    for regimen in knowledge.regimens.values():
        for name, dose in doses(regimen):
            yield _medication(knowledge, regimen, name, dose)
    for card in knowledge.cards.values():
        for name, order in orders(card):
            yield _service(knowledge, card, name, order)


def doses(regimen: Regimen) -> Iterator[tuple[str, Dose]]:
    """Id and dose: the recommended one first, then the alternatives."""
    yield regimen.id, regimen.dose
    for number, dose in enumerate(regimen.alternatives, start=1):
        yield f"{regimen.id}-alternative-{number}", dose


def orders(card: Card) -> Iterator[tuple[str, CardOrder]]:
    """Id and order, in the order of the card."""
    for number, order in enumerate(card.orders, start=1):
        yield f"{card.id}-order-{number}", order


def words(knowledge: Knowledge, regimen: Regimen, dose: Dose) -> str:
    """`100 mg SC every 12 h`, or `2 mg/kg (at most 100 mg) IV every 6 h`."""
    if dose.mg is not None:
        amount = f"{plain(dose.mg)} mg"
    else:
        amount = f"{plain(dose.mg_per_kg or 0)} mg/kg (at most {plain(dose.cap_mg or 0)} mg)"
    return f"{amount} {knowledge.orders.routes[regimen.route].short} every {dose.interval_hours} h"


# ---------------------------------------------------------------- doses


def _medication(knowledge: Knowledge, regimen: Regimen, name: str, dose: Dose) -> Json:
    kind = knowledge.orders.kinds[regimen.order_kind]
    return definition(
        KIND,
        name,
        extension=[
            *extension("permitted-dosage", tuple(map(_amount, regimen.permitted))),
            *extension("permitted-up-to", regimen.permitted_up_to or None),
            *extension("permitted-by-protocol", regimen.by_protocol),
            *(_of_drug(knowledge, kind.dosing, dose) if kind.dosing else ()),
        ],
        version=regimen.version,
        title=regimen.title if name == regimen.id else f"{regimen.title} (alternative)",
        status=regimen.status,
        description=f"{words(knowledge, regimen, dose)} for {regimen.duration_days} days, then review.",
        usage=lines(
            _PROPOSAL,
            DRAFT_NOTICE if regimen.status == "draft" else "",
            f"Review: {regimen.review}",
            f"Stop: {regimen.stop}",
            f"Taper: {regimen.taper}",
            *regimen.notes,
        ),
        relatedArtifact=[given(type="justification", display=regimen.reference)],
        kind="MedicationRequest",
        intent="proposal",
        doNotPerform=False,
        productCodeableConcept=concept(kind.dosing.medication) if kind.dosing else {"text": kind.title},
        dosage=[_dosage(knowledge, regimen, kind.dosing, dose)],
    )


def _dosage(knowledge: Knowledge, regimen: Regimen, dosing: Dosing | None, dose: Dose) -> Json:
    """The dosage that is offered, with the most that may be given in a day and at once."""
    amount = _amount(dose)
    bounds = {"boundsDuration": quantity(regimen.duration_days, "d")}
    return given(
        **amount
        | {
            "text": f"{words(knowledge, regimen, dose)} for {regimen.duration_days} days",
            "timing": {"repeat": bounds | amount["timing"]["repeat"]},
            "route": concept(knowledge.orders.routes[regimen.route]),
            "maxDosePerPeriod": _maximum(knowledge, dosing.daily_maximum) if dosing else None,
        }
    )


def _amount(dose: Dose) -> Json:
    """Amount, interval and cap: all that counts of a permitted dosage."""
    amount = (plain(dose.mg), "mg") if dose.mg is not None else (plain(dose.mg_per_kg or 0), "mg/kg")
    return given(
        timing={"repeat": _every(dose.interval_hours)},
        doseAndRate=[{"doseQuantity": quantity(*amount)}],
        maxDosePerAdministration=quantity(plain(dose.cap_mg), "mg") if dose.cap_mg is not None else None,
    )


def _every(hours: int) -> Json:
    return {"frequency": 1, "period": hours, "periodUnit": "h"}


def _maximum(knowledge: Knowledge, name: str) -> Json:
    """A policy such as 400 mg/d as a Ratio: 400 mg to 1 d."""
    policy = knowledge.policies[name]
    amount, _, period = policy.unit.rpartition("/")
    return {"numerator": quantity(policy.value, amount), "denominator": quantity(1, period)}


def _of_drug(knowledge: Knowledge, dosing: Dosing, dose: Dose) -> Iterator[Json]:
    if dose.mg_per_kg is not None:
        yield from extension("daily-maximum-by-weight", _maximum(knowledge, dosing.child_daily_maximum))
    pack = dosing.pack
    content = quantity(plain(pack.mg), "mg")
    yield compound("pack", content=content, unit=pack.unit, display=pack.display, source=pack.source)


# ---------------------------------------------------------------- monitoring


def _service(knowledge: Knowledge, card: Card, name: str, order: CardOrder) -> Json:
    codes = [coding(order.system, order.code, order.display)] if order.code else []
    return definition(
        KIND,
        name,
        version=card.version,
        title=order.label,
        status=overall(rule.status for rule in knowledge.rules if rule.card == card.id),
        description=f"{order.text} (as needed: {order.as_needed})" if order.as_needed else order.text,
        purpose=order.reason,
        kind="ServiceRequest",
        intent="proposal",
        doNotPerform=False,
        code=given(coding=codes, text=order.text),
        timingTiming={"repeat": _every(order.every_hours)},
    )


def reference(name: str, version: str) -> str:
    """The canonical url by which an action names one of these."""
    return canonical(KIND, name, version)
