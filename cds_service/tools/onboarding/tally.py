"""Counts what records hold, for whoever connects an EHR: nothing in a report names a patient or quotes a chart.

Patients are counted by the keyed hashes of the records, and no hash leaves the count.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from cds_service.contract import RANK, SEVERITY
from cds_service.firing import Comparison
from cds_service.program import Program

Json = Mapping[str, Any]
Row = dict[str, Any]
STATES: Final = ("sent", "empty", "missing", "failed", "truncated")
_HELD_BY_NOTHING: Final = "no value set holds it"
WHY: Final = {
    "not-read": "a query that it needs was not read whole",
    "not-understood": "a record that may say so was not understood",
    "unusable": "its records cannot be used (unit, limit, status, form)",
    "bounded": "only a bound is known (< or >)",
    "stale": "the newest value is too old",
    "none-recorded": "none was recorded",
    "other": "it follows from others that are unknown, or is not computable",
}
_HUNDRED: Final = 100


@dataclass(frozen=True, slots=True)
class Section:
    """One table of a report: rows of the same keys."""

    name: str
    title: str
    about: str
    rows: Sequence[Row]


@dataclass(frozen=True, slots=True)
class Report:
    """All of it; `summary` are single numbers."""

    summary: Row
    sections: Sequence[Section]

    def section(self, name: str) -> Section:
        """One section. Raises KeyError."""
        return {section.name: section for section in self.sections}[name]

    def document(self) -> Row:
        """For programs."""
        return {**self.summary, **{section.name: section.rows for section in self.sections}}


class _Counted:
    """How often something was met, in how many answers and for how many patients."""

    def __init__(self) -> None:
        self.times = 0
        self.calls = 0
        self.patients: set[str] = set()
        self.more: Counter[str] = Counter()

    def add(self, patient: str, times: int = 1) -> None:
        self.times += times
        self.calls += 1
        self.patients.add(patient)


class _Tally:
    def __init__(self) -> None:
        self.whole = _Counted()
        self.programs: dict[str, None] = {}
        self.services: defaultdict[str, _Counted] = defaultdict(_Counted)
        self.callers: defaultdict[tuple[str, str], _Counted] = defaultdict(_Counted)
        self.prefetch: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.unmapped: defaultdict[tuple[str, ...], _Counted] = defaultdict(_Counted)
        self.unknown: defaultdict[tuple[str, str], _Counted] = defaultdict(_Counted)
        self.open: defaultdict[str, _Counted] = defaultdict(_Counted)
        self.cards: defaultdict[tuple[str, ...], _Counted] = defaultdict(_Counted)
        self.first = self.last = ""

    def add(self, record: Json) -> None:
        patient, caller = record.get("patient", ""), record.get("caller", {})
        self.first, self.last = self.first or record["at"], record["at"]
        if "program" in record:
            self.programs[record["program"]] = None
        shown, would = record.get("cards", ()), would_show(record)
        for counted in (self.whole, self.services[record["service"]]):
            counted.add(patient)
            counted.more["ours"] += "orders" in record
            counted.more["wouldShow"] += bool(would)
            counted.more["shown"] += bool(shown)
        if would:
            self.callers[caller.get("role", ""), caller.get("tenant", "")].add(patient)
        self._cards(record["service"], patient, would, shown)
        self._intake(record, patient)
        for order in record.get("orders", ()):
            for rule in order.get("missing", ()):
                self.open[rule].add(patient)
            for fact, why in order.get("unknown", {}).items():
                self.unknown[fact, why].add(patient)

    def _cards(self, service: str, patient: str, would: Sequence[Json], shown: Sequence[Json]) -> None:
        there = {(card["rule"], card["decision"]) for card in shown}
        for card in would:
            key = (service, card["decision"], card["indicator"], card["rule"], card["version"], card["kind"])
            counted = self.cards[key]
            counted.add(patient)
            counted.more["first"] += card["leads"]
            counted.more["shown"] += (card["rule"], card["decision"]) in there

    def _intake(self, record: Json, patient: str) -> None:
        for state, keys in record.get("prefetch", {}).items():
            for key in keys:
                self.prefetch[key][state] += 1
        for key in record.get("fetched", ()):
            self.prefetch[key]["fetched"] += 1
        for met in record.get("unmapped", ()):
            key = tuple(met.get(name, "") for name in ("source", "why", "system", "code", "unit", "of"))
            self.unmapped[key].add(patient, met["times"])
        if record.get("unmappedMore"):
            self.whole.more["unmappedMore"] += 1


def would_show(record: Json) -> Sequence[Json]:
    """The cards that an answer had, or would have had, were nothing silent."""
    cards: Sequence[Json] = record.get("silent", {}).get("cards") or record.get("cards", ())
    return cards


def report(program: Program, records: Iterable[Json], firing: Iterable[Comparison] = ()) -> Report:
    """What the records of answers hold, by the knowledge of today; and which rules fire at another rate."""
    tally = _Tally()
    for record in records:
        if record["kind"] == "answer":
            tally.add(record)
    return Report(_summary(program, tally), (*_sections(program, tally), _firing(firing)))


def _summary(program: Program, tally: _Tally) -> Row:
    whole, site = tally.whole, program.knowledge.site
    return {
        "site": site.id,
        "silent": {"site": site.silent, "services": list(site.silent_services), "rules": list(site.silent_rules)},
        "programs": list(tally.programs),
        "since": tally.first,
        "until": tally.last,
        "calls": whole.calls,
        "patients": len(whole.patients),
        "ours": whole.more["ours"],
        "wouldShow": whole.more["wouldShow"],
        "shown": whole.more["shown"],
        "cutLists": whole.more["unmappedMore"],
    }


def _sections(program: Program, tally: _Tally) -> Iterable[Section]:
    yield Section("services", "Calls", "Answers by service: about orders of ours, with a card, with one shown.", [
        {"service": name, **_counts(c), **{key: c.more[key] for key in ("ours", "wouldShow", "shown")},
         "per100": _share(c.more["wouldShow"], c.calls)}
        for name, c in sorted(tally.services.items())
    ])  # fmt: skip
    yield Section("callers", "To whom", "Whose answers would have had a card, by the caller's role and client.", [
        {"role": role or "(not said)", "client": tenant or "(no token)", **_counts(c)}
        for (role, tenant), c in sorted(tally.callers.items())
    ])  # fmt: skip
    yield Section("decisions", "What would have been shown", "Cards by rule, and how many of them were shown.", [
        {**dict(zip(("service", "decision", "indicator", "rule", "version", "order"), key, strict=True)),
         "cards": c.times, "first": c.more["first"], "shown": c.more["shown"], "patients": len(c.patients)}
        for key, c in sorted(tally.cards.items(), key=_by_rank)
    ])  # fmt: skip
    yield from _intake(program, tally)
    yield Section("unknown", "Facts that were unknown", "Unknown facts that could have changed an answer, and why.", [
        {"fact": fact, "title": _title(program, fact), "why": WHY.get(why, why), **_counts(c)}
        for (fact, why), c in _often(tally.unknown)
    ])  # fmt: skip
    yield Section("open", "Rules that stayed open", "Rules that must not be unknown and were: insufficient data.", [
        {"rule": rule, **_counts(c)} for rule, c in _often(tally.open)
    ])  # fmt: skip


def _intake(program: Program, tally: _Tally) -> Iterable[Section]:
    queries = program.knowledge.catalogue.queries
    yield Section("prefetch", "What came", "Prefetch keys by what became of them; fetched: whole in the end.", [
        {"key": key, "essential": _essential(queries[key]), **{state: tally.prefetch[key][state] for state in STATES},
         "fetched": tally.prefetch[key]["fetched"]}
        for key in program.templates if key in tally.prefetch
    ])  # fmt: skip
    found = [(key, c) for key, c in _often(tally.unmapped)]
    about = "To be mapped in terms/*.yaml of the site; what was not understood comes first."
    yield Section("codes", "Codes that nothing recognised", about, [
        {"from": source, "system": system, "code": code, "why": why or _HELD_BY_NOTHING, "times": c.times, **_counts(c)}
        for (source, why, system, code, *_), c in sorted(found, key=lambda pair: not pair[0][1]) if code
    ])  # fmt: skip
    yield Section("units", "Units that nothing recognised", "Values of these units are not used.", [
        {"from": source, "valueSet": of, "unit": unit, "times": c.times, **_counts(c)}
        for (source, _, _, _, unit, of), c in found if unit
    ])  # fmt: skip
    yield Section("words", "Words that were not understood", "Counted only: words of a chart are never kept.", [
        {"from": source, "why": why, "times": c.times, **_counts(c)}
        for (source, why, _, code, unit, _), c in found if not code and not unit
    ])  # fmt: skip


def _firing(compared: Iterable[Comparison]) -> Section:
    about = (
        "Of the patients of the last seven days the share for whom a rule held, against the four weeks before; rules "
        "of which there are enough patients. What changed comes first."
    )
    said = {"more": "fires MORE often", "less": "fires LESS often", "": "as before"}
    found = sorted(compared, key=lambda each: (not each.change, each.chance, each.rule))
    return Section("firing", "How often rules fire", about, [
        {"rule": each.rule, "change": said[each.change],
         "lastWeek": f"{each.now.fired} of {each.now.asked}", "before": f"{each.before.fired} of {each.before.asked}",
         "odds": round(each.odds, 2), "chance": float(f"{each.chance:.2g}")}
        for each in found
    ])  # fmt: skip


def _counts(counted: _Counted) -> Row:
    return {"calls": counted.calls, "patients": len(counted.patients)}


def _share(part: int, whole: int) -> float:
    return round(_HUNDRED * part / whole, 1) if whole else 0.0


def _often(found: Mapping[Any, _Counted]) -> list[tuple[Any, _Counted]]:
    return sorted(found.items(), key=lambda pair: (-pair[1].calls, -pair[1].times, pair[0]))


def _by_rank(pair: tuple[tuple[str, ...], _Counted]) -> tuple[Any, ...]:
    (service, decision, indicator, *rest), counted = pair
    return (service, RANK.get(decision, len(RANK)), SEVERITY.get(indicator, len(SEVERITY)), -counted.times, *rest)


def _title(program: Program, fact: str) -> str:
    definition = program.knowledge.catalogue.facts.get(fact)
    return definition.title if definition else ""


def _essential(query: Any) -> str:
    return "yes" if query.essential else "sometimes" if query.essential_where else ""
