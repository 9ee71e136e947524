"""Which drugs that hold the circulation run at a moment, which may be running, and which cannot be told.

A record that is in progress, a rate, an end, or an order of a chart without infusion records says so; PRN, on hold,
standby, a bolus and every route but the venous one never do.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from cds_service.chart.resource import Resource
from cds_service.chart.vocabulary import Concept, concept
from cds_service.facts.model import Reading
from cds_service.facts.rates import rate_of
from cds_service.facts.routes import says_route
from cds_service.facts.ways import texts_of, ways_of
from cds_service.knowledge.model import CrsGrade, Vasopressors

PRESSOR, UNCOUNTED, INOTROPE, UNKNOWN = "counted", "uncounted", "for the heart", "not understood"
IF_INFUSED = "counted where it is infused"


@dataclass(frozen=True, slots=True)
class Running:
    """Drugs that run at a moment, by substance; `doubtful` are lines for what may be a running vasopressor.

    `not_understood` are the records among them whose drug is neither one of ours nor recognisably another.
    """

    vasopressors: tuple[str, ...] = ()
    uncounted: bool = False
    inotropes: tuple[str, ...] = ()
    doubtful: tuple[str, ...] = ()
    not_understood: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Row:
    """One usable record of a drug: which, of which order, and what it says of the drug's running. Of a time that is
    written as a day, `start` is the latest and `first` the earliest moment."""

    kind: str
    drug: str
    order: str
    record: Resource
    start: datetime
    first: datetime
    end: datetime | None
    rate: float | None


@dataclass(slots=True)
class _Stops:
    """The latest end of each drug, by order ("" where none is named) and of all of its orders."""

    by_order: dict[tuple[str, str], datetime] = field(default_factory=dict)
    by_drug: dict[str, datetime] = field(default_factory=dict)

    def add(self, row: _Row, at: datetime) -> None:
        key = (row.drug, row.order)
        self.by_order[key] = max(at, self.by_order.get(key, at))
        self.by_drug[row.drug] = max(at, self.by_drug.get(row.drug, at))

    def after(self, row: _Row) -> datetime | None:
        """When the infusion of a record was stopped after it; None where nothing says so."""
        if row.order:
            told = [self.by_order.get((row.drug, order)) for order in (row.order, "")]
        else:
            told = [self.by_drug.get(row.drug)]
        return max((at for at in told if at is not None and at > row.start), default=None)


def running_at(given: CrsGrade, moment: datetime, reading: Reading) -> Running:
    """What runs at a moment."""
    drugs = given.vasopressors
    rows, spoiled = reading.once("infusion rows", lambda: _read(given, reading))
    latest = moment + timedelta(hours=reading.windows[drugs.clock_tolerance])
    rows = [row for row in rows if row.start <= latest]
    stops = _Stops()
    for row in rows:
        if (at := _stop_of(drugs, row, reading)) is not None and at <= latest:
            stops.add(row, at)
    states = [(row, _state_of_day(drugs, row, stops.after(row), moment, reading)) for row in rows]
    run = [row for row, state in states if state == "running"]
    known = {row.drug for row in run if row.kind != UNKNOWN}
    doubts = [row for row, state in states if state and (row.kind == UNKNOWN or state == "may")]
    doubts = [row for row in doubts if row.drug not in known and row.kind != INOTROPE]
    lines = [_line(row, reading, given) for row in doubts]
    ordered = _ordered(given, moment, known, reading)
    return Running(
        vasopressors=_drugs(run, PRESSOR),
        uncounted=bool(_drugs(run, UNCOUNTED)),
        inotropes=_drugs(run, INOTROPE),
        doubtful=tuple(
            dict.fromkeys((*(s for r, s in spoiled if _recent(drugs, r, moment, reading)), *lines, *ordered))
        ),
        not_understood=tuple(dict.fromkeys(row.record.ref for row in doubts if row.kind == UNKNOWN)),
        sources=tuple(row.record.ref for row in run if row.kind in (PRESSOR, UNCOUNTED)),
    )


def _drugs(rows: Iterable[_Row], kind: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(row.drug for row in rows if row.kind == kind))


def _line(row: _Row, reading: Reading, given: CrsGrade) -> str:
    if row.kind != UNKNOWN:
        return f"{row.record.ref}: {row.drug} may be running"
    lost = "; ".join(("drug not resolved", *reading.chart.lost_drugs((given.administrations,))))
    why = lost if row.record.concept.empty else f"a drug that is not understood ({row.record.concept.label})"
    return f"{row.record.ref}: {why}"


def _read(given: CrsGrade, reading: Reading) -> tuple[list[_Row], list[tuple[Resource, str]]]:
    """The records that may speak of one of these drugs, and a line for each of them that cannot be used."""
    rows: list[_Row] = []
    spoiled: list[tuple[Resource, str]] = []

    def of_them(records: Iterable[Resource]) -> list[tuple[Resource, list[tuple[str, str]]]]:
        same: dict[int, list[tuple[str, str]]] = {}  # equal concepts are one object, and a chart has few of them
        told = []
        for record in records:
            key = id(record if record.ingredients or not record.concept.label else record.concept)
            if key not in same:
                same[key] = list(_drugs_of(given.vasopressors, record, reading))
            if same[key]:
                told.append((record, same[key]))
        return told

    for record, named in reading.chart.remember(given.administrations, ("infused", reading.select), of_them):
        drugs = list(_counted(given.vasopressors, record, named, reading))
        if _elsewhere(given.vasopressors, record, reading):
            continue
        if record.problem or (record.when is None and reading.is_(given.given, record)):
            if any(kind != INOTROPE for kind, _ in drugs):
                spoiled.append((record, f"{record.ref}: {record.problem or 'no usable time'}"))
        elif record.when is not None:
            end = record.end("effectivePeriod")
            # Of a day that is not over, only what has passed of it can be meant.
            latest = max(record.when.start, min(record.when.end, reading.now))
            told = (_order_of(record), record, record.when.start if end else latest, record.when.start)
            rate = rate_of(given.vasopressors, record, reading)
            rows += [_Row(kind, drug, *told, end.end if end else None, rate) for kind, drug in drugs]
    return rows, spoiled


def _counted(
    drugs: Vasopressors, record: Resource, named: Iterable[tuple[str, str]], reading: Reading
) -> Iterator[tuple[str, str]]:
    """The drugs of an administration; one that counts as an infusion only where the record is of one."""
    for kind, drug in named:
        if kind != IF_INFUSED:
            yield kind, drug
        elif reading.is_(drugs.under_way, record) or _is_infusion(drugs, record, reading):
            yield PRESSOR, drug


def _is_infusion(drugs: Vasopressors, record: Resource, reading: Reading) -> bool:
    """Whether a rate, or words of the drug or its dosage, say that it runs on."""
    said = [record.concept, *texts_of(record)]
    return bool(rate_of(drugs, record, reading)) or any(
        reading.terms[drugs.continuous].matches(words) for words in said
    )


def _recent(drugs: Vasopressors, record: Resource, moment: datetime, reading: Reading) -> bool:
    """Whether a record that cannot be used may speak of this moment."""
    when = record.when
    if when is None:
        return True
    if when.start > moment + timedelta(hours=reading.windows[drugs.clock_tolerance]):
        return False
    if reading.is_(drugs.unsure, record):
        return when.end >= moment - timedelta(hours=reading.windows[drugs.open_within])
    open_ = reading.is_(drugs.under_way, record) and record.end("effectivePeriod") is None
    live = open_ or reading.is_(drugs.done, record) or reading.is_(drugs.under_way, record)
    return live and (open_ or when.end >= moment - timedelta(hours=reading.windows[drugs.within]))


def _drugs_of(drugs: Vasopressors, record: Resource, reading: Reading) -> Iterator[tuple[str, str]]:
    """The kinds and substances of a record: those of its ingredients, else those of what it is called."""
    terms = reading.terms
    named = (*record.ingredients, record.concept)
    kinds = {PRESSOR: drugs.in_, UNCOUNTED: drugs.uncounted, INOTROPE: drugs.inotropes, IF_INFUSED: drugs.if_infused}
    found: dict[tuple[str, str], None] = {}
    for said in named:
        if said is record.concept and found:
            break
        drug = _substance(drugs, said, reading)
        mine = [kind for kind, name in kinds.items() if terms[name].matches(said)]
        found.update({(kind, drug): None for kind in mine if kind != IF_INFUSED or PRESSOR not in mine})
    unclear = terms[drugs.unclear]
    if not found and any(unclear.matches(said) or unclear.recognised(said).puzzle for said in named):
        found[UNKNOWN, record.concept.label or record.ref] = None
    yield from found


def _substance(drugs: Vasopressors, said: Concept, reading: Reading) -> str:
    """Each substance is a value set of its own: its brands, spellings and strengths count once."""
    for name in drugs.substances:
        if reading.terms[name].matches(said):
            return name
    label = said.label.lower().split()
    return label[0] if label else ""


def _elsewhere(drugs: Vasopressors, record: Resource, reading: Reading) -> bool:
    """Given by a route, or in a way, that is no infusion into a vein; what runs on, or has a rate, is no bolus."""
    terms, ways = reading.terms, ways_of(record)
    if any(terms[name].matches(way) for way in ways for name in drugs.elsewhere):
        return True
    if any(says_route(drugs.subcutaneous, way, reading) for way in ways):
        return True
    said = [record.concept, *texts_of(record)]
    if rate_of(drugs, record, reading):
        return False
    if any(terms[drugs.not_infused].matches(words) for words in said):
        return True
    said += ways
    runs_on = any(terms[drugs.continuous].matches(words) for words in said)
    return not runs_on and any(terms[drugs.bolus].matches(words) for words in said)


def _order_of(record: Resource) -> str:
    order = record.raw.get("request")
    return str(order.get("reference") or "") if isinstance(order, Mapping) else ""


def _stop_of(drugs: Vasopressors, row: _Row, reading: Reading) -> datetime | None:
    if row.end is not None:
        return row.end
    zero = row.rate is not None and row.rate <= 0
    return row.start if zero or reading.is_(drugs.halted, row.record) else None


def _state_of_day(drugs: Vasopressors, row: _Row, stopped: datetime | None, moment: datetime, reading: Reading) -> str:
    """The state where both ends of the time that is written agree; else nobody knows."""
    latest = _state(drugs, row, stopped, moment, reading)
    if row.first == row.start or not latest:
        return latest
    earliest = _state(drugs, replace(row, start=row.first), stopped, moment, reading)
    return latest if latest == earliest else "may"


def _state(drugs: Vasopressors, row: _Row, stopped: datetime | None, moment: datetime, reading: Reading) -> str:
    """`running`, `may` (nobody knows), or "" (no)."""
    ended = row.end or stopped or (row.start if _stop_of(drugs, row, reading) else None)
    recent = moment - timedelta(hours=reading.windows[drugs.within])
    live = reading.is_(drugs.under_way, row.record) or reading.is_(drugs.done, row.record)
    if ended is not None:
        was = live or reading.is_(drugs.stopped, row.record)
        return "running" if was and ended >= recent else ""
    old = row.start < moment - timedelta(hours=reading.windows[drugs.open_within])
    if reading.is_(drugs.under_way, row.record):
        return "may" if old else "running"
    if reading.is_(drugs.unsure, row.record):
        return "" if old else "may"
    if not reading.is_(drugs.done, row.record):
        return ""
    if row.start >= recent:
        return "running"
    if not row.rate or old:
        return ""
    return "running" if row.start >= moment - timedelta(hours=reading.windows[drugs.rate_within]) else "may"


def _ordered(given: CrsGrade, moment: datetime, running: set[str], reading: Reading) -> tuple[str, ...]:
    """Continuous infusions that are ordered, where the chart records no infusion of anything: they may be running.
    Orders that were not read may be such orders."""
    drugs = given.vasopressors
    if reading.once("records infusions", lambda: _records_infusions(given, reading)):
        return ()
    low = moment - timedelta(hours=reading.windows[drugs.open_within])
    lines = list(reading.chart.gaps((drugs.requests,), low))
    for order in reading.chart.of(drugs.requests):
        when = order.when
        if when is None or when.end < low or when.start > moment or not _may_run(drugs, order, reading):
            continue
        kinds = {kind: drug for kind, drug in _drugs_of(drugs, order, reading) if kind != INOTROPE}
        if kinds and _continuous(drugs, order, reading):
            lines += [f"{order.ref}: {drug} is ordered and may be running" for drug in kinds.values()]
    return tuple(lines)


def _may_run(drugs: Vasopressors, order: Resource, reading: Reading) -> bool:
    return reading.is_(drugs.ordered, order) or reading.is_(drugs.unsure, order)


def _records_infusions(given: CrsGrade, reading: Reading) -> bool:
    def says_so(records: Iterable[Resource]) -> bool:
        return any("effectivePeriod" in r.raw or rate_of(given.vasopressors, r, reading) is not None for r in records)

    query, under_way = given.administrations, given.vasopressors.under_way
    if reading.chart.remember(query, "a period or a rate", says_so):
        return True
    return bool(reading.in_status(under_way, query))


def _continuous(drugs: Vasopressors, order: Resource, reading: Reading) -> bool:
    """An order of an infusion that is to run: not as needed, not on standby."""
    if any(d.get("asNeededBoolean") is True or "asNeededCodeableConcept" in d for d in order.dosages):
        return False
    notes = order.raw.get("note")
    texts = [n.get("text") for n in notes if isinstance(n, Mapping)] if isinstance(notes, list) else []
    notes_say = [concept({"text": text}) for text in texts]
    said = [order.concept, *notes_say, *texts_of(order)]
    if any(reading.terms[drugs.not_started].matches(words) for words in said):
        return False
    if _elsewhere(drugs, order, reading):
        return False
    return _is_infusion(drugs, order, reading) or any(reading.terms[drugs.continuous].matches(n) for n in notes_say)
