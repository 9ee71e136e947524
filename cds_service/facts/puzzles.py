"""Records that may be one of ours though nobody can tell: what they are about was not understood."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from cds_service.chart.resource import Resource
from cds_service.chart.vocabulary import Concept, Matcher
from cds_service.facts.itself import ItselfTest
from cds_service.facts.model import Reading
from cds_service.facts.status import Holds
from cds_service.facts.substances import concepts_of, names_nothing
from cds_service.knowledge.model import Selection

Puzzles = Callable[[Reading], Sequence[str]]
_MOST_LETTERS = 60
_MOST_CODES = 5


def puzzles(
    selection: Selection, terms: Mapping[str, Matcher], statuses: Mapping[str, Holds], windows: Mapping[str, float]
) -> Puzzles | None:
    """What leaves a selection open, a line for each record that was not understood; None where nothing does.

    Such a record is in the statuses of the selection, and dated within the window or not at all.
    """
    rule = selection.puzzled
    if rule is None:
        return None
    fits = tuple(statuses[name] for name in selection.status or ())
    gone = tuple(statuses[name] for name in (*(selection.unless or ()), *(rule.unless or ())))
    unclear = tuple(terms[name] for name in rule.in_ or ())
    vaguely = ItselfTest(selection.itself, unclear, terms) if selection.itself and unclear else None
    elsewhere = tuple(terms[name] for name in rule.elsewhere or ())
    nameless = terms[rule.nameless] if rule.nameless else None
    own = tuple(terms[name] for name in selection.in_ or ())
    named_by = tuple(terms[name] for name in rule.named_by or ())
    kept_out, not_told = _kept_out(selection, terms), _not_told(selection, terms)
    name = rule.within or selection.within
    hours = windows[name] if name else None
    query, any_set = selection.from_, next(iter(terms.values()))

    def counts(record: Resource, reading: Reading) -> bool:
        if fits and not any(holds(record, reading.now) for holds in fits):
            return False
        if any(holds(record, reading.now) for holds in gone):
            return False
        if any(matcher.mentions(record.concept) for matcher in elsewhere):
            return False
        return hours is None or record.when is None or _within(record, reading, hours)

    def is_ours(record: Resource) -> bool:
        return any(matcher.mentions(found) for found in concepts_of(record) for matcher in own)

    def lines(reading: Reading) -> Sequence[str]:
        told = [line for r, line in not_understood(query, reading, any_set) if counts(r, reading)]
        if unclear:
            maybe = (r for r in reading.chart.found(query, unclear) if vaguely is None or vaguely.of(r) != "no")
            told += [f"{r.ref} may be one: {shown(r.concept)}" for r in maybe if counts(r, reading)]
        if kept_out is not None:
            told += [f"{r.ref} may be one: {shown(r.concept)}" for r in kept_out(reading) if counts(r, reading)]
        if not_told is not None:
            told += [f"{r.ref} may be one: {shown(r.concept)}" for r in not_told(reading) if counts(r, reading)]
        if nameless is not None:
            open_ = (r for r in reading.chart.of(query) if names_nothing(r, nameless, named_by) and not is_ours(r))
            told += [f"{r.ref} names no substance: {shown(r.concept)}" for r in open_ if counts(r, reading)]
        return told

    return lines


def _kept_out(selection: Selection, terms: Mapping[str, Matcher]) -> Callable[[Reading], Iterable[Resource]] | None:
    """The records that only `notIn` keeps out of a selection and that may belong to it all the same."""
    rule = selection.puzzled
    if rule is None or not rule.kept_out_but:
        return None
    own, others, but = (
        tuple(terms[name] for name in names or ()) for names in (selection.in_, selection.not_in, rule.kept_out_but)
    )

    itself = ItselfTest(selection.itself, own, terms) if selection.itself else None

    def is_open(record: Resource) -> bool:
        found = concepts_of(record)
        if not any(matcher.matches(c) for c in found for matcher in others):
            return False
        if itself is not None and itself.of(record) == "no":
            return False
        told = [meaning for c in found for m in own if m.matches(c) and (meaning := m.meaning(c)) is not None]
        coded = any(meaning.by_code for meaning in told)
        return coded or (bool(told) and any(matcher.matches(c) for c in found for matcher in but))

    def find(records: Iterable[Resource]) -> tuple[Resource, ...]:
        return tuple(r for r in records if is_open(r))

    return lambda reading: reading.chart.remember(selection.from_, is_open, find)


def _not_told(selection: Selection, terms: Mapping[str, Matcher]) -> Callable[[Reading], Iterable[Resource]] | None:
    """The records whose words say neither the thing itself nor anything else."""
    if selection.itself is None:
        return None
    own, others = (tuple(terms[name] for name in names or ()) for names in (selection.in_, selection.not_in))
    itself = ItselfTest(selection.itself, own, terms)

    def is_open(record: Resource) -> bool:
        found = concepts_of(record)
        if not any(matcher.matches(c) for c in found for matcher in own):
            return False
        return not any(m.matches(c) for c in found for m in others) and itself.of(record) == "open"

    def find(records: Iterable[Resource]) -> tuple[Resource, ...]:
        return tuple(r for r in records if is_open(r))

    return lambda reading: reading.chart.remember(selection.from_, is_open, find)


def not_understood(query: str, reading: Reading, any_set: Matcher) -> Sequence[tuple[Resource, str]]:
    """The records of a query that were not understood, each with a line that says so. Any matcher will do: what is
    recognised is recognised by all value sets together."""

    def find(records: Iterable[Resource]) -> list[tuple[Resource, str]]:
        told = ((r, puzzle_of(r, any_set)) for r in records)
        return [(r, line) for r, line in told if line]

    return reading.chart.remember(query, ("puzzles", any_set.recogniser), find)


def _within(record: Resource, reading: Reading, hours: float) -> bool:
    """A problem's date is when it began, as somebody wrote it: one that lies ahead never makes it old."""
    if record.type == "Condition":
        return record.when is not None and reading.hours_since(record.when.end) <= hours
    return reading.within(record, hours)


def puzzle_of(record: Resource, any_set: Matcher) -> str:
    """Why a record is neither one of ours nor recognisably something else; "" where it is understood. A drug that is
    only referred to, or not named at all, is no puzzle: it is looked for elsewhere."""
    concepts = concepts_of(record)
    if record.concept.empty and record.type.startswith("Medication"):
        return ""
    reasons = [any_set.recognised(found).puzzle for found in concepts]
    if not all(reasons):
        return ""
    return f"{record.ref} is not understood: {shown(concepts[0])} ({reasons[0]})"


def shown(found: Concept) -> str:
    """A concept as a site would look for it: its words, then each code with its system."""
    words = found.text or next(iter(found.displays), "")
    codes = [f"{code} of {system}" if system else code for system, code in found.codes[:_MOST_CODES]]
    if len(found.codes) > _MOST_CODES:
        codes.append(f"{len(found.codes) - _MOST_CODES} more codes")
    return ", ".join(part[:_MOST_LETTERS] for part in (words, *codes) if part) or "nothing is said"
