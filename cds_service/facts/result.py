"""What an Observation's result says, in words and as a coded interpretation."""

from __future__ import annotations

import re
from collections.abc import Mapping

from cds_service.chart.resource import Resource
from cds_service.chart.vocabulary import Concept, concept

# HL7 v3 ObservationInterpretation, to which FHIR binds `interpretation`: the standard's codes, no clinical content.
POSITIVE = frozenset({"POS", "A", "AA", "DET"})
NEGATIVE = frozenset({"NEG", "N", "ND"})
# Not after an initial: "E. coli" is one name.
_SENTENCE = re.compile(r"(?<=\w{3})\.\s+|\s*\n\s*")


def value_of(observation: Resource) -> Concept:
    """The coded or written result. Sentences and lines become clauses, so that each is matched for itself."""
    coded = observation.raw.get("valueCodeableConcept")
    if not isinstance(coded, Mapping):
        return concept({"text": _SENTENCE.sub("; ", observation.text("valueString"))})
    return concept({**coded, "text": _SENTENCE.sub("; ", str(coded.get("text") or ""))})


def codes_of(observation: Resource, value: Concept) -> set[str]:
    """The codes of the result and of its interpretation, whatever their system: charts swap the two elements."""
    written = observation.raw.get("interpretation")
    marks = [concept(mark) for mark in written] if isinstance(written, list) else []
    return {code for found in (value, *marks) for _, code in found.codes}
