"""The selection language at work: each selection of the catalogue is compiled once to a function that draws records."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any, TypeVar, cast

from msgspec import Struct, field

from cds_service.chart.chart import Chart
from cds_service.chart.resource import Resource
from cds_service.chart.vocabulary import Concept, Matcher, is_coded, one_of
from cds_service.facts import growth, reactions, result, status, tolerated
from cds_service.facts.after import begun_after
from cds_service.facts.culture import naming, specimens_of
from cds_service.facts.itself import ItselfTest
from cds_service.facts.meant import said_as
from cds_service.facts.model import Facts, Reading, usable
from cds_service.facts.puzzles import puzzle_of, puzzles
from cds_service.facts.quantity import newest_first
from cds_service.facts.reasons import states_reason, told_reasons
from cds_service.facts.substances import concepts_of, is_severe, says_apart, says_together, with_notes
from cds_service.knowledge.model import Catalogue, Selection, SetAside, Where

Test = Callable[[Resource, Reading, Facts], bool]
# A test of a record alone, whose answer is the same in every call.
OwnTest = Callable[[Resource], bool]
Apart = Callable[[Concept, Reading, Facts], bool]
C = TypeVar("C")
T = TypeVar("T")


class Drawn(Struct, frozen=True):
    """What came of a selection: the records; a line for each that could not be used; why there may be more; for
    cultures what became of each, by the identity of its record; and the references of what was not understood."""

    found: tuple[Resource, ...] = ()
    unusable: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    standings: Mapping[int, str] = field(default_factory=dict)
    not_understood: tuple[str, ...] = ()


Draw = Callable[[Reading, Facts], Drawn]
NOTHING = Drawn()


class Selections:
    """The language of a catalogue, compiled for one set of value sets, policies and windows (in hours).

    `records` draws each named set of records, once a reading; `statuses` tests each named status; `order` has all
    facts, each after those that it is made of.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        terms: Mapping[str, Matcher],
        policies: Mapping[str, float],
        windows: Mapping[str, float],
    ) -> None:
        self.catalogue = catalogue
        self.terms = terms
        self.policies = policies
        self.windows = windows
        self.statuses = status.compiled(catalogue.statuses, terms)
        self.timeless = status.timeless(catalogue.statuses)
        self._results = {name: result.compiled(read, terms) for name, read in catalogue.results.items()}
        self.records: Mapping[str, Draw] = {name: self._named(name) for name in catalogue.records}
        self.order = catalogue.order()
        self._compiled: dict[object, Any] = {}

    def once(self, key: object, compile_: Callable[[], T]) -> T:
        """What several plans are made of, compiled once. The key names it."""
        if key not in self._compiled:
            self._compiled[key] = compile_()
        compiled: T = self._compiled[key]
        return compiled

    def only(self, kind: type[C]) -> C | None:
        """The computation of a kind; None where the catalogue has none."""
        return next((cast(C, found) for found in self.catalogue.computed.values() if isinstance(found, kind)), None)

    def matchers(self, value_sets: Iterable[str] | None) -> tuple[Matcher, ...]:
        """The value sets of these names, ready to match."""
        return tuple(self.terms[name] for name in value_sets or ())

    def queries(self, source: str) -> tuple[str, ...]:
        """The queries behind a query or a named set of records, each once, in order."""
        if source in self.catalogue.queries:
            return (source,)
        return tuple(dict.fromkeys(q for s in self.catalogue.records[source] for q in self.queries(s.from_)))

    def _named(self, name: str) -> Draw:
        """All records of a named set; drawn from one query they keep the order of the chart."""
        draws = tuple(self.draw(selection) for selection in self.catalogue.records[name])

        def find(reading: Reading, known: Facts) -> Drawn:
            drawn = [draw(reading, known) for draw in draws]
            return drawn[0] if len(drawn) == 1 else _together(drawn, reading)

        return lambda reading, known: reading.once(("records", name), lambda: find(reading, known))

    def draw(self, selection: Selection) -> Draw:
        """The function that draws the records of a selection."""
        in_status, tests = tuple(self._status_tests(selection)), tuple(self._tests(selection))
        fitting = self._fitting(selection)
        source, unsure = self._source(selection), self.statuses.get(selection.unsure or "")
        answered = self._answered(selection)
        judged = self._judge(selection)
        puzzled = puzzles(selection, self.terms, self.statuses, self.windows)
        standing, besides = selection.standing, selection.except_
        after, where = selection.after, selection.where
        begun = begun_after(after, self.windows[after.within], self.queries(after.of)) if after else None

        def drawn(reading: Reading, known: Facts) -> Drawn:
            start = source(reading, known)
            if not start.found and puzzled is None:
                return start
            doubts = [*start.doubts, *(puzzled(reading) if puzzled is not None else ())]
            found = list(start.found if fitting is None else fitting(start.found, reading))
            if unsure is not None:
                may_be = [r for r in found if unsure(r, reading.now)]
                may_be = [r for r in may_be if all(test(r, reading, known) for test in tests)]
                doubts += [f"{r.ref} has the status {r.status}" for r in may_be]
            for test in (*in_status, *tests):
                found = [r for r in found if test(r, reading, known)]
            if standing:
                found = [r for r in found if start.standings.get(id(r)) == standing]
            if besides:
                others = {id(r) for r in self.records[besides](reading, known).found}
                found = [r for r in found if id(r) not in others]
            if where is not None:
                found, unknown_there = _where(where, found, known)
                doubts += unknown_there
            if begun is not None:
                found, unclear_dates = begun(found, reading)
                doubts += unclear_dates
            if answered is not None:
                return answered(found, doubts)
            if not (found or doubts or start.unusable or start.not_understood):
                return NOTHING
            good, bad = usable(found)
            unusable = (*start.unusable, *bad)
            if selection.undated == "unknown":
                unusable += tuple(f"{r.ref} has no usable date" for r in good if r.when is None)
                good = [r for r in good if r.when is not None]
            standings = judged(good, reading, known) if judged else start.standings
            return Drawn(tuple(good), unusable, tuple(doubts), standings, start.not_understood)

        return drawn

    def _answered(self, selection: Selection) -> Callable[[Sequence[Resource], Sequence[str]], Drawn] | None:
        """What is drawn of records that answer a question: those that say yes, or those that nobody understood."""
        if selection.newest_answer is None:
            return None
        answers = self._results[selection.newest_answer]
        if selection.unanswered:
            return lambda found, doubts: Drawn(tuple(_unanswered(found, answers)))
        unclear = self.catalogue.results[selection.newest_answer].unclear
        return lambda found, doubts: _newest_answers(found, doubts, answers.says, unclear)

    def _judge(self, selection: Selection) -> growth.Judgement | None:
        if selection.growth is None:
            return None
        return growth.judge(selection.growth, self.statuses, self.terms, self.windows)

    def _source(self, selection: Selection) -> Draw:
        """The records of a query that are in the value sets, or those of a named set."""
        name, matchers = selection.from_, self.matchers(selection.in_)
        if name in self.catalogue.records:
            return self._by_name(name)
        if not self._is_matched(selection):
            return lambda reading, known: Drawn(reading.chart.of(name))

        def matched(reading: Reading, known: Facts) -> Drawn:
            found = reading.chart.found(name, matchers)
            unclear = reading.chart.not_understood(name, matchers[0])
            return Drawn(found, not_understood=unclear) if found or unclear else NOTHING

        return matched

    def _is_matched(self, selection: Selection) -> bool:
        """Whether the chart itself matches: it remembers what it found. An allergy is about more than its code."""
        query = self.catalogue.queries.get(selection.from_)
        if query is None or not selection.in_ or selection.past:
            return False
        return query.resource not in ("AllergyIntolerance", "Procedure")

    def _by_name(self, name: str) -> Draw:
        """Looked up when it is drawn: records may come from records that are compiled later."""

        def drawn(reading: Reading, known: Facts) -> Drawn:
            return self.records[name](reading, known)

        return drawn

    def _fitting(self, selection: Selection) -> Callable[[Sequence[Resource], Reading], Iterable[Resource]] | None:
        """The records of the source that pass the tests of a record alone; of a query they are found once for all calls
        that bring the same list. None where there is no such test."""
        tests = tuple(self._own_tests(selection))
        if not tests:
            return None

        def fitting(records: Iterable[Resource]) -> Sequence[Resource]:
            for test in tests:
                records = [r for r in records if test(r)]
            return tuple(records)

        if selection.from_ in self.catalogue.records:
            return lambda records, reading: fitting(records)
        return lambda records, reading: reading.chart.remember(selection.from_, tests, lambda _: fitting(records))

    def _tests(self, selection: Selection) -> Iterator[Test]:
        yield from self._time_tests(selection)
        yield from self._reason_tests(selection)
        if selection.meant:
            within, others = self.matchers(selection.in_), self.matchers(selection.not_in)
            meant, concepts = said_as(selection.meant, within, others, self.windows), self._concepts(selection)
            yield lambda r, reading, known: any(meant(c, reading) for c in concepts(r))
        if named := selection.names_result:
            yield naming(self.matchers(named.in_), self.matchers(named.not_in))
        if selection.drafts:
            of_drafts = selection.drafts == "only"
            yield lambda r, reading, known: reading.of_draft(r) is of_drafts

    def _status_tests(self, selection: Selection) -> Iterator[Test]:
        fits = tuple(self.statuses[name] for name in selection.status or ())
        gone = tuple(self.statuses[name] for name in selection.unless or ())
        if len(fits) == 1:
            (only,) = fits
            yield lambda r, reading, known: only(r, reading.now)
        elif fits:
            yield lambda r, reading, known: any(holds(r, reading.now) for holds in fits)
        if gone:
            yield lambda r, reading, known: not any(holds(r, reading.now) for holds in gone)

    def _time_tests(self, selection: Selection) -> Iterator[Test]:
        name = selection.within or selection.beyond
        if name:
            yield _in_window(selection, self.windows[name])
        if selection.told_before:
            later = selection.told_before
            yield lambda r, reading, known: _told_before(r, known[later].as_of)
        if selection.dated:
            yield lambda r, reading, known: reading.past(r)
        if selection.ended_within:
            limit = self.windows[selection.ended_within]
            yield lambda r, reading, known: _ended_within(r, reading, limit)

    def _own_tests(self, selection: Selection) -> Iterator[OwnTest]:
        within, apart = self.matchers(selection.in_), self.matchers(selection.not_beside)
        concepts, beside, past = self._concepts(selection), self.matchers(selection.beside), selection.past is not None
        if apart:
            yield lambda r: any(says_apart(c, within, apart) for c in concepts(r))
        elif beside:
            yield lambda r: any(says_together(c, within, beside) for c in concepts(r))
        elif within and not selection.meant and not self._is_matched(selection):
            yield _about(one_of(within, past), concepts)
        if selection.not_coded_as:
            elsewhere = self.matchers(selection.not_coded_as)
            yield lambda r: any(not is_coded(c, elsewhere) or is_coded(c, within) for c in concepts(r))
        for matcher in self.matchers(selection.in_each):
            yield _about(one_of((matcher,), past), concepts)
        if selection.specimen:
            taken_from = self.terms[selection.specimen]
            yield lambda r: any(taken_from.matches(c) for c in specimens_of(r))
        if selection.not_in and not selection.meant:
            other = _about(one_of(self.matchers(selection.not_in), past), concepts)
            yield lambda r: not other(r)
        if selection.not_understood:
            any_set = next(iter(self.terms.values()))
            yield lambda r: bool(puzzle_of(r, any_set))
        yield from self._wording_tests(selection, within)
        if selection.severe:
            severe = self.terms[selection.severe]
            yield lambda r: is_severe(r, severe)
        if selection.reactions:
            yield reactions.compiled(selection.reactions, self.terms)

    def _wording_tests(self, selection: Selection, within: tuple[Matcher, ...]) -> Iterator[OwnTest]:
        """By how the words that name one of the value sets are put."""
        concepts = self._concepts(selection)
        if selection.itself:
            itself = ItselfTest(selection.itself, within, self.terms)
            yield lambda r: itself.of(r) == "yes"
        if selection.tolerated:
            borne = tolerated.compiled(selection.tolerated, within, self.terms)
            yield lambda r: not borne(r, concepts(r))

    def _reason_tests(self, selection: Selection) -> Iterator[Test]:
        aside = self._aside(selection.set_aside)
        if selection.reason:
            doubts = self.matchers(selection.reason_doubted_by)
            says = _reason(self.matchers(selection.reason), selection.reason_sense, doubts)
            yield lambda r, reading, known: any(
                says(said) for said in reasons_of(r, reading) if not aside(said, reading, known)
            )
        elif selection.unreasoned:
            yield lambda r, reading, known: not states_reason(r)
        elif selection.set_aside:
            yield lambda r, reading, known: not aside(r.concept, reading, known)

    def _concepts(self, selection: Selection) -> Callable[[Resource], Sequence[Concept]]:
        if selection.notes_under is None:
            return concepts_of
        unspecific = self.terms[selection.notes_under]
        return lambda resource: with_notes(resource, unspecific)

    def _aside(self, what: SetAside | None) -> Apart:
        """Whether a concept is what the order in hand is for, and nothing else: it does not speak against the order."""
        if what is None:
            return lambda concept, reading, known: False
        ours, besides = self.matchers(what.in_), self.matchers(what.not_in)

        def apart(concept: Concept, reading: Reading, known: Facts) -> bool:
            if reading.order.kind != what.orders or known[what.fact].value != what.is_:
                return False
            return any(m.matches(concept) for m in ours) and not any(m.matches(concept) for m in besides)

        return apart


