"""One prefetch value (or one FHIR search) parsed into resources, and how far it can be trusted to be complete.

CDS Hooks: a missing key or an OperationOutcome means "not done"; `null` or a Bundle without entries means "no data".
Parsed values are remembered by the digest of their bytes, within a byte budget: EHRs send the same chart again and
again while an order is being edited.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from cds_service.chart.resource import Resource


@dataclass(frozen=True, slots=True)
class Read:
    """What came of one query. `gaps` says why the list of resources may be incomplete; empty means complete.

    `cut` is the gap of a list that stops before its last page ("" where it does not): older resources are missing.
    """

    resources: tuple[Resource, ...] = ()
    gaps: tuple[str, ...] = ()
    done: bool = True
    cut: str = ""


NOT_SENT = Read(gaps=("not in prefetch",), done=False)
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
    kind = value.get("resourceType")
    if kind == "OperationOutcome":
        return Read(gaps=("the client answered with an OperationOutcome",), done=False)
    if kind == "Bundle" or (kind is None and "entry" in value):
        return _bundle(value)
    if isinstance(kind, str):
        return Read((Resource(value),))
    return Read(gaps=("not a FHIR resource",), done=False)


def _bundle(bundle: Mapping[str, Any]) -> Read:
    entries = bundle.get("entry")
    if entries is not None and not isinstance(entries, list):
        return Read(gaps=("Bundle.entry is not a list",), done=False)
    raws = [e.get("resource") if isinstance(e, dict) else None for e in entries or ()]
    found = [r for r in raws if isinstance(r, dict) and isinstance(r.get("resourceType"), str)]
    medications = {f"Medication/{r.get('id')}": r for r in found if r["resourceType"] == "Medication"}
    plain = [r for r in found if r["resourceType"] not in ("OperationOutcome", "Medication")]
    resources = tuple(Resource(r, medications) for r in plain)
    return Read(resources, tuple(_gaps(raws, found)), cut=_cut(bundle, len(resources)))


def _gaps(raws: list[Any], found: list[Any]) -> Iterator[str]:
    if len(found) < len(raws):
        yield f"{len(raws) - len(found)} entries hold no FHIR resource"
    if any(r["resourceType"] == "OperationOutcome" and _failed(r) for r in found):
        yield "the search reported an error among its results"


def _cut(bundle: Mapping[str, Any], count: int) -> str:
    """Whether results exist that were not sent."""
    links = bundle.get("link")
    relations = [x.get("relation") for x in links if isinstance(x, dict)] if isinstance(links, list) else []
    total = bundle.get("total")
    if "next" in relations:
        return "more pages exist that were not sent"
    if isinstance(total, int) and bundle.get("type") == "searchset" and total > count:
        return f"{total} results exist, {count} were sent"
    return ""


def _failed(outcome: Mapping[str, Any]) -> bool:
    issues = outcome.get("issue")
    severities = [i.get("severity") for i in issues if isinstance(i, dict)] if isinstance(issues, list) else [None]
    return any(severity not in ("warning", "information") for severity in severities)


class ReadCache:
    """Parsed prefetch values by content, least recently used out first, bounded in bytes of JSON."""

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
        read = finish(parse_read(body))
        with self._lock:
            self._held += 0 if key in self._reads else len(body)
            self._reads[key] = (read, len(body))
            while self._held > self._budget and len(self._reads) > 1:
                _, (_, size) = self._reads.popitem(last=False)
                self._held -= size
        return read
