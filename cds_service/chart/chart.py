"""The chart of exactly one patient: its reads by query, with every resource of anybody else left out and counted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from itertools import pairwise
from typing import Literal, TypeVar

import msgspec

from cds_service.chart.as_of import latest, resource_at
from cds_service.chart.drugs import named, open_references
from cds_service.chart.intake import WHOLE, State, state_of
from cds_service.chart.read import ALONE, NOT_SENT, Medications, Read, ReadCache, agreeing
from cds_service.chart.resource import Resource
from cds_service.chart.times import parse_when
from cds_service.chart.vocabulary import Matcher

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Chart:
    """Own resources of `patient_id`, by the name of the query that read them. `sent` is what became of each prefetch
    key, `fetched` are those that the FHIR server made whole."""

    patient_id: str
    reads: Mapping[str, Read]
    sent: Mapping[str, State] = field(default_factory=dict)
    fetched: tuple[str, ...] = ()

    def patient(self) -> Resource | None:
        """The Patient resource itself, where it was read and is the right one."""
        return next((r for r in self.of("patient") if r.type == "Patient"), None)

    def of(self, query: str) -> tuple[Resource, ...]:
        """Every own resource of one query."""
        return self.reads.get(query, NOT_SENT).resources

    def nameless(self, query: str) -> tuple[Resource, ...]:
        """Those that a query brought and that name no patient."""
        return self.reads.get(query, NOT_SENT).nameless

    def remember(self, query: str, key: object, derive: Callable[[tuple[Resource, ...]], T]) -> T:
        """What `derive` makes of the own resources of one query, made once for all calls that bring the same ones: it
        may look at nothing else, and not at the clock. The key names what is derived."""
        return self.reads.get(query, NOT_SENT).remember(key, derive)

    def matching(self, queries: Iterable[str], *matchers: Matcher) -> Iterator[Resource]:
        """Own resources of some queries whose concept is in one of the value sets, in the order of the chart."""
        for query in queries:
            yield from self.reads.get(query, NOT_SENT).matching(matchers)

    def found(self, query: str, matchers: tuple[Matcher, ...]) -> tuple[Resource, ...]:
        """Own resources of one query whose concept is in one of the value sets."""
        return self.reads.get(query, NOT_SENT).matching(matchers)

    def not_understood(self, query: str, matcher: Matcher) -> tuple[str, ...]:
        """References of the own resources of one query that are neither one of ours nor recognisably something else."""
        return self.reads.get(query, NOT_SENT).not_understood(matcher)

    def lost_drugs(self, queries: Iterable[str]) -> tuple[str, ...]:
        """Why drugs that these queries name only by a reference are not known; empty where nobody looked for them."""
        return tuple(dict.fromkeys(lost for q in queries if (lost := self.reads.get(q, NOT_SENT).lost)))

    def at(self, now: datetime) -> Chart:
        """What was known at `now` (see `as_of.py`); this very chart where nothing is later."""
        reads = {name: _read_at(read, now) for name, read in self.reads.items()}
        same = all(read is reads[name] for name, read in self.reads.items())
        return self if same else replace(self, reads=reads)

    def gaps(self, queries: Iterable[str], since: datetime | None = None) -> tuple[str, ...]:
        """Why absence (`since` then) cannot be concluded from these queries; empty where it can."""
        lines: list[str] = []
        for query in queries:
            read = self.reads.get(query, NOT_SENT)
            if read.gaps or read.empty_is_unknown:
                lines += [f"{query}: {gap}" for gap in _gaps(read, since)]
        return tuple(lines)

    def unread(self, queries: Iterable[str]) -> dict[str, str]:
        """Which of these queries were not read whole, and why: also those that facts do without."""
        reads = ((q, self.reads.get(q, NOT_SENT)) for q in queries)
        told = {q: (*_gaps(read, None), *read.forgone) for q, read in reads}
        return {q: "; ".join(why) for q, why in told.items() if why}


def _gaps(read: Read, since: datetime | None) -> tuple[str, ...]:
    """The gaps of a read, but for the end of a list that is complete `since` then."""
    if read.empty_is_unknown and not read.resources:
        return (EMPTY_IS_UNKNOWN,)
    if since is not None and read.reaches is not None and read.reaches < since:
        return tuple(gap for gap in read.gaps if gap != read.cut)
    return read.gaps


def _read_at(read: Read, now: datetime) -> Read:
    last = read.remember("latest", latest)
    if last is None or last <= now:
        return read
    then = [resource_at(resource, now) for resource in read.resources]
    if all(was is resource for was, resource in zip(then, read.resources, strict=True)):
        return read
    return replace(read, resources=tuple(was for was in then if was is not None))


@dataclass(frozen=True, slots=True)
class QueryKind:
    """What a query reads: a resource type, and how many hours back its resources matter (None: all of them).

    `empty_is_unknown` where an empty list does not mean, at this site, that there are none. Resources of the types
    `also` may come with it. `weak` says which lack facts do without: that nothing was sent, any lack, or none.
    """

    resource: str
    window_hours: float | None
    empty_is_unknown: bool = False
    also: tuple[str, ...] = ()
    weak: Literal["not-sent", "lost", ""] = ""


EMPTY_IS_UNKNOWN = "empty, which at this site does not mean that there are none"


# Whether a read of a query is all that matters of it; and a second source, asked for the queries that are not.
Enough = Callable[[str, Read], bool]
Second = Callable[[Mapping[str, Read], Enough], Mapping[str, Read]]


def open_chart(
    prefetch: Mapping[str, bytes],
    patient_id: str,
    queries: Mapping[str, QueryKind],
    cache: ReadCache,
    now: datetime,
    second: Second | None = None,
) -> Chart:
    """The chart from prefetch, for the queries by name; `second` is asked once for what prefetch leaves open."""

    def settled(name: str, read: Read) -> Read:
        return _covered(_own(read, patient_id, queries[name]), queries[name], now)

    sent = _sent(prefetch, patient_id, queries, cache)
    states = {name: state_of(read, _covered(read, queries[name], now)) for name, read in sent.items()}
    # A drug may be named by a Medication that came with another query.
    known = _medications(sent.values())
    sent = {name: named(read, known) for name, read in sent.items()}
    reads = {name: _covered(read, queries[name], now) for name, read in sent.items()}
    lacking = {name: sent[name] for name, read in reads.items() if _lacks(read) or open_references(read)}
    fetched: tuple[str, ...] = ()
    if second is not None and lacking:
        found = second(lacking, lambda name, read: not _lacks(settled(name, read)))
        reads |= {name: settled(name, read) for name, read in found.items()}
        fetched = tuple(name for name in found if states[name] not in WHOLE and not _lacks(reads[name]))
        known = agreeing((*known.items(), *_medications(found.values()).items()))
        reads = {name: named(read, known) for name, read in reads.items()}
    return Chart(patient_id, {name: _asked(read, queries[name]) for name, read in reads.items()}, states, fetched)


def medications_sent(
    prefetch: Mapping[str, bytes], patient_id: str, queries: Mapping[str, QueryKind], cache: ReadCache
) -> Medications:
    """The Medications that came with the queries of a prefetch, by the references that may name them."""
    return _medications(_sent(prefetch, patient_id, queries, cache).values())


def _sent(
    prefetch: Mapping[str, bytes], patient_id: str, queries: Mapping[str, QueryKind], cache: ReadCache
) -> dict[str, Read]:
    def own(name: str) -> Callable[[Read], Read]:
        return partial(_own, patient_id=patient_id, kind=queries[name])

    return {
        name: cache.read(prefetch[name], f"{query.resource} of {patient_id}", own(name))
        if name in prefetch
        else NOT_SENT
        for name, query in queries.items()
    }


def _medications(reads: Iterable[Read]) -> Medications:
    return agreeing(pair for read in reads for pair in read.medications.items())


def _lacks(read: Read) -> bool:
    """Not done, or broken, or cut before the end of its window. Resources that are not this patient's are no lack."""
    return not read.done or read.broken or (bool(read.cut) and read.cut in read.gaps)


