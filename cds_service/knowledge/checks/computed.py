"""`rules/computed.yaml`: what the service's own code looks up by name is there, and is of the right kind."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic.alias_generators import to_camel

from cds_service.knowledge.loader import COMPUTED, Loaded
from cds_service.knowledge.messages import missing
from cds_service.knowledge.model import Computed

_KINDS = {
    "policies": "policy",
    "value_sets": "value set",
    "cards": "card",
    "queries": "query",
    "facts": "fact",
}


def names(loaded: Loaded) -> Iterator[str]:
    """Every name of the file exists; windows are looked at with the other policies."""
    document = loaded.documents.get((COMPUTED, ""))
    if document is None:
        return
    computed: Computed = loaded.singles[COMPUTED]
    sources = (fact.source for fact in loaded.catalogue.facts.values())
    topics = {source.target for source in sources if source.kind == "topic"}
    known = {
        "policies": loaded.policies,
        "value_sets": loaded.table("rules/terms"),
        "cards": loaded.table("cards"),
        "queries": loaded.catalogue.queries,
        "facts": loaded.catalogue.facts,
    }
    for topic in computed.topics:
        yield from missing(document, ("topics", topic), "topic", topic, topics)
    for here, uses in computed.users():
        for kind, what in _KINDS.items():
            for place, name in enumerate(getattr(uses, kind)):
                yield from missing(document, (*here, to_camel(kind), place), what, name, known[kind])
