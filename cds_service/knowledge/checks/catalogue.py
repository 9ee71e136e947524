"""The facts catalogue: queries that a chart can be asked, and facts that come from what is there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from pydantic.alias_generators import to_camel

from cds_service.knowledge.checks.comparisons import MAX_TEXT
from cds_service.knowledge.files import Document, YamlPath
from cds_service.knowledge.loader import FACTS, OPPOSITES, Loaded
from cds_service.knowledge.messages import missing, suggestion
from cds_service.knowledge.model import FactDefinition, Opposites, Query

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


def facts(loaded: Loaded) -> Iterator[str]:
    """Every fact comes from what is there, in the unit of its analyte."""
    document = loaded.document(FACTS)
    for name, fact in loaded.catalogue.facts.items():
        yield from _source(loaded, document, ("facts", name), fact)
        yield from _shape(loaded, document, ("facts", name), fact)


def _source(loaded: Loaded, document: Document, here: YamlPath, fact: FactDefinition) -> Iterable[str]:
    for index, query in enumerate(fact.reads):
        yield from missing(document, (*here, "reads", index), "query", query, loaded.catalogue.queries)
    if fact.source.kind == "policy":
        yield from missing(document, (*here, "from"), "policy", fact.source.target, loaded.policies)
    elif fact.source.kind != "topic":
        yield from missing(document, (*here, "from"), "value set", fact.source.target, loaded.table("rules/terms"))


def _shape(loaded: Loaded, document: Document, here: YamlPath, fact: FactDefinition) -> Iterable[str]:
    if fact.analyte:
        yield from missing(document, (*here, "analyte"), "analyte", fact.analyte, loaded.analytes)
        analyte = loaded.analytes.get(fact.analyte)
        if analyte and fact.unit and fact.unit != analyte.unit:
            told = f"expected {analyte.unit}, as the analyte {fact.analyte} (found {fact.unit})"
            yield document.problem((*here, "unit"), told)
    elif fact.source.kind in ("newest_quantity", "quantity_rise", "amount_given"):
        yield document.problem((*here, "analyte"), f"required for a fact from {to_camel(fact.source.kind)}")
    if fact.values and fact.type != "code":
        yield document.problem((*here, "values"), f"only a fact of type code has values (this is a {fact.type})")
    for index, word in enumerate(fact.values):
        if not word or len(word) > MAX_TEXT or not word.isprintable():
            told = f"expected a printable word of at most {MAX_TEXT} characters"
            yield document.problem((*here, "values", index), told)


def opposites(loaded: Loaded) -> Iterator[str]:
    """`rules/opposites.yaml` names value sets that exist."""
    groups: Opposites = loaded.singles[OPPOSITES]
    for group, sides in groups.groups.items():
        for number, side in enumerate(sides):
            for index, name in enumerate(side):
                path = ("groups", group, number, index)
                yield from missing(loaded.document(OPPOSITES), path, "value set", name, loaded.table("rules/terms"))
