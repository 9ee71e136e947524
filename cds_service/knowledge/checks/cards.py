"""Cards: templates that parse, and name facts and policies that exist."""

from __future__ import annotations

from collections.abc import Iterator

from jinja2 import TemplateSyntaxError

from cds_service.contract import SUMMARY_LIMIT
from cds_service.knowledge import placeholders
from cds_service.knowledge.files import Document, YamlPath
from cds_service.knowledge.loader import SITE_CARDS, Loaded
from cds_service.knowledge.messages import missing
from cds_service.knowledge.model import Card


def cards(loaded: Loaded) -> Iterator[str]:
    """The wording of every card, also of the site's own, and the orders that it offers."""
    written = [(kind, key, card) for kind in ("cards", SITE_CARDS) for key, card in loaded.table(kind).items()]
    for kind, key, card in written:
        document = loaded.document(kind, key)
        for text in ("summary", "detail"):
            for function, there in (("fact", loaded.catalogue.facts), ("policy", loaded.policies)):
                for name in sorted(placeholders.names_in(getattr(card, text), function)):
                    yield from missing(document, (text,), function, name, there)
        for index, name in enumerate(card.override_reasons):
            path = ("overrideReasons", index)
            yield from missing(document, path, "override reason", name, loaded.override_reasons)
        for index, part in enumerate(card.parts):
            yield from missing(document, ("parts", index), "card", part, loaded.table("cards"))
        yield from _templates(document, card)
        yield from _orders(document, card)


def _templates(document: Document, card: Card) -> Iterator[str]:
    texts: list[tuple[YamlPath, str]] = [(("summary",), card.summary), (("detail",), card.detail)]
    for index, order in enumerate(card.orders):
        texts += [(("orders", index, key), getattr(order, key)) for key in ("label", "text", "reason")]
    for path, text in texts:
        try:
            placeholders.parsed(text)
        except TemplateSyntaxError as error:
            yield document.problem(path, f"expected a Jinja2 template, line {error.lineno} of it: {error.message}")
    is_static = "{{" not in card.summary and "{%" not in card.summary
    if is_static and len(card.summary) > SUMMARY_LIMIT:
        yield document.problem(("summary",), f"expected at most {SUMMARY_LIMIT} characters (found {len(card.summary)})")


def _orders(document: Document, card: Card) -> Iterator[str]:
    for index, order in enumerate(card.orders):
        if order.every_hours <= 0:
            path = ("orders", index, "everyHours")
            yield document.problem(path, f"expected at least 1 hour (found {order.every_hours})")
