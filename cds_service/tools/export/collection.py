"""All knowledge as FHIR resources in one fixed order, and as one Bundle."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Final

from cds_service.errors import KnowledgeError
from cds_service.knowledge import Knowledge
from cds_service.tools.export.activity_definitions import activity_definitions
from cds_service.tools.export.fhir import Json, edition
from cds_service.tools.export.libraries import libraries
from cds_service.tools.export.plan_definitions import plan_definition
from cds_service.tools.export.structure_definitions import structure_definitions
from cds_service.tools.export.value_sets import value_set

TYPES: Final = ("ActivityDefinition", "Library", "PlanDefinition", "StructureDefinition", "ValueSet")


def resources(knowledge: Knowledge) -> tuple[Json, ...]:
    """Every resource, sorted by type and id."""
    found = [
        *activity_definitions(knowledge),
        *libraries(knowledge),
        *(plan_definition(knowledge, rule) for rule in knowledge.rules),
        *structure_definitions(),
        *(value_set(each) for each in knowledge.value_sets.values()),
    ]
    return tuple(sorted(found, key=lambda resource: (resource["resourceType"], resource["id"])))


def checked(knowledge: Knowledge) -> tuple[Json, ...]:
    """The same, proven to be valid FHIR. KnowledgeError says which resource is not, and why."""
    from cds_service.tools.export.validation import problems  # importing the FHIR models takes a second

    found = resources(knowledge)
    wrong = tuple(problems(found))
    if wrong:
        raise KnowledgeError(wrong)
    return found


def bundle(knowledge: Knowledge, found: Iterable[Json]) -> Json:
    """The resources as one Bundle; its identifier names the knowledge files and the site they were made from."""
    return {
        "resourceType": "Bundle",
        "identifier": {"system": "https://anakinra-cds.org/knowledge", "value": edition(knowledge)},
        "type": "collection",
        "entry": [{"fullUrl": resource["url"], "resource": resource} for resource in found],
    }


def text(resource: Json) -> str:
    """A resource as its file holds it: the same text for the same knowledge."""
    return json.dumps(resource, ensure_ascii=False, indent=2) + "\n"