def _where(where: Where, found: list[Resource], known: Facts) -> tuple[list[Resource], list[str]]:
    """The records where another fact says so, and why they may count where it is unknown."""
    other = known[where.fact]
    if other.value is None:
        return [], [f"{r.ref} counts only with {where.fact}, which is unknown: {other.why}" for r in found]
    return (found if other.value is where.is_ else []), []


def reasons_of(request: Resource, reading: Reading) -> Sequence[Concept]:
    """Read once for all selections: an order may state thousands."""
    return reading.once(("reasons", id(request)), lambda: told_reasons(request, reading.condition_refs))


def _reason(reasons: Sequence[Matcher], sense: str | None, doubts: Sequence[Matcher]) -> Callable[[Concept], bool]:
    """Whether a reason says one of some value sets, for certain or in doubt where that is asked; what one of them says
    for certain is in no doubt, unless the reason says one of `doubts` too."""
    if sense is None:
        return one_of(reasons)
    wanted = sense == "said"

    def is_certain(said: Concept) -> bool:
        return any(m.recognised(said).says(m.id) for m in reasons) and not any(m.matches(said) for m in doubts)

    return lambda said: any(m.matches(said) for m in reasons) and is_certain(said) is wanted


def _about(says: Callable[[Concept], bool], concepts: Callable[[Resource], Sequence[Concept]]) -> OwnTest:
    return lambda resource: any(says(c) for c in concepts(resource))


