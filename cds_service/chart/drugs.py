"""Drugs that a chart names only by a reference to a Medication: which are open, what resolves them, whom to ask.

A drug that stays open may be any drug: facts take it for unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from cds_service.chart.medication import medication_named
from cds_service.chart.read import Medications, Read
from cds_service.chart.resource import Resource
from cds_service.chart.server import Server
from cds_service.chart.visit import Get, NotAnswered

MOST_IDS: Final = 50  # of one search: the URL stays well below what servers accept


def open_references(*reads: Read) -> tuple[str, ...]:
    """The references of drugs that nothing resolves, each once."""
    resources = (r for read in reads if read.referring for r in read.resources)
    return tuple(dict.fromkeys(r.unresolved for r in resources if r.unresolved))


def named(read: Read, known: Medications) -> Read:
    """The read with every open drug that `known` has by exactly its reference; itself where there is none.

    A resource is replaced, never changed: the same one may serve another call, which knows other Medications.
    """
    if (
        not read.referring
        or not known
        or not any(r.unresolved and medication_named(known, r.unresolved) for r in read.resources)
    ):
        return read
    resources = tuple(Resource(r.raw, known) if medication_named(known, r.unresolved) else r for r in read.resources)
    return replace(read, resources=resources)


def still_open(read: Read, why: Mapping[str, str]) -> Read:
    """The read with the reasons, by reference, why its open drugs are not known."""
    told = (why.get(each, "its Medication names no drug") for each in open_references(read))
    return replace(read, lost="; ".join(dict.fromkeys(told)))


class DrugSearch:
    """One search for Medications by id. `found`, by id, grows by whole pages."""

    def __init__(self, server: Server, ids: Sequence[str], page_of: Callable[[bytes], Read], pages: int) -> None:
        self._server = server
        self.ids = frozenset(ids)
        self._page_of = page_of
        self._pages = pages
        self._search = f"Medication?_id={','.join(ids)}&_count={len(ids)}"
        self.found: Medications = {}

    def read(self, get: Get) -> None:
        """Read until all are found or the search ends. Raises NotAnswered."""
        target = self._server.target(self._search)
        for _ in range(self._pages):
            page = self._page_of(get(target))
            if not page.bundle:
                raise NotAnswered("FHIR server: not a Bundle")
            new = {id_: page.medications.get(f"Medication/{id_}") for id_ in self.ids}
            self.found = {**self.found, **{id_: found for id_, found in new.items() if found is not None}}
            if page.broken:
                raise NotAnswered(f"FHIR server: {page.gaps[0]}")
            if not page.next or self.ids <= self.found.keys():
                return
            onward = self._server.page(page.next, target)
            if onward is None:
                raise NotAnswered("FHIR server: its link to the next page leads elsewhere, not followed")
            target = onward
        raise NotAnswered(f"FHIR server: more than {self._pages} pages")


def drug_searches(
    server: Server, references: Iterable[str], page_of: Callable[[bytes], Read], pages: int, most: int
) -> dict[str, DrugSearch]:
    """At most `most` searches, named for the log, for the references that this server holds."""
    ids = list(dict.fromkeys(found for each in references if (found := server.own_id("Medication", each))))
    chunks = [ids[start : start + MOST_IDS] for start in range(0, len(ids), MOST_IDS)][:most]
    return {f"drugs {n}": DrugSearch(server, chunk, page_of, pages) for n, chunk in enumerate(chunks, 1)}


def answers(
    server: Server, references: Iterable[str], searches: Mapping[str, DrugSearch], outcomes: Mapping[str, str]
) -> tuple[Medications, dict[str, str]]:
    """What the searches found by reference, and for the other references why not."""
    found = {id_: held for search in searches.values() for id_, held in search.found.items()}
    asked = {id_: outcomes[name] or "FHIR server: no such Medication" for name, s in searches.items() for id_ in s.ids}
    asked[""] = "named on another server, not asked"
    known: dict[str, Mapping[str, Any]] = {}
    why: dict[str, str] = {}
    for reference in references:
        id_ = server.own_id("Medication", reference)
        if id_ in found:
            known[reference] = found[id_]
        else:
            why[reference] = asked.get(id_, "too many Medications referred to")
    return known, why
