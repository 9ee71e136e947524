"""Queries that a chart can be asked, and value sets that exclude each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from cds_service.contract import BODY_BYTES
from cds_service.knowledge.files import Document, YamlPath
from cds_service.knowledge.loader import FACTS, OPPOSITES, Loaded
from cds_service.knowledge.messages import missing, suggestion
from cds_service.knowledge.model import Opposites, Query

MOST_RESOURCES: Final = 1000
"""What one page of a search may hold: FHIR servers answer more with an error or with less."""

SORTS: Final[Mapping[str, str]] = {
    "AllergyIntolerance": "-date",
    "Condition": "-recorded-date",
    "Immunization": "-date",
    "MedicationAdministration": "-effective-time",
    "MedicationRequest": "-authoredon",
    "MedicationStatement": "-effective",
    "Observation": "-date",
    "Procedure": "-date",
    "ServiceRequest": "-authored",
    "DiagnosticReport": "-date",
}
"""The types that are searched -> how a search of FHIR R4 puts the newest first."""

_PATIENT: Final = "Patient"


def queries(loaded: Loaded) -> Iterator[str]:
    """Every query asks for a type that is read, sorted and counted, by codes that a search can name."""
    document = loaded.document(FACTS)
    for name, query in loaded.catalogue.queries.items():
        here = ("queries", name)
        if query.resource not in SORTS and query.resource != _PATIENT:
            told = f"{query.resource} is not read{suggestion(query.resource, (*SORTS, _PATIENT))}"
            yield document.problem((*here, "resource"), told)
            continue
        if (query.by == "id") != (query.resource == _PATIENT):
            wanted = "id" if query.resource == _PATIENT else "patient"
            yield document.problem((*here, "by"), f"expected {wanted} for {query.resource} (found {query.by})")
        if query.by == "patient" and query.resource in SORTS:
            yield from _paged(document, here, query)
        yield from _searched(loaded, document, here, query)
        if query.codes and query.resource != "Observation":
            yield document.problem(
                (*here, "codes"), f"only Observations are searched by code (this is {query.resource})"
            )


def prefetch(loaded: Loaded) -> Iterator[str]:
    """The service takes the prefetch that it asks for itself: full to its counts, it fits the body of a call."""
    document, catalogue = loaded.document(FACTS), loaded.catalogue
    measures, broken = catalogue.entry_bytes, False
    for kind, measure in measures.items():
        if measure.like and (measure.like not in measures or measures[measure.like].like):
            broken = True
            told = f"expected a type that was measured (found {measure.like})"
            yield document.problem(("entryBytes", kind, "like"), told)
    for name, query in catalogue.queries.items():
        if query.resource not in measures:
            broken = True
            if query.resource not in SORTS and query.resource != _PATIENT:
                continue  # told already
            told = f"{query.resource} needs its bytes in entryBytes{suggestion(query.resource, measures)}"
            yield document.problem(("queries", name, "resource"), told)
    if not broken and (whole := catalogue.call_bytes()) > BODY_BYTES:
        largest = sorted(catalogue.queries, key=catalogue.bytes_of, reverse=True)[:3]
        told = ", ".join(f"{name} ({catalogue.bytes_of(name)})" for name in largest)
        yield document.problem(
            ("queries", largest[0], "count"),
            f"a call with every query full would have {whole} bytes, at most {BODY_BYTES} are taken: lower a count; "
            f"the largest are {told}",
        )


def _paged(document: Document, here: YamlPath, query: Query) -> Iterator[str]:
    """Only where the newest come first does a read that stops early hold what matters."""
    if query.sort != SORTS[query.resource]:
        told = f"expected {SORTS[query.resource]}, the newest {query.resource} first (found {query.sort or 'nothing'})"
        yield document.problem((*here, "sort"), told)
    if query.count is None:
        yield document.problem((*here, "count"), f"required for a search: 1 to {MOST_RESOURCES} resources")
    elif not 1 <= query.count <= MOST_RESOURCES:
        yield document.problem((*here, "count"), f"expected 1 to {MOST_RESOURCES} resources (found {query.count})")


def _searched(loaded: Loaded, document: Document, here: YamlPath, query: Query) -> Iterator[str]:
    """Value sets that no search finds. One without any code is for sites to fill, beside others that are found."""
    value_sets, searched = loaded.table("rules/terms"), loaded.catalogue.searched_systems
    systems = {code: {c.system for c in value_sets[code].codes} for code in query.codes if code in value_sets}
    unsearched = [code for code, held in systems.items() if held.isdisjoint(searched)]
    for index, code in enumerate(query.codes):
        path = (*here, "codes", index)
        yield from missing(document, path, "value set", code, value_sets)
        if code in unsearched and (systems[code] or len(unsearched) == len(systems)):
            text = " or ".join(searched) or "a system in searchedSystems"
            yield document.problem(path, f"expected a value set with codes of {text} ({code} has none)")


def opposites(loaded: Loaded) -> Iterator[str]:
    """`rules/opposites.yaml` names value sets that exist."""
    groups: Opposites = loaded.singles[OPPOSITES]
    for group, sides in groups.groups.items():
        for number, side in enumerate(sides):
            for index, name in enumerate(side):
                path = ("groups", group, number, index)
                yield from missing(loaded.document(OPPOSITES), path, "value set", name, loaded.table("rules/terms"))
