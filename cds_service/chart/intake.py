"""How a chart came in, and what of it nothing recognised: codes and units to be mapped, for whoever connects an EHR.

Nothing here names a patient or quotes a chart. A code is kept with its system, a unit as a unit; of what is only words,
that there were some and why they were not understood. Displays are no terminology's where clinicians may edit them, as
in several EHRs, so they are kept nowhere: whoever maps a code has its list at hand.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from cds_service.chart.read import NOT_SENT, Read
from cds_service.chart.resource import Resource
from cds_service.chart.units import UnitTable, number_of
from cds_service.chart.vocabulary import Concept, Matcher, concept

# What became of a prefetch key: `missing` was not sent at all, `failed` came broken or in part, `truncated` stops
# before the end of the time that matters.
State = Literal["sent", "empty", "missing", "failed", "truncated"]
WHOLE: Final = frozenset({"sent", "empty"})
WORDS: Final = "words only"
NO_UNIT: Final = "(none)"
UNIT_IN_WORDS: Final = "(words)"

_SYSTEM: Final = re.compile(r"(?=.{1,200}$)(https?://|urn:)[^\s?#@]+")
_CODE: Final = re.compile(r"[^\s|]{1,40}")
_UNIT: Final = re.compile(r"[^\s\"<>]{1,20}")
_MOST: Final = 60  # of one chart: records are some kilobytes


@dataclass(frozen=True, slots=True)
class Unmapped:
    """What nothing recognised. `source` is the query that it came with, and the element where it is not the record's
    own code. A code has a `system`; a `unit` belongs to values of the value set `of`; `why` says why it was not
    understood, and is empty where it is something that none of our value sets holds."""

    source: str
    why: str = ""
    system: str = ""
    code: str = ""
    unit: str = ""
    of: str = ""


@dataclass(frozen=True, slots=True)
class Intake:
    """What became of each prefetch key; which of them were `fetched` whole from the FHIR server in the end; how often
    each thing that nothing recognised was met, what was not understood first, and how many more there were."""

    sent: Mapping[str, State] = field(default_factory=dict)
    fetched: tuple[str, ...] = ()
    unmapped: tuple[tuple[Unmapped, int], ...] = ()
    more: int = 0


def state_of(sent: Read, covered: Read) -> State:
    """What became of one prefetch key: as it was parsed, and with what it covers of the time that matters."""
    if sent is NOT_SENT:
        return "missing"
    if not sent.done or sent.gaps:
        return "failed"
    if covered.cut and covered.cut in covered.gaps:
        return "truncated"
    return "sent" if sent.resources else "empty"


def most_telling(found: Mapping[Unmapped, int]) -> tuple[tuple[tuple[Unmapped, int], ...], int]:
    """How often each was met, what was not understood first; and how many are left out."""
    counted = sorted(found.items(), key=lambda pair: (not pair[0].why, -pair[1]))
    return tuple(counted[:_MOST]), max(len(counted) - _MOST, 0)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is looked for: value sets by query (all of them in what is no query), and the units in which the values of
    a value set are read. Any matcher will do: all value sets are asked together."""

    matcher: Matcher
    sets: Mapping[str, frozenset[str]]
    units: Mapping[str, Sequence[UnitTable]]


# What was found of the values of a concept (by its identity) in a unit, by its code, system and name.
_Judged = dict[tuple[int, str | None, str | None, str | None], tuple[Unmapped, ...]]


def unmapped(source: str, read: Read, wanted: Wanted) -> Mapping[Unmapped, int]:
    """What of one read nothing recognised, and how often it was met; found once for each."""
    key = ("unmapped", source, wanted.matcher.recogniser)
    return read.remember(key, lambda records: _counted(source, read, records, wanted))


def _counted(source: str, read: Read, records: Iterable[Resource], wanted: Wanted) -> Mapping[Unmapped, int]:
    """Each concept and each unit is judged once, however often a chart says it."""
    found: Counter[Unmapped] = Counter()
    for said, times in read.concepts(wanted.matcher):
        for each in _codes(source, "", said, wanted):
            found[each] += times
    units: _Judged = {}
    for record in records:
        if record.type == "Observation":
            raw = record.raw
            if "valueCodeableConcept" in raw or "component" in raw:
                for place, said in _results(raw):
                    found.update(_codes(source, place, said, wanted))
            if "valueQuantity" in raw:
                for each in _unit(source, record, wanted, units):
                    found[each] += 1
    return found


def _results(raw: Mapping[str, Any]) -> Iterator[tuple[str, Concept]]:
    """The coded results of an Observation, and of its components."""
    yield "value", concept(raw.get("valueCodeableConcept"))
    parts = raw.get("component")
    for part in parts if isinstance(parts, list) else ():
        if isinstance(part, Mapping):
            yield "component", concept(part.get("code"))
            yield "component value", concept(part.get("valueCodeableConcept"))


def _codes(query: str, place: str, found: Concept, wanted: Wanted) -> Iterator[Unmapped]:
    if found.empty:
        return
    recognised, recogniser = wanted.matcher.recognised(found), wanted.matcher.recogniser
    if recognised.mentioned & wanted.sets.get(query, recognised.mentioned):
        return
    if not recognised.puzzle and any(recogniser.knows(system) for system, _ in found.codes):
        return  # a code of a public terminology whose words say that it is something else
    source = f"{query} {place}".strip()
    kept = [(s, c) for s, c in found.codes if _SYSTEM.fullmatch(s) and _CODE.fullmatch(c)]
    for system, code in kept:
        yield Unmapped(source, recognised.puzzle, system, code)
    if recognised.puzzle and not kept:
        yield Unmapped(source, f"{WORDS}: {recognised.puzzle}")


def _unit(source: str, record: Resource, wanted: Wanted, judged: _Judged) -> tuple[Unmapped, ...]:
    """The unit of a value that would be read, were its unit one of the table."""
    quantity = record.raw.get("valueQuantity")
    if not isinstance(quantity, Mapping):
        return ()
    key = id(record.concept), _text(quantity.get("code")), _text(quantity.get("system")), _text(quantity.get("unit"))
    lacking = judged.get(key)
    if lacking is None:
        held = sorted(wanted.matcher.recognised(record.concept).held & wanted.units.keys())
        names = [name for name in held if not any(table.has_unit(quantity) for table in wanted.units[name])]
        unit = _written(quantity)
        lacking = tuple([Unmapped(source, "a unit that is not read", unit=unit, of=name) for name in names])
        judged[key] = lacking
    return lacking if lacking and number_of(quantity.get("value")) is not None else ()


def _text(value: object) -> str | None:
    """A member as what tells it apart; what is no text is no unit, whatever it is."""
    return value if value is None or isinstance(value, str) else ""


def _written(quantity: Mapping[str, Any]) -> str:
    told = [text for text in (quantity.get("code"), quantity.get("unit")) if isinstance(text, str) and text]
    if not told:
        return NO_UNIT
    return told[0] if _UNIT.fullmatch(told[0]) else UNIT_IN_WORDS