def _together(drawn: Sequence[Drawn], reading: Reading) -> Drawn:
    found = {id(r): r for d in drawn for r in d.found}
    unusable = dict.fromkeys(line for d in drawn for line in d.unusable)
    doubts = dict.fromkeys(line for d in drawn for line in d.doubts)
    standings = {key: stands for d in drawn for key, stands in d.standings.items()}
    unclear = dict.fromkeys(ref for d in drawn for ref in d.not_understood)
    return Drawn(_in_chart_order(found, reading), tuple(unusable), tuple(doubts), standings, tuple(unclear))


def _in_chart_order(found: Mapping[int, Resource], reading: Reading) -> tuple[Resource, ...]:
    if len(found) < 2:
        return tuple(found.values())
    return tuple(r for query in reading.chart.reads for r in _ordered(found, query, reading.chart))


def _ordered(found: Mapping[int, Resource], query: str, chart: Chart) -> Iterator[Resource]:
    """Those that one query brought, in their order."""
    places: Mapping[int, int] = chart.remember(query, "places", lambda all_: {id(r): n for n, r in enumerate(all_)})
    return (found[each] for each in sorted(found.keys() & places.keys(), key=places.__getitem__))


def _newest_answers(
    observations: Iterable[Resource], doubts: Sequence[str], answer: result.Answer, unclear: str
) -> Drawn:
    """The newest Observations that answer, where they say yes. One that cannot be understood is no "no": what was
    said before it may still hold. Of several at one time each counts: one that says yes is enough."""
    found: list[Resource] = []
    lost: list[str] = []
    open_: list[str] = []
    for _, taken in groupby(newest_first(observations), key=lambda r: r.when):
        latest = list(taken)
        said = [(r, answer(r)) for r in latest if not r.problem]
        found += [r for r, yes in said if yes]
        lost += [f"{r.ref}: {r.problem}" for r in latest if r.problem]
        open_ += [f"{r.ref} {unclear}" for r, yes in said if yes is None]
        if any(yes is not None for _, yes in said):
            break
    return Drawn(tuple(found), tuple(lost), (*doubts, *open_))