def _covered(read: Read, query: QueryKind, now: datetime) -> Read:
    """A list that was cut is still complete where it is sorted, newest first, and reaches back beyond the window."""
    if not read.cut:
        return read
    reaches = _reaches(read)
    if query.window_hours is not None and reaches and reaches < now - timedelta(hours=query.window_hours):
        return read
    return replace(read, gaps=(*read.gaps, read.cut), reaches=reaches)


def _reaches(read: Read) -> datetime | None:
    """The oldest time of a list that is sorted, newest first. One time alone shows no order: a server that sorts the
    other way round, or not at all, may have sent the oldest."""
    times = [r.when.start for r in read.resources if r.when is not None]
    if len(times) < len(read.resources) or len(set(times)) < 2 or any(a < b for a, b in pairwise(times)):
        return None
    return times[-1]


def _asked(read: Read, query: QueryKind) -> Read:
    """Marked where an empty list is a gap, since the site says that nobody may have asked; what a weak query lacks is
    none."""
    if query.empty_is_unknown and not read.gaps:
        return replace(read, empty_is_unknown=True)
    if read.gaps and (query.weak == "lost" or (query.weak and read.gaps == NOT_SENT.gaps)):
        return replace(read, gaps=(), forgone=read.gaps)
    return read


def _own(read: Read, patient_id: str, kind: QueryKind) -> Read:
    """Only this patient's resources of the expected type, each once. What is left out makes the read incomplete, and so
    does a resource that stands alone where a search was asked for: what else there is nobody can tell."""
    if read.alone and kind.resource != "Patient":
        read = replace(read, cut=ALONE)
    own: list[Resource] = []
    nameless: list[Resource] = []
    foreign = odd = 0
    for resource in read.resources:
        if resource.type != kind.resource and resource.type not in kind.also:
            odd += 1
        elif not resource.patient_id:
            nameless.append(resource)
        elif resource.patient_id != patient_id:
            foreign += 1
        else:
            own.append(resource)
    kept = _distinct(own)
    if not (foreign or nameless or odd) and len(kept) == len(read.resources):
        return read
    counted = (
        (foreign, "of another patient"),
        (len(nameless), "naming no patient"),
        (odd, f"that are no {kind.resource}"),
    )
    gaps = tuple(f"{n} resource{'s' if n > 1 else ''} {what}, not used" for n, what in counted if n)
    done = read.done and not (kind.resource == "Patient" and not kept and gaps)
    return replace(read, resources=kept, gaps=read.gaps + gaps, done=done, nameless=read.nameless + tuple(nameless))


