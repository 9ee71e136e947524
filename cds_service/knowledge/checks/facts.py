"""Checks of the fact catalogue: names exist, statuses, units and windows fit their place, nothing is circular."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from graphlib import CycleError
from typing import Any, Final

from pydantic import BaseModel

from cds_service.knowledge.checks.comparisons import MAX_TEXT
from cds_service.knowledge.files import Document, YamlPath
from cds_service.knowledge.loader import FACTS, STATUSES, Loaded
from cds_service.knowledge.messages import missing
from cds_service.knowledge.model import (
    Catalogue,
    Computed,
    CrsGrade,
    FactDefinition,
    Named,
    Policy,
    Selection,
    StatusSet,
    named_in,
)

# Members of a selection that only some resources have an element for.
_RESULTS = ("Observation", "DiagnosticReport")
_ONLY_OF: Final[Mapping[str, tuple[str, ...]]] = {
    "ended_within": ("Condition",),
    "this_encounter": ("Condition", "Observation", "Procedure", "MedicationRequest"),
    "severe": ("AllergyIntolerance",),
    "notes_under": ("AllergyIntolerance",),
    "tolerated": ("AllergyIntolerance",),
    "reason": ("MedicationRequest", "MedicationAdministration", "MedicationStatement"),
    "drafts": ("MedicationAdministration", "MedicationRequest", "MedicationStatement"),
    "specimen": _RESULTS,
    "growth": _RESULTS,
    "standing": _RESULTS,
    "tell": _RESULTS,
    "newest_answer": ("Observation",),
}


def facts(loaded: Loaded) -> Iterator[str]:
    """Every name that does not exist or does not fit its place, one line each; nothing is made of itself."""
    document, whole = loaded.document(FACTS), loaded.catalogue
    value_sets = loaded.table("rules/terms")
    found = [*_statuses(loaded.document(STATUSES), whole.statuses, value_sets), *_apart(document, whole)]
    known = known_names(loaded, whole)
    for path, named in _named(whole):
        found += name_problems(document, path, named, known)
    for here, selection in _selections(whole):
        found += selection_problems(document, here, selection, whole)
    for name, fact in whole.facts.items():
        found += _fact(loaded, document, name, fact, whole)
    yield from found or _cycles(document, whole)


def windows(catalogue: Catalogue) -> Iterator[tuple[YamlPath, str]]:
    """Every policy that a fact uses as a window, and where."""
    return ((path, named.name) for path, named in _named(catalogue) if named.what == "window")


def _named(whole: Catalogue) -> Iterator[tuple[YamlPath, Named]]:
    """Every name in the catalogue with its path in the file."""
    for section in ("records", "results", "scales", "computed", "facts"):
        for name, part in getattr(whole, section).items():
            for here, model in _models((section, name), part):
                for found in named_in(model):
                    yield (*here, *found.path), found


def _apart(document: Document, whole: Catalogue) -> Iterator[str]:
    for name in sorted(whole.records.keys() & whole.queries.keys()):
        yield document.problem(("records", name), f"expected another name: {name} is a query")


def known_names(loaded: Loaded, whole: Catalogue) -> dict[str, Iterable[str]]:
    """Kind of name -> all that there are."""
    return {
        "value set": loaded.table("rules/terms"),
        "status": whole.statuses,
        "threshold": loaded.policies,
        "switch": loaded.policies,
        "analyte": loaded.analytes,
        "query": whole.queries,
        "records": whole.records,
        "query or records": (*whole.queries, *whole.records),
        "fact": whole.facts,
        "order kind": loaded.orders.kinds,
        "result": whole.results,
        "scale": whole.scales,
        "computation": whole.computed,
        "policies": loaded.policies,
    }


def _models(path: YamlPath, part: Any) -> Iterator[tuple[YamlPath, BaseModel]]:
    if isinstance(part, FactDefinition):
        yield (*path, "from"), part.source
    elif isinstance(part, tuple):
        yield from (((*path, index), item) for index, item in enumerate(part))
    else:
        yield path, part


def name_problems(document: Document, path: YamlPath, found: Named, known: Mapping[str, Any]) -> Iterator[str]:
    """A name that does not exist, or that is of another kind than its place wants."""
    if found.what == "window":
        return  # looked at with all other windows
    what = "policy" if found.what in ("threshold", "switch") else found.what
    absent = missing(document, path, what, found.name, known[found.what])
    yield from absent
    if not absent and what == "policy":
        yield from _policy(document, path, found, known["policies"][found.name])


def _policy(document: Document, path: YamlPath, found: Named, policy: Policy) -> Iterator[str]:
    if found.what == "switch" and not isinstance(policy.value, bool):
        yield document.problem(path, f"expected a policy that is true or false ({found.name} is in {policy.unit})")
    elif found.what != "switch" and isinstance(policy.value, bool):
        yield document.problem(path, f"expected a policy with a number ({found.name} is true or false)")


def _statuses(document: Document, statuses: Mapping[str, StatusSet], value_sets: Iterable[str]) -> Iterator[str]:
    for name, status in statuses.items():
        for found in named_in(status):
            if found.what == "value set":
                yield from missing(document, (name, *found.path), found.what, found.name, value_sets)
        for index, other in enumerate(status.none_of):
            path = (name, "noneOf", index)
            yield from missing(document, path, "status", other, statuses)
            if other in statuses and statuses[other].none_of:
                yield document.problem(path, f"expected a status with codes of its own ({other} has none)")


def _selections(whole: Catalogue) -> Iterator[tuple[YamlPath, Selection]]:
    for name, parts in whole.records.items():
        yield from ((("records", name, index), part) for index, part in enumerate(parts))
    for name, fact in whole.facts.items():
        parts = getattr(fact.source, "exists", ())
        yield from ((("facts", name, "from", "exists", index), part) for index, part in enumerate(parts))


def selection_problems(document: Document, here: YamlPath, selection: Selection, whole: Catalogue) -> Iterator[str]:
    """Its statuses and members must be of the resources that it selects from."""
    resources = _resources(selection.from_, whole, set())
    for member in ("status", "unless", "unsure"):
        written = getattr(selection, member) or ()
        for name in (written,) if isinstance(written, str) else written:
            yield from _status_of(document, (*here, member), name, resources, whole)
    for name in (selection.puzzled.unless or ()) if selection.puzzled else ():
        yield from _status_of(document, (*here, "puzzled", "unless"), name, resources, whole)
    for member, allowed in _ONLY_OF.items():
        if getattr(selection, member) and not resources <= set(allowed):
            key = type(selection).model_fields[member].alias or member
            yield document.problem(
                (*here, key), f"only for {' or '.join(allowed)} (this selects {', '.join(sorted(resources))})"
            )
    if selection.from_ in whole.queries and not (selection.in_ or selection.not_understood):
        yield document.problem((*here, "in"), f"required for records of the query {selection.from_}")
    judged = whole.records.get(selection.from_, ())
    if selection.puzzled is not None and selection.from_ not in whole.queries:
        yield document.problem((*here, "puzzled"), f"only for records of a query ({selection.from_} is none)")
    if selection.standing and judged and not any(part.growth for part in judged):
        yield document.problem((*here, "standing"), f"expected records with a growth ({selection.from_} has none)")


def _status_of(document: Document, path: YamlPath, name: str, resources: set[str], whole: Catalogue) -> Iterator[str]:
    if name in whole.statuses and not resources <= set(whole.statuses[name].of):
        yield document.problem(path, f"expected a status of {', '.join(sorted(resources))} ({name} is not)")


def _resources(source: str, whole: Catalogue, seen: set[str]) -> set[str]:
    if source in whole.queries:
        return {whole.queries[source].resource, *whole.queries[source].also}
    if source in seen:
        return set()
    parts = whole.records.get(source, ())
    return {r for part in parts for r in _resources(part.from_, whole, seen | {source})}


def _fact(loaded: Loaded, document: Document, name: str, fact: FactDefinition, whole: Catalogue) -> Iterator[str]:
    here, source = ("facts", name), fact.source
    for index, word in enumerate(fact.values):
        if not word or len(word) > MAX_TEXT or not word.isprintable():
            told = f"expected a printable word of at most {MAX_TEXT} characters"
            yield document.problem((*here, "values", index), told)
    analyte = loaded.analytes.get(source.analyte)
    if analyte and source.kind in ("newest", "sum") and fact.unit != analyte.unit:
        text = f"expected {analyte.unit}, as the analyte {source.analyte} (found {fact.unit or 'nothing'})"
        yield document.problem((*here, "unit"), text)
    if isinstance(source, Computed) and source.computed in whole.computed:
        gives = whole.computed[source.computed].gives
        yield from missing(document, (*here, "from", "give"), "result of this computation", source.give, gives)
        if source.give in gives and gives[source.give] != fact.type:
            text = f"expected {gives[source.give]}, as {source.give} of {source.computed} (found {fact.type})"
            yield document.problem((*here, "type"), text)
    orders = loaded.orders
    for found in named_in(source):
        if found.what == "order kind" and found.name in orders.kinds and found.name not in orders.drugs:
            yield document.problem((*here, "from", *found.path), f"expected a drug ({found.name} has no drug.yaml)")


def _cycles(document: Document, whole: Catalogue) -> list[str]:
    """Facts or records that are made of themselves; grades that are not computed."""
    found = []
    for name, given in whole.computed.items():
        grades = getattr(given, "grades", "")
        if grades and not isinstance(whole.computed[grades], CrsGrade):
            path = ("computed", name, "grades")
            found.append(
                document.problem(path, f"expected a computation by crs-grade (found {whole.computed[grades].by})")
            )
    for name in whole.records:
        if name in _behind(name, whole):
            found.append(document.problem(("records", name), "made of itself, directly or through other records"))
    if not found:
        try:
            whole.order()
        except CycleError as error:
            facts = error.args[1]
            text = f"made of itself: {' needs '.join(reversed(facts))}"
            found.append(document.problem(("facts", facts[0], "from"), text))
    return found


def _behind(name: str, whole: Catalogue) -> set[str]:
    found: set[str] = set()
    left = [name]
    while left:
        parts = whole.records.get(left.pop(), ())
        new = {n for p in parts for n in (p.from_, p.except_ or "") if n in whole.records and n not in found}
        found |= new
        left += new
    return found
