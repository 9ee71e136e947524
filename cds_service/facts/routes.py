"""Which route a record names. "IV (left SC line)" names one: the other word says where the line lies."""

from __future__ import annotations

from cds_service.chart.vocabulary import Concept
from cds_service.facts.model import Reading


def route_of(said: Concept, reading: Reading) -> str | None:
    """The id of the route that is meant; None where it is none of ours."""
    return next((name for name in reading.orders.routes if says_route(f"route-{name}", said, reading)), None)


def says_route(value_set: str, said: Concept, reading: Reading) -> bool:
    """Whether a concept names the route of a value set: by code, or by words that do not only say where the way of
    another route lies."""
    route = reading.terms[value_set]
    meaning = route.meaning(said)
    if meaning is None or not route.matches(said):
        return False
    lies = reading.orders.lies.get(value_set)
    if lies is None or meaning.by_code:
        return True
    return not (reading.terms[lies.of].matches(said) and reading.terms[lies.beside].matches(said))
