"""What an Observation's result says, in words and as a coded interpretation, as a reading of the catalogue asks."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from cds_service.chart.resource import Resource
from cds_service.chart.units import number_of
from cds_service.chart.vocabulary import Concept, Matcher, concept
from cds_service.knowledge.model import ResultReading

# HL7 v3 ObservationInterpretation, to which FHIR binds `interpretation`: the standard's codes, no clinical content.
POSITIVE = frozenset({"POS", "A", "AA", "DET"})
NEGATIVE = frozenset({"NEG", "N", "ND"})
HIGH = frozenset({"H", "HH", "HU"})
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


class Answers(NamedTuple):
    """A reading of results at work: what a result says, and whether it says that nobody answered."""

    says: Answer
    nothing: Callable[[Resource], bool]


def compiled(reading: ResultReading, terms: Mapping[str, Matcher]) -> Answers:
    """A reading of results as functions: whether a result says yes; None where it says neither, or both."""
    yes, no = [terms[name] for name in reading.yes], [terms[name] for name in reading.no]
    nobody = [terms[name] for name in reading.nothing]
    both = True if reading.both == "yes" else None

    def answer(observation: Resource) -> bool | None:
        value = value_of(observation)
        codes = codes_of(observation)
        flag = observation.raw.get("valueBoolean") if reading.flag else None
        over = over_limit(observation) if reading.over_limit else None
        told = (flag, over, _sign(value, reading))
        if any(m.matches(value) for m in yes) or bool(codes & POSITIVE) or True in told:
            return both if any(m.matches(value) for m in no) or bool(codes & NEGATIVE) or False in told else True
        return False if any(m.matches(value) for m in no) or bool(codes & NEGATIVE) or False in told else None

    def nothing(observation: Resource) -> bool:
        value = value_of(observation)
        return (value.empty and not _has_number(observation)) or any(m.matches(value) for m in nobody)

    return Answers(answer, nothing)


def _sign(value: Concept, reading: ResultReading) -> bool | None:
    """What a sign alone says, where it is one: "+"."""
    told = {text.replace(" ", "") for text in (value.text, *value.displays)}
    if told & set(reading.yes_signs):
        return True
    return False if told & set(reading.no_signs) else None


def over_limit(observation: Resource) -> bool | None:
    """Whether a number lies above the upper limit of its own reference range, or its laboratory calls it high; None
    where neither tells."""
    return observation.remember("over limit", _over_limit)


def _over_limit(observation: Resource) -> bool | None:
    value = observation.raw.get("valueQuantity")
    number = number_of(value.get("value")) if isinstance(value, Mapping) else None
    if not isinstance(value, Mapping) or number is None:
        return None
    if codes_of(observation) & HIGH:
        return True
    limits = [limit for limit in _upper_limits(observation, value) if limit is not None]
    if not limits:
        return None
    # Of several ranges the lowest is that of a patient in whom the substance is not made.
    limit, sign = min(limits), str(value.get("comparator") or "")
    if number > limit:
        return None if sign.startswith("<") else True
    return None if sign.startswith(">") else False


def _upper_limits(observation: Resource, value: Mapping[str, object]) -> Iterator[float | None]:
    """The upper limits in the unit of the value, of ranges that begin at nothing."""
    ranges = observation.raw.get("referenceRange")
    for each in ranges if isinstance(ranges, list) else ():
        high, low = (each.get("high"), each.get("low")) if isinstance(each, Mapping) else (None, None)
        begins = number_of(low.get("value")) if isinstance(low, Mapping) else 0
        if isinstance(high, Mapping) and begins == 0 and _unit(high) in ("", _unit(value)):
            yield number_of(high.get("value"))


def _unit(quantity: Mapping[str, object]) -> str:
    return str(quantity.get("code") or quantity.get("unit") or "")


def _has_number(observation: Resource) -> bool:
    return any(name in observation.raw for name in ("valueQuantity", "valueInteger", "valueRange", "valueRatio"))