def _unanswered(observations: Iterable[Resource], answers: result.Answers) -> Iterator[Resource]:
    """The Observations since the newest answer that cannot be understood, and that do not say that nobody answered."""
    for _, taken in groupby(newest_first(observations), key=lambda r: r.when):
        latest = list(taken)
        said = [None if r.problem else answers.says(r) for r in latest]
        yield from (r for r, yes in zip(latest, said, strict=True) if yes is None and not answers.nothing(r))
        if any(yes is not None for yes in said):
            return


def _in_window(selection: Selection, hours: float) -> Test:
    """Dated within the window, counting a partial date to its end. A problem's date is when it began, as somebody wrote
    it: one that lies ahead never makes it old."""
    counts = selection.undated == "counts"
    here = selection.this_encounter is not None
    beyond = selection.beyond is not None

    def inside(resource: Resource, reading: Reading, known: Facts) -> bool:
        if here and _of_this_encounter(resource, reading):
            return not beyond
        if resource.when is None:
            return counts or beyond or selection.undated == "unknown"
        if resource.type == "Condition":
            return (reading.hours_since(resource.when.end) <= hours) is not beyond
        return reading.within(resource, hours) is not beyond

    return inside


def _of_this_encounter(resource: Resource, reading: Reading) -> bool:
    encounter = resource.raw.get("encounter")
    reference = str(encounter.get("reference", "")) if isinstance(encounter, Mapping) else ""
    return bool(reading.encounter_id) and reference.split("/")[-1] == reading.encounter_id


def _ended_within(condition: Resource, reading: Reading, hours: float) -> bool:
    """By its abatement; where it says none, by when it was written down, or began."""
    last = status.abatement(condition) or condition.time("recordedDate") or condition.when
    return last is not None and reading.hours_since(last.end) <= hours


_TOLD = ("recordedDate", "onsetDateTime", "onsetPeriod", "lastOccurrence")


def _told_before(resource: Resource, moment: datetime | None) -> bool:
    """Whether all that a record says of its times lies before a moment; one without a time may be later."""
    told = [when for element in _TOLD if (when := resource.time(element)) is not None]
    return moment is not None and bool(told) and all(when.end < moment for when in told)
