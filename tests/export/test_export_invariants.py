"""The invariants of FHIR R4 that the models do not check, on every element of the export that they are about."""

from __future__ import annotations

from datetime import date
from typing import Any

import fhirpathpy
import pytest

from cds_service.knowledge import Knowledge
from cds_service.tools.export import capability_statement, checked
from tests.export.walk import walk
from tests.support.exported import Resources

# key of the specification: (where, as element paths or their ends; what must hold there)
NAMED = ("ActivityDefinition", "Library", "PlanDefinition", "StructureDefinition", "ValueSet")
INVARIANTS = {
    "dom name": (NAMED, "name.matches('^[A-Z]([A-Za-z0-9_]){0,254}$')"),
    "vsd-1": (("ValueSet.compose.include", "ValueSet.compose.exclude"), "valueSet.exists() or system.exists()"),
    "vsd-2": (
        ("ValueSet.compose.include", "ValueSet.compose.exclude"),
        "(concept.exists() or filter.exists()) implies system.exists()",
    ),
    "vsd-3": (("ValueSet.compose.include", "ValueSet.compose.exclude"), "concept.empty() or filter.empty()"),
    "drq-1": ((".codeFilter",), "path.exists() xor searchParam.exists()"),
    "drq-2": ((".dateFilter",), "path.exists() xor searchParam.exists()"),
    "drt-1": (
        (".valueDuration", ".boundsDuration"),
        "system = 'http://unitsofmeasure.org' and code.exists() and value.exists()",
    ),
    "trd-3": ((".trigger",), "type = 'named-event' implies name.exists()"),
    "exp-1": ((".condition.expression",), "expression.exists() or reference.exists()"),
    "qty-3": ((".doseQuantity", ".valueQuantity", ".numerator", ".denominator"), "code.empty() or system.exists()"),
    "rat-1": ((".maxDosePerPeriod", ".valueRatio"), "numerator.exists() and denominator.exists()"),
    "tim-2": ((".timing.repeat", ".timingTiming.repeat"), "period.empty() or periodUnit.exists()"),
    "tim-5": ((".timing.repeat", ".timingTiming.repeat"), "period.exists() implies period >= 0"),
    "sdf-5": (("StructureDefinition",), "type != 'Extension' or derivation = 'specialization' or context.exists()"),
    "sdf-6": (("StructureDefinition",), "snapshot.exists() or differential.exists()"),
    "sdf-8a": (
        ("StructureDefinition.differential",),
        "element.first().path = 'Extension' and element.tail().all(path.startsWith('Extension.'))",
    ),
    "cpb-1": (("CapabilityStatement",), "rest.exists() or messaging.exists() or document.exists()"),
    "cpb-2": (("CapabilityStatement",), "(description.count() + software.count() + implementation.count()) > 0"),
    "cpb-9": (("CapabilityStatement.rest",), "resource.select(type).isDistinct()"),
    "cpb-12": (("CapabilityStatement.rest.resource",), "searchParam.select(name).isDistinct()"),
}  # fmt: skip


@pytest.fixture(scope="module")
def elements(ours: Knowledge, resources: Resources) -> list[tuple[str, dict[str, Any]]]:
    """Every object of the export and of the server's statement, with its element path."""
    statement = capability_statement(ours.digest, ours.site.id, date(2026, 1, 1))
    whole = [*resources.values(), statement]
    assert len(whole) == len(checked(ours)) + 1
    return [found for each in whole for found in walk(each, each["resourceType"]) if isinstance(found[1], dict)]


@pytest.mark.parametrize("key", INVARIANTS)
def test_an_invariant(elements: list[tuple[str, dict[str, Any]]], key: str) -> None:
    places, expression = INVARIANTS[key]
    holds: Any = fhirpathpy.compile(expression)
    about = [(path, e) for path, e in elements if any(path == p or (p[0] == "." and path.endswith(p)) for p in places)]
    assert about
    broken = [(path, element) for path, element in about if holds(dict(element)) != [True]]
    assert broken == []


def test_an_extension_has_a_value_or_parts(elements: list[tuple[str, dict[str, Any]]]) -> None:
    """ext-1, where `value` may have any type."""
    for path, element in elements:
        if path.endswith(".extension"):
            assert ("extension" in element) is not any(name.startswith("value") for name in element)


def test_codes_of_required_value_sets(elements: list[tuple[str, dict[str, Any]]]) -> None:
    """Bindings of strength `required`, which the models do not check either."""
    bound = {
        ".status": {"draft", "active", "retired"},
        ".relatedArtifact.type": {"citation", "depends-on", "justification"},
        ".condition.kind": {"applicability"},
        ".selectionBehavior": {"any", "at-most-one"},
        ".parameter.use": {"in", "out"},
        ".parameter.type": {"boolean", "code", "decimal", "integer"},
        ".filter.op": {"is-a"},
        "ActivityDefinition.kind": {"MedicationRequest", "ServiceRequest"},
        "ActivityDefinition.intent": {"proposal"},
        ".repeat.periodUnit": {"h"},
    }
    met = dict.fromkeys(bound, 0)
    for path, element in elements:
        for name, value in element.items():
            for place, codes in bound.items():
                whole = f"{path}.{name}"
                if isinstance(value, str) and (whole == place or (place[0] == "." and whole.endswith(place))):
                    assert value in codes, whole
                    met[place] += 1
    assert all(met.values())
