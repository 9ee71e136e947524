"""`rules/facts.yaml`: the queries that read a chart, what facts share, and the facts that a rule may name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from graphlib import TopologicalSorter
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union

from pydantic import BaseModel, Discriminator, Field, Tag, model_validator

from cds_service.contract import CALL_BYTES
from cds_service.knowledge.model.base import Id, Model
from cds_service.knowledge.model.computed import Computation, Scale
from cds_service.knowledge.model.names import Named, models_in, named_in
from cds_service.knowledge.model.selection import EntryBytes, FactType, Query, ResultReading, Selection, StatusSet
from cds_service.knowledge.model.sources import KEYS, SOURCES, Computed, Source, key_of, kind_of

if TYPE_CHECKING:
    _Source = Source
else:
    _Source = Annotated[
        Union[tuple(Annotated[source, Tag(key_of(source))] for source in SOURCES)],  # noqa: UP007
        Discriminator(
            kind_of,
            custom_error_type="no_source",
            custom_error_message=f"expected one source of {', '.join(sorted(KEYS))}",
        ),
    ]


class FactDefinition(Model):
    """A fact that a rule may name."""

    title: str
    type: FactType
    source: Annotated[_Source, Field(alias="from")]
    unit: str = ""
    values: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _type_fits(self) -> FactDefinition:
        if self.type not in self.source.gives:
            key = key_of(type(self.source))
            raise ValueError(f"expected the type {' or '.join(self.source.gives)} from {key} (found {self.type})")
        if self.values and self.type != "code":
            raise ValueError(f"only a fact of type code has values (this is a {self.type})")
        return self


class FactsFile(Model):
    """`rules/facts.yaml`: every query and every fact, with the records, results, scales and computations they share,
    and the code systems that a search by code names. `entry_bytes` is by resource type.

    `of_drug`: alias of a fact of the drug in hand -> drug -> its own fact; written out from `drugs`.
    """

    searched_systems: tuple[str, ...] = ()
    queries: dict[str, Query]
    entry_bytes: dict[str, EntryBytes] = Field(default_factory=dict)
    records: dict[Id, tuple[Selection, ...]] = Field(default_factory=dict)
    results: dict[Id, ResultReading] = Field(default_factory=dict)
    scales: dict[Id, Scale] = Field(default_factory=dict)
    computed: dict[Id, Computation] = Field(default_factory=dict)
    facts: dict[Id, FactDefinition]
    of_drug: dict[Id, dict[Id, Id]] = Field(default_factory=dict)


@dataclass(slots=True)
class _Found:
    """What a catalogue was asked, with the answers: calls ask the same again and again."""

    judging: dict[str, Mapping[str, FactDefinition]] = field(default_factory=dict)
    named: dict[str, tuple[Named, ...]] = field(default_factory=dict)
    names: dict[tuple[str, tuple[str, ...]], tuple[str, ...]] = field(default_factory=dict)
    inside: dict[tuple[str, str], tuple[Named, ...]] = field(default_factory=dict)


class Catalogue(FactsFile):
    """The facts with the named statuses: what each fact names, reads and is made of follows from its source."""

    statuses: dict[Id, StatusSet] = Field(default_factory=dict)

    def judging(self, drug: str) -> Mapping[str, FactDefinition]:
        """Every fact by name while a drug is judged: an alias is that drug's own."""
        if drug not in self.found.judging:
            own = {alias: self.facts[of[drug]] for alias, of in self.of_drug.items() if drug in of}
            self.found.judging[drug] = {**self.facts, **own}
        return self.found.judging[drug]

    def named(self, name: str) -> tuple[Named, ...]:
        """All that a fact names, also through the records, results, scales, computations and statuses that it names."""
        if name not in self.found.named:
            self.found.named[name] = tuple(self._reached(self._apart(named_in(self.facts[name].source)), set()))
        return self.found.named[name]

    def names(self, name: str, *what: str) -> tuple[str, ...]:
        """The names of some kinds that a fact uses, each once, in order; facts that it needs keep their own."""
        if (name, what) not in self.found.names:
            told = (found.name for found in self.named(name) if found.what in what)
            self.found.names[name, what] = tuple(dict.fromkeys(told))
        return self.found.names[name, what]

    def behind(self, model: BaseModel, *what: str) -> tuple[str, ...]:
        """The names of some kinds that a model uses, also through whatever it names, each once, in order."""
        told = (found.name for found in self._reached(self._apart(named_in(model)), set()) if found.what in what)
        return tuple(dict.fromkeys(told))

    def reads(self, name: str) -> tuple[str, ...]:
        """The queries that a fact looks at itself, in order."""
        return self.names(name, "query")

    def looked_for(self) -> dict[str, set[str]]:
        """Query -> the value sets that the facts look for which read it: rather too many than too few."""
        found: dict[str, set[str]] = {name: set(query.codes) for name, query in self.queries.items()}
        for fact in self.facts:
            for query in self.reads(fact):
                found[query].update(self.names(fact, "value set"))
        return found

    def measured(self) -> dict[str, tuple[str, ...]]:
        """Value set -> the tables of units in which its values are read, by whichever facts."""
        found: dict[str, dict[str, None]] = {}
        for model in models_in((self.facts, self.computed, self.records, self.results, self.scales)):
            analyte, sets = getattr(model, "analyte", ""), getattr(model, "in_", None) or ()
            for name in ((sets,) if isinstance(sets, str) else sets) if isinstance(analyte, str) else ():
                if analyte:
                    found.setdefault(name, {})[analyte] = None
        return {name: tuple(analytes) for name, analytes in found.items()}

    def needs(self, name: str) -> tuple[str, ...]:
        """The facts that a fact is made of, in order."""
        return self.names(name, "fact")

    def may_be_bounded(self, fact: str) -> bool:
        """Whether only the least or the most of a fact may be known."""
        source = self.facts[fact].source
        if isinstance(source, Computed):
            return source.give in self.computed[source.computed].bounds
        return source.bounds

    def empty_means(self, name: str) -> Literal["no", "unknown"]:
        """What complete reads that hold nothing say of a fact."""
        source = self.facts[name].source
        if isinstance(source, Computed):
            return "no" if source.give in self.computed[source.computed].denies else "unknown"
        return source.empty_means

    def entry(self, resource: str) -> EntryBytes:
        """The measure that counts for a resource type."""
        found = self.entry_bytes[resource]
        return self.entry_bytes[found.like] if found.like else found

    def bytes_of(self, name: str) -> int:
        """What a query may take in a prefetch: full to its count, each entry of the 95th percentile."""
        query = self.queries[name]
        return (query.count or 1) * (self.entry(query.resource).p95 or 0)

    def call_bytes(self) -> int:
        """What a call with every query full may take, the rest of the call included."""
        return CALL_BYTES + sum(self.bytes_of(name) for name in self.queries)

    def order(self) -> tuple[str, ...]:
        """All facts, each after those that it needs. Raises CycleError."""
        return tuple(TopologicalSorter({name: self.needs(name) for name in self.facts}).static_order())

    @cached_property
    def found(self) -> _Found:
        """What was looked for before."""
        return _Found()

    def _reached(self, names: Iterable[Named], seen: set[tuple[str, str]]) -> Iterator[Named]:
        for found in names:
            yield found
            if (found.what, found.name) not in seen and (inside := self._named_inside(found.what, found.name)):
                seen.add((found.what, found.name))
                yield from self._reached(inside, seen)

    def _named_inside(self, what: str, name: str) -> tuple[Named, ...]:
        """What the thing of this name itself names: several facts come by it."""
        if (what, name) not in self.found.inside:
            named = (n for model in self._inside(what, name) for n in named_in(model))
            self.found.inside[what, name] = tuple(self._apart(named))
        return self.found.inside[what, name]

    def _apart(self, names: Iterable[Named]) -> Iterator[Named]:
        """What may be a query or records is told apart."""
        for found in names:
            if found.what == "query or records":
                yield replace(found, what="query" if found.name in self.queries else "records")
            else:
                yield found

    def _inside(self, what: str, name: str) -> tuple[BaseModel, ...]:
        if what == "records":
            return self.records.get(name, ())
        shelves: Mapping[str, Mapping[str, Any]] = {
            "result": self.results, "scale": self.scales, "computation": self.computed, "status": self.statuses,
        }  # fmt: skip
        found = shelves.get(what, {}).get(name)
        return (found,) if found is not None else ()
