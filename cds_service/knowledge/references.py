"""Cross checks: whatever one file names must exist in another and fit its place there."""

from __future__ import annotations

from collections.abc import Iterable

from jinja2 import Environment, TemplateSyntaxError

from cds_service.contract import SUMMARY_LIMIT
from cds_service.knowledge import drug_references, fact_references, placeholders, rule_references
from cds_service.knowledge.files import Document, YamlPath
from cds_service.knowledge.loader import DRUGS, GROUPS, OPPOSITES, SITE_CARDS, Loaded
from cds_service.knowledge.messages import missing
from cds_service.knowledge.model import Card, FactsFile, Opposites, Orders, Regimen
from cds_service.knowledge.occasions import Occasions


def check(loaded: Loaded) -> list[str]:
    """Every dangling or unfitting reference, one line each. Expects files that were read without problems."""
    kinds = loaded.singles["rules/orders.yaml"].kinds
    occasions = Occasions(kinds, loaded.table(DRUGS), loaded.singles[GROUPS], loaded.table("rules").values())
    found = [*fact_references.check(loaded), *_orders(loaded), *drug_references.check(loaded, occasions)]
    for key, regimen in loaded.table("regimens").items():
        found += _regimen(loaded, loaded.document("regimens", key), regimen)
    for key, card in loaded.table("cards").items():
        found += _card(loaded, loaded.document("cards", key), card)
    for key, card in loaded.table(SITE_CARDS).items():
        found += _card(loaded, loaded.document(SITE_CARDS, key), card)
    found += _opposites(loaded)
    for key, rule in loaded.table("rules").items():
        found += rule_references.check(loaded, occasions, loaded.document("rules", key), rule)
    return found


def _orders(loaded: Loaded) -> Iterable[str]:
    orders: Orders = loaded.singles["rules/orders.yaml"]
    document = loaded.document("rules/orders.yaml", "")
    for name, kind in orders.kinds.items():
        for index, value_set in enumerate(kind.value_sets if name not in loaded.table(DRUGS) else ()):
            path = ("kinds", name, "valueSets", index)
            yield from missing(document, path, "value set", value_set, loaded.table("rules/terms"))


def _opposites(loaded: Loaded) -> Iterable[str]:
    opposites: Opposites = loaded.singles[OPPOSITES]
    for group, sides in opposites.groups.items():
        for number, side in enumerate(sides):
            for index, name in enumerate(side):
                path = ("groups", group, number, index)
                yield from missing(loaded.document(OPPOSITES, ""), path, "value set", name, loaded.table("rules/terms"))


def _regimen(loaded: Loaded, document: Document, regimen: Regimen) -> Iterable[str]:
    orders: Orders = loaded.singles["rules/orders.yaml"]
    yield from missing(document, ("orderKind",), "order kind", regimen.order_kind, orders.kinds)
    yield from missing(document, ("route",), "route", regimen.route, orders.routes)


def _card(loaded: Loaded, document: Document, card: Card) -> Iterable[str]:
    catalogue: FactsFile = loaded.singles["rules/facts.yaml"]
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
