"""Kinds of order that are no drug, and the routes by which an order may be given."""

from __future__ import annotations

from collections.abc import Iterator

from cds_service.knowledge.loader import ORDERS, Loaded
from cds_service.knowledge.messages import missing


def kinds(loaded: Loaded) -> Iterator[str]:
    """Every kind of order that is no drug is recognised by value sets."""
    document = loaded.document(ORDERS)
    for name, kind in loaded.orders.kinds.items():
        for index, value_set in enumerate(kind.value_sets if name not in loaded.orders.drugs else ()):
            path = ("kinds", name, "valueSets", index)
            yield from missing(document, path, "value set", value_set, loaded.table("rules/terms"))


def pathways(loaded: Loaded) -> Iterator[str]:
    """What answers without a toxicity is a pathway."""
    for index, name in enumerate(loaded.orders.without_toxicity):
        yield from missing(loaded.document(ORDERS), ("withoutToxicity", index), "pathway", name, loaded.orders.pathways)


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
    for name, lies in loaded.orders.lies.items():
        yield from missing(document, ("lies", name), "value set", name, value_sets)
        yield from missing(document, ("lies", name, "of"), "value set", lies.of, value_sets)
        yield from missing(document, ("lies", name, "beside"), "value set", lies.beside, value_sets)
