"""Yes-or-no facts: whether a record fits one of some selections."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from cds_service.chart.resource import Resource
from cds_service.facts.growth import named
from cds_service.facts.model import Fact, Facts, Reading, refs, unknown
from cds_service.facts.select import Drawn, Selections
from cds_service.knowledge.model import Exists, Selection

Find = Callable[[Reading, Facts], Fact]
_DRUGS = ("MedicationRequest", "MedicationAdministration", "MedicationStatement")
# FHIR R4: statuses under which a drug that nothing names may be any drug.
_LIVE = frozenset({"active", "completed", "in-progress"})


def exists(name: str, source: Exists, select: Selections) -> Find:
    """True with its sources; false only where nothing was found in reads that were complete; else unknown."""
    parts = tuple((select.draw(selection), selection.tell == "result") for selection in source.exists)
    queries, drugs = queries_of([selection.from_ for selection in source.exists], select)
    live = _live(source.exists, select)
    certain = select.records[source.certain_beside] if source.certain_beside else None

    def find(reading: Reading, known: Facts) -> Fact:
        drawn = [(draw(reading, known), told) for draw, told in parts]
        found = [r for each, _ in drawn for r in each.found]
        bad = tuple(dict.fromkeys(line for each, _ in drawn for line in each.unusable))
        if found:
            return _yes(name, found, drawn, bad)
        if certain is not None and certain(reading, known).found:
            return Fact(name, False)
        doubts = [*reading.chart.gaps(queries), *unresolved_drugs(reading, drugs, live)]
        doubts += dict.fromkeys(line for each, _ in drawn for line in each.doubts)
        if bad:
            fact = unknown(name, "a record that may say so could not be used", unusable=bad)
        elif doubts:
            fact = unknown(name, "; ".join(doubts))
        else:
            fact = Fact(name, False)
        return fact

    return find


def _yes(name: str, found: Sequence[Resource], drawn: Iterable[tuple[Drawn, bool]], bad: tuple[str, ...]) -> Fact:
    dates = [r.when.start for r in found if r.when]
    words = (named(r) if told else r.concept.label for each, told in drawn for r in each.found)
    text = "; ".join(dict.fromkeys(words))
    return Fact(name, True, as_of=max(dates, default=None), sources=refs(found), text=text, unusable=bad)


def queries_of(sources: Iterable[str], select: Selections) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The queries behind some queries and named sets of records, each once, in order; and those of drugs among them."""
    queries = tuple(dict.fromkeys(q for source in sources for q in _queries(source, select)))
    return queries, tuple(q for q in queries if select.catalogue.queries[q].resource in _DRUGS)


def _queries(source: str, select: Selections) -> tuple[str, ...]:
    if source in select.catalogue.queries:
        return (source,)
    return tuple(dict.fromkeys(q for s in select.catalogue.records[source] for q in _queries(s.from_, select)))


def _live(selections: Sequence[Selection], select: Selections) -> frozenset[str]:
    """The statuses under which an unnamed drug may be the one that is looked for: those of the selections' own where
    none of them is among the usual ones."""
    sets = (select.catalogue.statuses[name] for s in selections for name in s.status or ())
    wanted = frozenset(code for found in sets if found.element == "status" for code in found.codes)
    return _LIVE if not wanted or wanted & _LIVE else wanted


def unresolved_drugs(reading: Reading, queries: Sequence[str], live: frozenset[str] = _LIVE) -> tuple[str, ...]:
    """Drugs that are named only by a reference which nothing in the chart resolves: they may be anything."""
    lost = [r.ref for q in queries for r in reading.chart.of(q) if r.concept.empty and r.status in live]
    if not lost:
        return ()
    return (f"drug not resolved in {', '.join(lost[:5])}", *reading.chart.lost_drugs(queries))
