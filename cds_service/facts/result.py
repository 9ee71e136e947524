"""What an Observation's result says, in words and as a coded interpretation, as a reading of the catalogue asks."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from cds_service.chart.resource import Resource
from cds_service.chart.vocabulary import Concept, Matcher, concept
from cds_service.knowledge.model import ResultReading

# HL7 v3 ObservationInterpretation, to which FHIR binds `interpretation`: the standard's codes, no clinical content.
POSITIVE = frozenset({"POS", "A", "AA", "DET"})
NEGATIVE = frozenset({"NEG", "N", "ND"})
# Not after an initial: "E. coli" is one name.
_SENTENCE = re.compile(r"(?<=\w{3})\.\s+|\s*\n\s*")
# Yes, no, or neither to be told.
Answer = Callable[[Resource], bool | None]


def value_of(observation: Resource) -> Concept:
    """The coded or written result. Sentences and lines become clauses, so that each is matched for itself."""
    return observation.remember("result", _value)


def _value(observation: Resource) -> Concept:
    coded = observation.raw.get("valueCodeableConcept")
    if not isinstance(coded, Mapping):
        return concept({"text": _SENTENCE.sub("; ", observation.text("valueString"))})
    return concept({**coded, "text": _SENTENCE.sub("; ", str(coded.get("text") or ""))})


def codes_of(observation: Resource) -> frozenset[str]:
    """The codes of the result and of its interpretation, whatever their system: charts swap the two elements."""
    return observation.remember("result codes", _codes)


def _codes(observation: Resource) -> frozenset[str]:
    written = observation.raw.get("interpretation")
    marks = [concept(mark) for mark in written] if isinstance(written, list) else []
    return frozenset(code for found in (value_of(observation), *marks) for _, code in found.codes)


def compiled(reading: ResultReading, terms: Mapping[str, Matcher]) -> Answer:
    """A reading of results as a function: whether a result says yes; None where it says neither, or both."""
    yes, no = [terms[name] for name in reading.yes], [terms[name] for name in reading.no]
    both = True if reading.both == "yes" else None

    def answer(observation: Resource) -> bool | None:
        value = value_of(observation)
        codes = codes_of(observation)
        flag = observation.raw.get("valueBoolean") if reading.flag else None
        says_yes = any(m.matches(value) for m in yes) or bool(codes & POSITIVE) or flag is True
        says_no = any(m.matches(value) for m in no) or bool(codes & NEGATIVE) or flag is False
        if says_yes:
            return both if says_no else True
        return False if says_no else None

    return answer