def _distinct(resources: Iterable[Resource]) -> tuple[Resource, ...]:
    """Each resource once: equal copies are one, of versions the one updated last; what cannot be told apart stays."""
    named: dict[str, list[Resource]] = {}
    for resource in resources:
        # Without an id nothing says that two resources are the same one.
        named.setdefault(resource.ref if resource.id else str(id(resource)), []).append(resource)
    return tuple(kept for versions in named.values() for kept in _newest(versions))


def _newest(versions: list[Resource]) -> Iterable[Resource]:
    """Of one resource's versions those updated last, equal copies once: linear in what they hold."""
    if len(versions) == 1:
        return versions
    latest = max(_updated(version) for version in versions)
    told = ((msgspec.json.encode(v.raw, order="sorted"), v) for v in versions if _updated(v) == latest)
    kept: dict[bytes, Resource] = {}
    for content, version in told:
        kept.setdefault(content, version)
    return kept.values()


def _updated(resource: Resource) -> str:
    """`meta.lastUpdated` on the UTC time line, comparable as text; "" where there is none."""
    meta = resource.raw.get("meta")
    found = meta.get("lastUpdated") if isinstance(meta, Mapping) else None
    when = parse_when(found) if isinstance(found, str) else None
    return when.start.isoformat() if when else ""
