"""Cross checks: whatever one file names must exist in another and fit its place there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from jinja2 import Environment, TemplateSyntaxError
from pydantic.alias_generators import to_camel

from cds_service.contract import LOINC, OBSERVATION_SYSTEMS, SUMMARY_LIMIT
from cds_service.knowledge import drug_references, placeholders, rule_references
from cds_service.knowledge.files import Document, YamlPath
from cds_service.knowledge.loader import DRUGS, GROUPS, Loaded
from cds_service.knowledge.messages import missing
from cds_service.knowledge.model import Card, Catalogue, FactDefinition, Orders, Regimen
from cds_service.knowledge.occasions import Occasions

AGE_UNITS = ("h", "d")


def check(loaded: Loaded) -> list[str]:
    """Every dangling or unfitting reference, one line each. Expects files that were read without problems."""
    kinds = loaded.singles["rules/orders.yaml"].kinds
    occasions = Occasions(kinds, loaded.table(DRUGS), loaded.singles[GROUPS], loaded.table("rules").values())
    found = [*_catalogue(loaded), *_orders(loaded), *drug_references.check(loaded, occasions)]
    for key, regimen in loaded.table("regimens").items():
        found += _regimen(loaded, loaded.document("regimens", key), regimen)
    for key, card in loaded.table("cards").items():
        found += _card(loaded, loaded.document("cards", key), card)
    for key, rule in loaded.table("rules").items():
        found += rule_references.check(loaded, occasions, loaded.document("rules", key), rule)
    return found


def _catalogue(loaded: Loaded) -> Iterable[str]:
    catalogue: Catalogue = loaded.singles["rules/facts.yaml"]
    document = loaded.document("rules/facts.yaml", "")
    value_sets = loaded.table("rules/terms")
    for name, query in catalogue.queries.items():
        if query.window:
            yield from missing(
                document, ("queries", name, "window"), "policy", query.window, loaded.singles["rules/policies.yaml"]
            )
        for index, code in enumerate(query.codes):
            path = ("queries", name, "codes", index)
            yield from missing(document, path, "value set", code, value_sets)
            if code in value_sets and all(c.system not in OBSERVATION_SYSTEMS for c in value_sets[code].codes):
                yield document.problem(path, f"expected a value set with codes of {LOINC} ({code} has none)")
    for name, fact in catalogue.facts.items():
        yield from _fact(loaded, document, name, fact, catalogue)


def _fact(loaded: Loaded, document: Document, name: str, fact: FactDefinition, catalogue: Catalogue) -> Iterable[str]:
    here = ("facts", name)
    for index, query in enumerate(fact.reads):
        yield from missing(document, (*here, "reads", index), "query", query, catalogue.queries)
    if fact.source.kind == "policy":
        policies = loaded.singles["rules/policies.yaml"]
        yield from missing(document, (*here, "from"), "policy", fact.source.target, policies)
    elif fact.source.kind != "topic":
        yield from missing(document, (*here, "from"), "value set", fact.source.target, loaded.table("rules/terms"))
    analytes = loaded.singles["rules/units.yaml"]
    if fact.analyte:
        yield from missing(document, (*here, "analyte"), "analyte", fact.analyte, analytes)
        analyte = analytes.get(fact.analyte)
        if analyte and fact.unit and fact.unit != analyte.unit:
            yield document.problem(
                (*here, "unit"), f"expected {analyte.unit}, as the analyte {fact.analyte} (found {fact.unit})"
            )
    elif fact.source.kind in ("newest_quantity", "quantity_rise", "amount_given"):
        yield document.problem((*here, "analyte"), f"required for a fact from {to_camel(fact.source.kind)}")
    if fact.max_age:
        yield from _max_age(document, (*here, "maxAge"), fact.max_age, loaded.singles["rules/policies.yaml"])
    if fact.values and fact.type != "code":
        yield document.problem((*here, "values"), f"only a fact of type code has values (this is a {fact.type})")


def _max_age(document: Document, path: YamlPath, written: str, policies: Mapping[str, Any]) -> Iterable[str]:
    name = written.removeprefix("policy.")
    yield from missing(document, path, "policy", name, policies)
    policy = policies.get(name)
    if policy and (policy.unit not in AGE_UNITS or isinstance(policy.value, bool)):
        yield document.problem(path, f"expected a policy in h or d ({name} is in {policy.unit or 'no unit'})")


def _orders(loaded: Loaded) -> Iterable[str]:
    orders: Orders = loaded.singles["rules/orders.yaml"]
    document = loaded.document("rules/orders.yaml", "")
    for name, kind in orders.kinds.items():
        for index, value_set in enumerate(kind.value_sets if name not in loaded.table(DRUGS) else ()):
            path = ("kinds", name, "valueSets", index)
            yield from missing(document, path, "value set", value_set, loaded.table("rules/terms"))


def _regimen(loaded: Loaded, document: Document, regimen: Regimen) -> Iterable[str]:
    orders: Orders = loaded.singles["rules/orders.yaml"]
    yield from missing(document, ("orderKind",), "order kind", regimen.order_kind, orders.kinds)
    yield from missing(document, ("route",), "route", regimen.route, orders.routes)


def _card(loaded: Loaded, document: Document, card: Card) -> Iterable[str]:
    catalogue: Catalogue = loaded.singles["rules/facts.yaml"]
    for name in sorted(placeholders.facts_of(card)):
        yield from missing(document, ("detail",), "fact", name, catalogue.facts)
    for name in sorted(placeholders.policies_of(card)):
        yield from missing(document, ("detail",), "policy", name, loaded.singles["rules/policies.yaml"])
    texts: list[tuple[YamlPath, str]] = [(("summary",), card.summary), (("detail",), card.detail)]
    for index, order in enumerate(card.orders):
        texts += [(("orders", index, key), getattr(order, key)) for key in ("label", "text", "reason")]
    environment = Environment(autoescape=False)  # parsed here, never rendered
    for path, text in texts:
        try:
            environment.parse(text)
        except TemplateSyntaxError as error:
            yield document.problem(path, f"expected a Jinja2 template, line {error.lineno} of it: {error.message}")
    is_static = "{{" not in card.summary and "{%" not in card.summary
    if is_static and len(card.summary) > SUMMARY_LIMIT:
        yield document.problem(("summary",), f"expected at most {SUMMARY_LIMIT} characters (found {len(card.summary)})")
