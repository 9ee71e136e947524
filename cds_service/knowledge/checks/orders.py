"""Kinds of order, their stated uses, and the routes by which an order may be given."""

from __future__ import annotations

from collections.abc import Iterator

from cds_service.knowledge.files import Document, YamlPath
from cds_service.knowledge.loader import ORDERS, Loaded
from cds_service.knowledge.messages import missing
from cds_service.knowledge.model import Dosing, FactDefinition


def kinds(loaded: Loaded) -> Iterator[str]:
    """Every kind of order is recognised by value sets, and what the service doses has maxima and facts to match."""
    document = loaded.document(ORDERS)
    for name, kind in loaded.orders.kinds.items():
        here = ("kinds", name)
        for index, value_set in enumerate(kind.value_sets):
            path = (*here, "valueSets", index)
            yield from missing(document, path, "value set", value_set, loaded.table("rules/terms"))
        if kind.only_if:
            yield from _gate(loaded, document, (*here, "onlyIf"), name, kind.only_if)
        if kind.dosing:
            yield from _dosing(loaded, document, (*here, "dosing"), kind.dosing)


def _gate(loaded: Loaded, document: Document, path: YamlPath, kind: str, gate: str) -> Iterator[str]:
    rules = loaded.table("rules")
    yield from missing(document, path, "rule", gate, rules)
    if gate in rules and (rules[gate].status == "retired" or kind not in rules[gate].orders):
        yield document.problem(path, f"expected a rule that is evaluated for {kind}; {gate} is not")


def _dosing(loaded: Loaded, document: Document, here: YamlPath, dosing: Dosing) -> Iterator[str]:
    for key, name, unit in (
        ("dailyMaximum", dosing.daily_maximum, "mg/d"),
        ("childDailyMaximum", dosing.child_daily_maximum, "mg/kg/d"),
    ):
        yield from missing(document, (*here, key), "policy", name, loaded.policies)
        if name in loaded.policies and loaded.policies[name].unit != unit:
            told = f"expected a policy in {unit} ({name} is in {loaded.policies[name].unit or 'no unit'})"
            yield document.problem((*here, key), told)
    facts = loaded.catalogue.facts
    for key, name, expected in (
        ("active", dosing.active, "boolean"),
        ("activeDailyDose", dosing.active_daily_dose, "number"),
    ):
        yield from missing(document, (*here, key), "fact", name, facts)
        if name in facts and not _is(facts[name], expected):
            told = "a boolean fact" if expected == "boolean" else "a number in mg/d"
            yield document.problem((*here, key), f"expected {told} ({name} is a {facts[name].type} {facts[name].unit})")
    if dosing.pack.mg <= 0:
        yield document.problem((*here, "pack", "mg"), f"expected more than 0 mg (found {dosing.pack.mg:g})")
    for key in ("system", "code", "display"):
        if not getattr(dosing.medication, key).strip():
            yield document.problem((*here, "medication", key), "required: an order is coded")


def _is(fact: FactDefinition, expected: str) -> bool:
    return fact.type == expected and (expected == "boolean" or fact.unit == "mg/d")


def uses(loaded: Loaded) -> Iterator[str]:
    """Every use that an order may state is recognised by a value set."""
    document = loaded.document(ORDERS)
    for name, use in loaded.orders.uses.items():
        path = ("uses", name, "valueSet")
        yield from missing(document, path, "value set", use.value_set, loaded.table("rules/terms"))


def routes(loaded: Loaded) -> Iterator[str]:
    """A route is recognised in drafts by the value set `route-<id>`, and written into orders by code."""
    document = loaded.document(ORDERS)
    value_sets = loaded.table("rules/terms")
    for name, route in loaded.orders.routes.items():
        here = ("routes", name)
        if f"route-{name}" not in value_sets:
            told = f"expected the value set route-{name} in rules/terms/route-{name}.yaml, by which drafts say it"
            yield document.problem(here, told)
        for key in ("system", "code", "display", "short"):
            if not getattr(route, key).strip():
                yield document.problem((*here, key), "required: an offered order and its card name the route")
