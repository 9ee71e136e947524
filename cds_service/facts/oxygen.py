"""The oxygen that a patient needs at a moment, from every place where charts write a device, a flow or a fraction.

What names a device that no table holds, or oxygen without a device, is not understood: the need is then at least that
of low flow, and nothing bounds it above.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from cds_service.chart.figures import rounded
from cds_service.chart.resource import Resource
from cds_service.chart.vocabulary import Concept, concept
from cds_service.facts.model import Reading
from cds_service.facts.oxygen_told import Told, all_told, not_scored, undated_support
from cds_service.facts.oxygen_words import device_of
from cds_service.knowledge.model import CrsGrade, Device, Oxygen


@dataclass(frozen=True, slots=True)
class Puzzle:
    """What was not understood: when it was recorded, the record, and what is written there."""

    at: datetime
    ref: str
    words: str

    def __str__(self) -> str:
        return f"{self.ref}: {self.words}"


@dataclass(frozen=True, slots=True)
class Breathing:
    """The worst oxygen need of a window: its grade, and the words for it.

    `observed`: something was recorded, and all of it was understood. `at_least`: a cannula whose flow is not known.
    `presumed`: nothing says that the support was still in use. `airway` are records of breathing support that is said
    not to be for lack of oxygen.
    """

    grade: int
    words: str
    observed: bool
    at_least: bool
    presumed: bool
    puzzles: tuple[Puzzle, ...]
    airway: tuple[str, ...]
    sources: tuple[str, ...]


def breathing(given: CrsGrade, low: datetime, high: datetime, reading: Reading) -> Breathing:
    """The oxygen need between two moments."""
    told = [t for t in all_told(given, reading) if t.when.end >= low and t.when.start <= high]
    seen = [grade for t in told for grade in _grades(given, t, told, reading)]
    procedures, airway, strange = _procedures(given, low, high, reading)
    seen += procedures
    flows = [flow for t in told for flow in t.flows]
    graded = max((each.grade for each in seen), default=0)
    flow_grade, words = _flow_grade(given.oxygen, max(flows, default=0.0), reading)
    if flow_grade > graded and (not graded or flow_grade > given.oxygen.low):
        seen.append(_Grade(flow_grade, words, False, next(t.ref for t in told if max(flows) in t.flows)))
        graded = flow_grade
    named = any(t.devices for t in told) or bool(procedures)
    puzzles = strange + [
        Puzzle(min(t.when.end, high), t.ref, why) for t in told for why in _puzzles(given, t, named, reading)
    ]
    puzzles += [Puzzle(min(t.when.end, high), t.ref, t.blank[0]) for t in _blank(given, told, reading)]
    puzzles += [Puzzle(high, ref, "oxygen support without a usable time") for ref in undated_support(given, reading)]
    worst = [each for each in seen if each.grade == graded and graded]
    return Breathing(
        grade=max(graded, given.oxygen.low) if puzzles else graded,
        words="; ".join(dict.fromkeys(each.words for each in worst)),
        observed=bool(told or seen) and not puzzles,
        at_least=bool(worst) and all(each.at_least for each in worst),
        presumed=bool(worst) and all(each.presumed for each in worst),
        puzzles=tuple(puzzles),
        airway=(*(t.ref for t in told if t.airway), *airway),
        sources=tuple(dict.fromkeys((*(t.ref for t in told if t.flows), *(each.ref for each in seen)))),
    )


class _Grade(NamedTuple):
    """The grade that one record proves, the words for it, and whether it is a least one, or only presumed."""

    grade: int
    words: str
    at_least: bool
    ref: str
    presumed: bool = False


def _grades(given: CrsGrade, told: Told, others: Sequence[Told], reading: Reading) -> Iterator[_Grade]:
    """What each device of a record proves, by the flow or the fraction that stands beside it."""
    for device in told.devices:
        if device.by_flow:
            flows = told.flows or [flow for t in _beside(given, told, others, reading) for flow in t.flows]
            grade, words = _flow_grade(given.oxygen, max(flows, default=0.0), reading)
            yield _Grade(grade, words, False, told.ref) if flows else _Grade(device.grade, device.words, True, told.ref)
            continue
        fractions = told.fractions or [f for t in _beside(given, told, others, reading) for f in t.fractions]
        air = device.none_at_air and bool(fractions) and max(fractions) <= reading.policies[given.oxygen.air]
        yield _Grade(0 if air else device.grade, device.words, False, told.ref)


def _beside(given: CrsGrade, told: Told, others: Iterable[Told], reading: Reading) -> Iterator[Told]:
    reach = timedelta(hours=reading.windows[given.oxygen.beside])
    return (t for t in others if abs(t.when.start - told.when.start) <= reach)


def _flow_grade(given: Oxygen, flow: float, reading: Reading) -> tuple[int, str]:
    """A cannula at 10 L/min is no low flow, whatever it is called."""
    grade = 0 if flow <= 0 else given.low if flow <= reading.policies[given.low_flow] else given.high
    return grade, next((device.words for device in given.devices if device.grade == grade), "")


def _puzzles(given: CrsGrade, told: Told, named: bool, reading: Reading) -> Iterator[str]:
    yield from told.puzzles
    rich = [f for f in told.fractions if f > reading.policies[given.oxygen.air]]
    if rich and not named:
        yield f"inspired oxygen {rounded(max(rich), [reading.policies[given.oxygen.air]])} % without a device"
    elif told.unread and not (named or told.none):
        yield told.unread[0]


def _blank(given: CrsGrade, told: Sequence[Told], reading: Reading) -> Iterator[Told]:
    """Rows without a value beside which no other says how oxygen is given, or that none is."""
    reach = timedelta(hours=reading.windows[given.oxygen.beside])
    times = sorted(t.when.start for t in told if t.says_need)
    for each in told:
        place = bisect_left(times, each.when.start - reach) if each.blank else 0
        if each.blank and not (place < len(times) and times[place] <= each.when.start + reach):
            yield each


def _procedures(
    given: CrsGrade, low: datetime, high: datetime, reading: Reading
) -> tuple[list[_Grade], list[str], list[Puzzle]]:
    """What breathing support that is recorded as a Procedure proves, the support that is not for lack of oxygen, and
    what is not understood."""
    oxygen = given.oxygen
    seen: list[_Grade] = []
    airway: list[str] = []
    strange: list[Puzzle] = []
    for procedure in reading.once("breathing procedures", lambda: _of_breathing(given, reading)):
        device = device_of(oxygen, procedure.concept, reading)
        if not _in_use(given, procedure, device, low, high, reading):
            continue
        said = _said(procedure)
        if not_scored(oxygen, said, reading):
            if any(reading.terms[oxygen.airway].matches(s) for s in said):
                airway.append(procedure.ref)
        elif device is not None and not reading.is_(oxygen.unsure, procedure):
            over = procedure.when is not None and procedure.when.end < low and _open(procedure)
            presumed = procedure.when is None or (over and not reading.is_(oxygen.under_way, procedure))
            seen.append(_Grade(device.grade, device.words, device.by_flow, procedure.ref, presumed))
        else:
            what = f"a procedure that may support breathing ({procedure.concept.label or 'no words'})"
            # What is in progress is so now, whatever was written since it began.
            when = None if reading.is_(oxygen.under_way, procedure) else procedure.when
            strange.append(Puzzle(when.start if when else high, procedure.ref, what))
    return seen, airway, strange


def _of_breathing(given: CrsGrade, reading: Reading) -> list[Resource]:
    """Procedures that support breathing, and those in progress of which nobody can say what they are."""
    oxygen = given.oxygen
    support = reading.terms[oxygen.breathing_support]
    sets = (*(reading.terms[name] for name in dict.fromkeys(d.in_ for d in oxygen.devices)), support)
    known = {id(r) for r in reading.chart.found(oxygen.procedures, sets)}
    return [
        procedure
        for procedure in reading.chart.of(oxygen.procedures)
        if id(procedure) in known
        or (reading.is_(oxygen.under_way, procedure) and support.recognised(procedure.concept).puzzle)
    ]


def _in_use(
    given: CrsGrade, procedure: Resource, device: Device | None, low: datetime, high: datetime, reading: Reading
) -> bool:
    """In progress; or completed in the window, or a little earlier without an end; and no lesser device since."""
    when, oxygen = procedure.when, given.oxygen
    if when is None or when.start > high:
        unended = reading.is_(oxygen.under_way, procedure) or reading.is_(oxygen.unsure, procedure)
        return when is None and unended
    if reading.is_(oxygen.under_way, procedure):
        return True
    if not (reading.is_(oxygen.done, procedure) or reading.is_(oxygen.unsure, procedure)):
        return False
    open_since = high - timedelta(hours=reading.windows[oxygen.open_within])
    if when.end < low and not (_open(procedure) and when.start >= open_since):
        return False
    return not _lesser_since(given, when.start if _open(procedure) else when.end, device, high, reading)


def _open(procedure: Resource) -> bool:
    """Whether nothing says when it ended: a moment is when it was done, not for how long."""
    return procedure.end("performedPeriod") is None


def _lesser_since(given: CrsGrade, since: datetime, device: Device | None, high: datetime, reading: Reading) -> bool:
    least = device.grade if device else 0
    later = (t for t in all_told(given, reading) if since < t.when.start <= high)
    return any(t.none or t.flows or any(d.grade < least for d in t.devices) for t in later)


def _said(procedure: Resource) -> list[Concept]:
    reasons, notes = procedure.raw.get("reasonCode"), procedure.raw.get("note")
    said = [concept(r) for r in reasons] if isinstance(reasons, list) else []
    texts = (n.get("text") for n in notes if isinstance(n, dict)) if isinstance(notes, list) else ()
    return [*said, *(concept({"text": text}) for text in texts), procedure.concept]
