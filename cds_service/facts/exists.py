"""Yes-or-no facts: whether a record fits one of some selections."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from cds_service.chart.resource import Resource
from cds_service.chart.vocabulary import Matcher
from cds_service.facts.after import as_dated
from cds_service.facts.growth import last, named
from cds_service.facts.model import Fact, Facts, Reading, refs, unknown
from cds_service.facts.select import NOTHING, Drawn, Selections, reasons_of
from cds_service.knowledge.model import Exists, Selection

Find = Callable[[Reading, Facts], Fact]
_DRUGS = ("MedicationRequest", "MedicationAdministration", "MedicationStatement")
# FHIR R4: statuses under which a drug that nothing names may be any drug.
# What records are called where they are told.
Tell = Callable[[Drawn, Reading], Iterable[str]]
_LIVE = frozenset({"active", "completed", "in-progress"})


def exists(name: str, source: Exists, select: Selections) -> Find:
    """True with its sources; false only where nothing was found in reads that were complete; else unknown."""
    draws = tuple(select.draw(selection) for selection in source.exists)
    told = tuple(_telling(selection, select) for selection in source.exists)
    queries, drugs = queries_of([selection.from_ for selection in source.exists], select)
    live = _live(source.exists, select)
    reach = _reach(source.exists, select)
    certain = select.records[source.certain_beside] if source.certain_beside else None

    def find(reading: Reading, known: Facts) -> Fact:
        drawn = [draw(reading, known) for draw in draws]
        some = [each for each in drawn if each is not NOTHING]
        for each in some:
            if each.found:
                return _yes(name, drawn, told, reading)
        unclear = _lines([each.not_understood for each in some]) if some else ()
        if certain is not None and certain(reading, known).found:
            return Fact(name, False, not_understood=unclear)
        if some and (bad := _lines([each.unusable for each in some])):
            return unknown(name, "a record that may say so could not be used", unusable=bad, not_understood=unclear)
        gaps = reading.chart.gaps(queries)
        lost = unresolved_drugs(reading, drugs, live, reach) if drugs else ()
        if doubts := (*gaps, *lost, *(_lines([each.doubts for each in some]) if some else ())):
            return unknown(name, "; ".join(doubts), not_understood=unclear)
        return Fact(name, False, not_understood=unclear)

    return find


def _lines(groups: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """Each line once, in order."""
    return tuple(dict.fromkeys([line for group in groups for line in group]))


def _yes(name: str, drawn: Sequence[Drawn], told: Sequence[Tell], reading: Reading) -> Fact:
    found = [r for each in drawn for r in each.found]
    dates = [r.when.start for r in found if r.when]
    words = [word for each, say in zip(drawn, told, strict=True) for word in say(each, reading)]
    text, bad = "; ".join(dict.fromkeys(words)), _lines([each.unusable for each in drawn])
    return Fact(name, True, as_of=max(dates, default=None), sources=refs(found), text=text, unusable=bad)


def _telling(selection: Selection, select: Selections) -> Tell:
    """How the records of a selection are told; a drug that counts for its reason, with that."""
    if selection.reason:
        reasons = select.matchers(selection.reason)
        return lambda drawn, reading: (_with_reason(r, reasons, reading) for r in drawn.found)
    if selection.tell == "last":
        return lambda drawn, reading: (last(drawn.found, drawn.standings, reading),) if drawn.found else ()
    if selection.tell:
        return lambda drawn, reading: (named(r, reading) for r in drawn.found)
    if selection.after:
        return lambda drawn, _: map(as_dated, drawn.found)
    return lambda drawn, _: (r.concept.label for r in drawn.found)


def _with_reason(drug: Resource, reasons: Sequence[Matcher], reading: Reading) -> str:
    said = dict.fromkeys(c.label for c in reasons_of(drug, reading) if any(m.matches(c) for m in reasons))
    return f"{drug.concept.label} for {', '.join(said)}" if said else drug.concept.label


def queries_of(sources: Iterable[str], select: Selections) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The queries behind some queries and named sets of records, each once, in order; and those of drugs among them."""
    queries = tuple(dict.fromkeys(q for source in sources for q in select.queries(source)))
    return queries, tuple(q for q in queries if select.catalogue.queries[q].resource in _DRUGS)


def _live(selections: Sequence[Selection], select: Selections) -> frozenset[str]:
    """The statuses under which an unnamed drug may be the one that is looked for: those of the selections' own where
    none of them is among the usual ones."""
    sets = (select.catalogue.statuses[name] for s in selections for name in s.status or ())
    wanted = frozenset(code for found in sets if found.element == "status" for code in found.codes)
    return _LIVE if not wanted or wanted & _LIVE else wanted


def _reach(selections: Sequence[Selection], select: Selections) -> tuple[tuple[str, float], ...]:
    """How many hours back the records of a query matter, for those queries of which not all records do."""
    found: dict[str, list[float | None]] = {}
    for selection in selections:
        drawn = select.catalogue.records.get(selection.from_, (selection,))
        for inner in drawn:
            name = selection.within or inner.within or (inner.puzzled.within if inner.puzzled else None)
            for query in select.queries(inner.from_):
                found.setdefault(query, []).append(select.windows[name] if name else None)
    return tuple((query, max(h for h in hours if h is not None)) for query, hours in found.items() if None not in hours)


def unresolved_drugs(
    reading: Reading,
    queries: Sequence[str],
    live: frozenset[str] = _LIVE,
    reach: tuple[tuple[str, float], ...] = (),
) -> tuple[str, ...]:
    """Drugs that are named only by a reference which nothing in the chart resolves: they may be anything, as far back
    as `reach` says for their query (in hours; any time where it says nothing)."""
    hours = dict(reach)

    def matters(query: str, record: Resource) -> bool:
        return query not in hours or record.when is None or reading.within(record, hours[query])

    def nameless(records: Iterable[Resource]) -> list[Resource]:
        return [record for record in records if record.concept.empty]

    def find() -> tuple[str, ...]:
        unnamed = ((q, r) for q in queries for r in reading.chart.remember(q, "nameless", nameless))
        lost = [r.ref for q, r in unnamed if r.status in live and matters(q, r)]
        if not lost:
            return ()
        return (f"drug not resolved in {', '.join(lost[:5])}", *reading.chart.lost_drugs(queries))

    return reading.once(("unresolved", tuple(queries), live, reach), find)
