"""One prefetch value (or one FHIR search) parsed into resources, and how far it can be trusted to be complete.

CDS Hooks: a missing key or an OperationOutcome means "not done"; `null` or a Bundle without entries means "no data".
Parsed values are remembered by the digest of their bytes, within a byte budget: EHRs send the same chart again and
again while an order is being edited.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

import msgspec

from cds_service.chart.empty import may_hold_empty, without_empty_members
from cds_service.chart.medication import ANYWHERE
from cds_service.chart.outcomes import is_subset, loss
from cds_service.chart.resource import Resource
from cds_service.chart.validation import MOST_PARTS
from cds_service.chart.vocabulary import Concept, Matcher

T = TypeVar("T")
# By the reference that names them.
Medications = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Read:
    """What came of one query. `gaps` says why the list of resources may be incomplete; empty means complete.

    `cut` is the gap of a list that stops before its last page ("" where it does not): older resources are missing.
    `next` is the link to the following page, `total` what a searchset says that it holds on all pages together;
    `bundle` is false for a single resource and for null; `alone` says that it is the former; `broken`
    where entries cannot be read or report an error. `medications` came along, by each reference that may name them;
    `referring` where drugs are named by reference at all; `lost` says why some of these stayed unresolved. `forgone`
    are the gaps of a weak query: they are said, and facts do without what they left out. `reaches` is how far back a
    list that was cut is complete (None: nobody can tell); `empty_is_unknown` where it holds nothing and that does not
    mean that there is nothing. `nameless` are those left out since they name no patient: they may be this one's.
    """

    resources: tuple[Resource, ...] = ()
    gaps: tuple[str, ...] = ()
    done: bool = True
    cut: str = ""
    next: str = ""
    total: int | None = None
    bundle: bool = False
    alone: bool = False
    broken: bool = False
    medications: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    referring: bool = False
    lost: str = ""
    forgone: tuple[str, ...] = ()
    reaches: datetime | None = None
    empty_is_unknown: bool = False
    nameless: tuple[Resource, ...] = ()
    _remembered: dict[object, Any] = field(init=False, default_factory=dict, compare=False, repr=False)

    def remember(self, key: object, derive: Callable[[tuple[Resource, ...]], T]) -> T:
        """What `derive` makes of the resources, made once. The key names what is derived."""
        if not self.resources:
            return derive(())
        if key not in self._remembered:
            self._remembered[key] = derive(self.resources)
        made: T = self._remembered[key]
        return made

    def matching(self, matchers: tuple[Matcher, ...]) -> tuple[Resource, ...]:
        """The resources whose concept is in one of the value sets, in their order."""
        if not self.resources or not matchers:
            return ()
        known = self._recognised(matchers[0])
        if len(matchers) == 1:
            return known.by_set.get(matchers[0].id, ())
        return self.remember(matchers, lambda resources: _in_any(resources, known, matchers))

    def not_understood(self, matcher: Matcher) -> tuple[str, ...]:
        """References of the resources whose concept was not understood."""
        return self._recognised(matcher).puzzles if self.resources else ()

    def concepts(self, matcher: Matcher) -> tuple[tuple[Concept, int], ...]:
        """The distinct concepts of the resources, and how many have each (of equal long ones there may be several)."""
        return self._recognised(matcher).concepts if self.resources else ()

    def _recognised(self, matcher: Matcher) -> _Recognised:
        known: _Recognised | None = self._remembered.get(matcher.recogniser)
        if known is None:
            known = self.remember(matcher.recogniser, lambda resources: _recognised(resources, matcher))
        return known


@dataclass(frozen=True, slots=True)
class _Recognised:
    """A list of resources, looked through once for all value sets: those whose concept is in each, the references of
    those that were not understood, and the distinct concepts with how often each is met."""

    by_set: Mapping[str, tuple[Resource, ...]]
    puzzles: tuple[str, ...]
    concepts: tuple[tuple[Concept, int], ...]


def _recognised(resources: Iterable[Resource], matcher: Matcher) -> _Recognised:
    by_set: dict[str, list[Resource]] = {}
    puzzles: list[str] = []
    # A chart has few concepts, again and again, and equal ones are one object: each is looked up once.
    met: dict[int, tuple[Concept, list[list[Resource]], bool]] = {}
    counts: dict[int, int] = {}
    for resource in resources:
        concept = resource.concept
        key = id(concept)
        known = met.get(key)
        if known is None:
            found = matcher.recognised(concept)
            lists = [by_set.setdefault(name, []) for name in found.held]
            known = met[key] = (concept, lists, bool(found.puzzle))
            counts[key] = 0
        counts[key] += 1
        for each in known[1]:
            each.append(resource)
        if known[2]:
            puzzles.append(resource.ref)
    sets = {name: tuple(found) for name, found in by_set.items()}
    return _Recognised(sets, tuple(puzzles), tuple((known[0], counts[key]) for key, known in met.items()))


def _in_any(resources: Iterable[Resource], known: _Recognised, matchers: Iterable[Matcher]) -> tuple[Resource, ...]:
    found = {id(r) for matcher in matchers for r in known.by_set.get(matcher.id, ())}
    return tuple([r for r in resources if id(r) in found]) if found else ()


ALONE = "a single resource was sent in place of a list"
MORE = "more pages exist that were not sent"
NOT_SENT = Read(gaps=("not sent by the EHR",), done=False)
EMPTY = Read()


def parse_read(body: bytes) -> Read:
    """One prefetch value. Never raises: what cannot be read is a gap."""
    try:
        value = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return Read(gaps=("not readable as JSON",), done=False)
    if value is None:
        return EMPTY
    if not isinstance(value, dict):
        return Read(gaps=("not a FHIR resource",), done=False)
    if may_hold_empty(body):
        value = without_empty_members(value)
    kind = value.get("resourceType")
    if kind == "OperationOutcome":
        return Read(gaps=("an OperationOutcome instead of data",), done=False)
    large = body.count(b"{") > MOST_PARTS
    if kind == "Bundle" or (kind is None and "entry" in value):
        return _bundle(value, large)
    if isinstance(kind, str):
        return Read(gaps=(_too_large(1),), done=False) if large else Read((Resource(value),), alone=True)
    return Read(gaps=("not a FHIR resource",), done=False)


def _too_large(count: int) -> str:
    return f"{count} resource{'s' if count > 1 else ''} of more than {MOST_PARTS} parts, not read"


def _bundle(bundle: Mapping[str, Any], large: bool) -> Read:
    """`large`: so many objects that a single resource may hold more than can be read."""
    written = bundle.get("entry")
    if written is not None and not isinstance(written, list):
        return Read(gaps=("Bundle.entry is not a list",), done=False)
    sent = written or []
    entries = [e for e in sent if msgspec.json.encode(e).count(b"{") <= MOST_PARTS] if large else sent
    raws = [e.get("resource") if isinstance(e, dict) else None for e in entries]
    found = [r for r in raws if isinstance(r, dict) and isinstance(r.get("resourceType"), str)]
    medications = medications_of(entries)
    plain = [r for r in found if r["resourceType"] not in ("OperationOutcome", "Medication")]
    resources = tuple(Resource(r, medications) for r in plain)
    more, total = _following(bundle), _total(bundle)
    cut = _cut(more is not None, total, len(resources))
    unread = (_too_large(len(sent) - len(entries)),) if len(entries) < len(sent) else ()
    less = ("the list says itself that it is only a part",) if is_subset(bundle) else ()
    gaps = (*unread, *less, *_gaps(raws, found))
    named = bundle.get("resourceType") == "Bundle"
    return Read(
        resources,
        gaps,
        cut=cut,
        next=more or "",
        total=total,
        bundle=named,
        broken=bool(gaps),
        medications=medications,
        referring=any("medicationReference" in r for r in plain),
    )


def medications_of(entries: Iterable[Any]) -> Medications:
    """The Medications among the entries of a Bundle, by each reference that may name them: `Type/id` and `fullUrl`."""
    return agreeing(_named(entries))


def _named(entries: Iterable[Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for entry in entries:
        found = entry.get("resource") if isinstance(entry, dict) else None
        if not isinstance(found, dict) or found.get("resourceType") != "Medication":
            continue
        if found.get("status") != "entered-in-error":
            url = entry.get("fullUrl")
            own = f"Medication/{found['id']}" if isinstance(found.get("id"), str) else ""
            names = (own, url or (own and ANYWHERE + own))
            yield from ((name, found) for name in names if isinstance(name, str) and name)


def agreeing(named: Iterable[tuple[str, Mapping[str, Any]]]) -> Medications:
    """Medications by name. Two that differ under one name resolve nothing: which of them is meant nobody says."""
    found: dict[str, Mapping[str, Any]] = {}
    differ: set[str] = set()
    for name, medication in named:
        if found.setdefault(name, medication) != medication:
            differ.add(name)
    return {name: medication for name, medication in found.items() if name not in differ}


def joined(first: Read, page: Read) -> Read:
    """A list and its following page as one; what stands on both counts once, as the later page has it."""
    later = {r.ref for r in page.resources if r.id}
    resources = tuple(r for r in first.resources if r.ref not in later) + page.resources
    total = first.total if page.total is None else page.total
    # A page may say "cut" only for what it lacks of the whole, so that is counted anew.
    cut = _cut(page.cut == MORE, total, len(resources))
    gaps = tuple(dict.fromkeys(first.gaps + page.gaps))
    return Read(
        resources,
        gaps,
        first.done and page.done,
        cut,
        page.next,
        total,
        bundle=True,
        broken=first.broken or page.broken,
        medications=agreeing((*first.medications.items(), *page.medications.items())),
        referring=first.referring or page.referring,
        nameless=first.nameless + page.nameless,
    )


def _gaps(raws: list[Any], found: list[Any]) -> Iterator[str]:
    if len(found) < len(raws):
        yield f"{len(raws) - len(found)} entries hold no FHIR resource"
    said = (loss(r) for r in found if r["resourceType"] == "OperationOutcome")
    yield from dict.fromkeys(text for text in said if text)


def _following(bundle: Mapping[str, Any]) -> str | None:
    """The link to the next page ("" where it has no URL); None where the Bundle names no next page."""
    links = bundle.get("link")
    for link in links if isinstance(links, list) else ():
        if isinstance(link, dict) and link.get("relation") == "next":
            return link["url"] if isinstance(link.get("url"), str) else ""
    return None


def _total(bundle: Mapping[str, Any]) -> int | None:
    """What a searchset says that it holds. A server that writes the number in another way still means it, and one that
    leaves out the type means a searchset: nothing else has a total."""
    total = bundle.get("total")
    if isinstance(total, bool) or bundle.get("type", "searchset") != "searchset":
        return None
    if isinstance(total, str) and total.isascii() and total.isdigit():
        return int(total[:9])
    return int(total) if isinstance(total, int | float) else None


def _cut(more: bool, total: int | None, count: int) -> str:
    """Whether results exist that were not sent."""
    if more:
        return MORE
    return f"{total} results exist, {count} were sent" if total is not None and total > count else ""


def _weight(body: bytes) -> int:
    """About how much memory a parsed value takes with all that is derived of it: JSON of nothing but brackets takes
    twenty times its length."""
    return 3 * len(body) + 300 * body.count(b"{") + 64 * body.count(b"[") + 32 * body.count(b",")


class ReadCache:
    """Parsed prefetch values by content, least recently used out first, bounded in bytes of memory, about."""

    def __init__(self, budget: int) -> None:
        self._budget = budget
        self._held = 0
        self._reads: OrderedDict[bytes, tuple[Read, int]] = OrderedDict()
        self._lock = threading.Lock()

    def read(self, body: bytes, purpose: str, finish: Callable[[Read], Read]) -> Read:
        """The parsed value after `finish`, from memory where the same bytes were read for the same purpose before."""
        key = hashlib.sha256(body).digest() + purpose.encode()
        with self._lock:
            held = self._reads.get(key)
            if held is not None:
                self._reads.move_to_end(key)
                return held[0]
        read, weight = finish(parse_read(body)), _weight(body)
        with self._lock:
            self._held += 0 if key in self._reads else weight
            self._reads[key] = (read, weight)
            while self._held > self._budget and len(self._reads) > 1:
                _, (_, size) = self._reads.popitem(last=False)
                self._held -= size
        return read
