"""Regimens: doses that the drug's maximum allows, by a route that exists, for a time that passes."""

from __future__ import annotations

from collections.abc import Iterator

from cds_service.knowledge.files import Document, YamlPath
from cds_service.knowledge.loader import Loaded
from cds_service.knowledge.messages import missing
from cds_service.knowledge.model import Dose, Dosing, Regimen


def regimens(loaded: Loaded) -> Iterator[str]:
    """Every dose, alternative and permitted pair of every regimen."""
    for key, regimen in loaded.table("regimens").items():
        document = loaded.document("regimens", key)
        yield from missing(document, ("orderKind",), "order kind", regimen.order_kind, loaded.orders.kinds)
        yield from missing(document, ("route",), "route", regimen.route, loaded.orders.routes)
        for index, route in enumerate(regimen.permitted_routes):
            yield from missing(document, ("permittedRoutes", index), "route", route, loaded.orders.routes)
        if regimen.permitted_routes and regimen.route not in regimen.permitted_routes:
            told = "expected the regimen's own route among them: what is offered may be ordered"
            yield document.problem(("permittedRoutes",), told)
        if regimen.duration_days <= 0:
            yield document.problem(("durationDays",), f"expected at least 1 day (found {regimen.duration_days})")
        for path, dose in _doses(regimen):
            yield from _amounts(document, path, dose)
        yield from _permitted(document, regimen)
        kind = loaded.orders.kinds.get(regimen.order_kind)
        if kind is not None and kind.dosing is None:
            yield document.problem(
                ("orderKind",), f"expected a drug with a daily maximum; {regimen.order_kind} has none in a drug.yaml"
            )
        elif kind is not None and kind.dosing is not None:
            yield from _maxima(loaded, document, regimen, kind.dosing)


def _doses(regimen: Regimen) -> Iterator[tuple[YamlPath, Dose]]:
    yield ("dose",), regimen.dose
    for key in ("alternatives", "permitted"):
        for index, dose in enumerate(getattr(regimen, key)):
            yield (key, index), dose


def _amounts(document: Document, path: YamlPath, dose: Dose) -> Iterator[str]:
    for key, amount in (("mg", dose.mg), ("mgPerKg", dose.mg_per_kg), ("capMg", dose.cap_mg)):
        if amount is not None and amount <= 0:
            yield document.problem((*path, key), f"expected more than 0 (found {amount:g})")
    if dose.interval_hours <= 0:
        yield document.problem((*path, "intervalHours"), f"expected at least 1 hour (found {dose.interval_hours})")


def _permitted(document: Document, regimen: Regimen) -> Iterator[str]:
    """What is offered is also right when it comes back as a draft."""
    for path, dose in _doses(regimen):
        if path[0] != "permitted" and dose not in regimen.permitted:
            yield document.problem(path, "expected this dose among `permitted` too: what is offered may be ordered")


def _maxima(loaded: Loaded, document: Document, regimen: Regimen, dosing: Dosing) -> Iterator[str]:
    """A day's doses within the drug's maximum, by weight too. Sites may lower a maximum, never raise it unseen."""
    fixed, by_weight = (loaded.policies.get(n) for n in (dosing.daily_maximum, dosing.child_daily_maximum))
    for path, dose in _doses(regimen):
        if dose.interval_hours <= 0:
            continue
        daily = 24 / dose.interval_hours
        for key, amount, policy, name, unit in (
            ("mg", dose.mg, fixed, dosing.daily_maximum, "mg/day"),
            ("capMg", dose.cap_mg, fixed, dosing.daily_maximum, "mg/day"),
            ("mgPerKg", dose.mg_per_kg, by_weight, dosing.child_daily_maximum, "mg/kg/day"),
        ):
            if amount is None or policy is None or amount * daily <= policy.value:
                continue
            told = f"{amount * daily:g} {unit} is above {policy.value:g} {unit}, the policy {name}"
            yield document.problem((*path, key), f"expected at most that maximum: {told}")
