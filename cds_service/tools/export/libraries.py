"""Policies, facts and queries as FHIR Libraries: what the conditions of the rules name, and what the facts read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from cds_service.knowledge import Knowledge
from cds_service.knowledge.model import POLICY_PREFIX, Computed, FactDefinition, Policy, Query
from cds_service.tools.export.extensions import compound
from cds_service.tools.export.fhir import Json, canonical, definition, edition, given, overall, quantity

POLICIES: Final = "policies"
FACTS: Final = "facts"
_TYPES: Final = {"number": "decimal", "integer": "integer", "boolean": "boolean", "code": "code"}
_TYPE_SYSTEM: Final = "http://terminology.hl7.org/CodeSystem/library-type"


def libraries(knowledge: Knowledge) -> Iterator[Json]:
    """Both libraries, as they hold at the site of this export."""
    status = overall(rule.status for rule in knowledge.rules)
    yield definition(
        "Library",
        FACTS,
        version=edition(knowledge),
        title="Facts that rules compare, and what they read",
        status=status,
        type=_type("module-definition", "Module Definition"),
        description=(
            "Each parameter is an environment variable of the FHIRPath conditions: a bare value in the unit stated, or"
            " the empty collection where the fact is unknown. The data requirements are the searches behind them; those"
            " of one query are alternatives of each other."
        ),
        parameter=[_fact(knowledge, name, fact) for name, fact in knowledge.catalogue.facts.items()],
        dataRequirement=[
            required
            for name, query in knowledge.catalogue.queries.items()
            for required in _query(knowledge, name, query)
        ],
    )
    yield definition(
        "Library",
        POLICIES,
        version=edition(knowledge),
        title="Policies: thresholds and windows",
        status=status,
        type=_type("asset-collection", "Asset Collection"),
        description=(
            "Each parameter is an environment variable of the FHIRPath conditions: the bare number of the value stated,"
            f" as it holds at the site {knowledge.site.id}."
        ),
        parameter=[_policy(name, policy, name in knowledge.overridden) for name, policy in knowledge.policies.items()],
    )


def variable(policy: str) -> str:
    """A policy as conditions name it, written with or without `policy.` before it."""
    return f"{POLICY_PREFIX}{policy.removeprefix(POLICY_PREFIX)}" if policy else ""


def _type(code: str, display: str) -> Json:
    return {"coding": [{"system": _TYPE_SYSTEM, "code": code, "display": display}]}


def _policy(name: str, policy: Policy, set_by_site: bool) -> Json:
    truth = isinstance(policy.value, bool)
    said = compound(
        "policy",
        value=policy.value if truth else quantity(policy.value, policy.unit),
        unit=policy.unit if truth else None,
        least=None if policy.least is None else quantity(policy.least, policy.unit),
        most=None if policy.most is None else quantity(policy.most, policy.unit),
        analyte=policy.analyte,
        owner=policy.owner,
        validFrom=policy.valid_from,
        reference=policy.reference,
        siteMayOverride=policy.site_may_override,
        setBySite=set_by_site or None,
    )
    return {
        "extension": [said],
        "name": variable(name),
        "use": "in",
        "min": 1,
        "max": "1",
        "documentation": policy.title,
        "type": "boolean" if truth else "decimal",
    }


def _fact(knowledge: Knowledge, name: str, fact: FactDefinition) -> Json:
    source, catalogue = fact.source, knowledge.catalogue
    said = compound(
        "fact",
        source=source.kind.replace("_", "-"),
        valueSet=tuple(_value_set(knowledge, found) for found in catalogue.names(name, "value set")),
        target=source.computed if isinstance(source, Computed) else None,
        reads=catalogue.reads(name),
        emptyMeans=catalogue.empty_means(name),
        maxAge=variable(source.max_age),
        unit=fact.unit,
        allowedValue=fact.values,
        analyte=source.analyte,
    )
    return {
        "extension": [said],
        "name": name,
        "use": "out",
        "min": 0,
        "max": "1",
        "documentation": fact.title,
        "type": _TYPES[fact.type],
    }


def _query(knowledge: Knowledge, name: str, query: Query) -> Iterator[Json]:
    """One requirement for each value set: several filters of one requirement would all have to hold."""
    said = compound(
        "query",
        name=name,
        title=query.title,
        by=query.by,
        sort=query.sort,
        count=query.count,
        window=variable(query.window),
    )
    dates = []
    if query.window and query.sort:
        policy = knowledge.policies[query.window]
        within = quantity(policy.value, policy.unit)
        dates = [{"searchParam": query.sort.removeprefix("-"), "valueDuration": within}]
    for code in query.codes or ("",):
        filters = [{"path": "code", "valueSet": _value_set(knowledge, code)}] if code else []
        yield given(extension=[said], type=query.resource, codeFilter=filters, dateFilter=dates)


def _value_set(knowledge: Knowledge, name: str) -> str:
    return canonical("ValueSet", name, knowledge.value_sets[name].version)
