"""All facts that the rules of a ruleset need, in one pass over the chart."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial

from cds_service.errors import KnowledgeError
from cds_service.facts import (
    allergy,
    anakinra_course,
    car_t,
    crs,
    dose,
    icans,
    infection,
    order_use,
    patient,
    renal,
    site,
    tocilizumab,
)
from cds_service.facts.declared import DECLARED
from cds_service.facts.history import HISTORY
from cds_service.facts.measured import MEASURED
from cds_service.facts.model import Fact, Facts, Reading, bounded
from cds_service.knowledge.model import Catalogue, FactDefinition

Topic = Callable[[Reading, Facts], Iterator[Fact]]

# In this order: a topic may look at facts of the topics before it.
TOPICS: Mapping[str, Topic] = {
    "site": site.facts,
    "patient": patient.facts,
    "dose": dose.facts,
    "car-t": car_t.facts,
    "order-use": order_use.facts,
    "crs": crs.facts,
    "tocilizumab": tocilizumab.facts,
    "anakinra-course": anakinra_course.facts,
    "icans": icans.facts,
    "infection": infection.facts,
    "allergy": allergy.facts,
    "renal": renal.facts,
}
_NEEDS = {
    "dose": ("patient",),
    "order-use": ("car-t",),
    "crs": ("patient", "car-t"),
    "infection": ("car-t", "order-use"),
    "tocilizumab": ("patient", "car-t", "crs"),
    "anakinra-course": ("patient", "car-t", "crs"),
    "icans": ("patient",),
    "renal": ("patient",),
}
_DECLARED: Mapping[str, Callable[[str, FactDefinition, Reading], Fact]] = {
    **DECLARED, **MEASURED, **HISTORY, "policy": site.policy,
}  # fmt: skip
# A declared source may look at a query that its facts do not depend on: more than their `reads`.
_ALSO_READS = {"active_medication": ("statements",)}
# Whichever facts are needed: who the patient is, and what is ordered already.
_ALWAYS_READ = ("patient", "service-requests")


class Gatherer:
    """Compiled once for a set of fact names: which topics to run, which declared facts to read."""

    def __init__(self, catalogue: Catalogue, names: Iterable[str]) -> None:
        wanted = sorted(set(names))
        definitions = {name: catalogue.facts[name] for name in wanted}
        topics = {d.source.target for d in definitions.values() if d.source.kind == "topic"}
        if unknown_topics := topics - TOPICS.keys():
            raise KnowledgeError(
                f"rules/facts.yaml: unknown topic {sorted(unknown_topics)}; there are {sorted(TOPICS)}"
            )
        needed = topics | {n for t in topics for n in _NEEDS.get(t, ())}
        self.queries = _queries(catalogue, definitions.values(), needed)
        self._topics = tuple(run for name, run in TOPICS.items() if name in needed)
        self._declared = tuple(
            partial(_DECLARED[d.source.kind], name, d) for name, d in definitions.items() if d.source.kind != "topic"
        )

    def gather(self, reading: Reading) -> dict[str, Fact]:
        """Every fact by name."""
        known: dict[str, Fact] = {}
        for run in self._topics:
            for fact in run(reading, known):
                known[fact.name] = bounded(fact)
        for read in self._declared:
            fact = bounded(read(reading))
            known[fact.name] = fact
        return known


def _queries(catalogue: Catalogue, declared: Iterable[FactDefinition], topics: Iterable[str]) -> tuple[str, ...]:
    """The queries that may be looked at, in the catalogue's order: those of the facts, and of all facts of a topic."""
    computed = [d for d in catalogue.facts.values() if d.source.kind == "topic" and d.source.target in topics]
    read = {q for d in (*declared, *computed) for q in (*d.reads, *_ALSO_READS.get(d.source.kind, ()))}
    return tuple(q for q in catalogue.queries if q in read.union(_ALWAYS_READ))
