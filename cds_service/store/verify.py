"""Whether the chain of records is whole: every edit, swap and gap, and what is missing at its end.

What cannot be proven: that nobody who holds the key made another chain; that no newest records were taken away together
with the end of the chain in the database and every anchor; that an answer was recorded before its process was killed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, func, select

from cds_service.store.chain import Anchor
from cds_service.store.keys import Keys
from cds_service.store.tables import audit, card, head

_AT_ONCE: Final = 400
_CARD: Final = ("uuid", "rule", "version", "decision", "indicator", "kind", "leads")


@dataclass(slots=True)
class Verified:
    """What was found: the faults, each in one line; how many records and cards of theirs; the first and last record."""

    faults: list[str] = field(default_factory=list)
    records: int = 0
    cards: int = 0
    since: str = ""
    first: int = 0
    end: Anchor = field(default=Anchor(0, ""))


def verify(connection: Connection, keys: Keys, anchors: Iterable[Anchor]) -> Verified:
    """Look at every record, at the end of the chain, and at what was remembered of it elsewhere."""
    told = Verified()
    known = {anchor.seq: anchor for anchor in anchors}
    passed: dict[int, str] = {}
    for rows in _batches(connection):
        sealed = [row for row in rows if _link(told, keys, row, connection)]
        passed |= {row["seq"]: row["hash"] for row in rows if row["seq"] in known}
        told.faults += _cards(told, connection, sealed)
    _end(told, connection, keys)
    for anchor in known.values():
        if anchor.seq > told.end.seq:
            gone = f"{told.end.seq + 1} to {anchor.seq}"
            told.faults.append(f"the newest records, {gone}, are missing: an anchor names them")
        elif anchor.seq >= told.first and passed.get(anchor.seq) != anchor.hash:
            told.faults.append(f"record {anchor.seq} is not the one that an anchor names: the chain was made anew")
    return told


def _batches(connection: Connection) -> Iterator[list[RowMapping]]:
    last = -1
    ordered = select(audit).order_by(audit.c.seq).limit(_AT_ONCE)
    while rows := list(connection.execute(ordered.where(audit.c.seq > last)).mappings()):
        yield rows
        last = rows[-1]["seq"]


def _link(told: Verified, keys: Keys, row: RowMapping, connection: Connection) -> bool:
    """Whether a record is sealed after the one before it. After a fault what stands there is taken, so that each is
    told once."""
    seq, previous = row["seq"], told.end
    if not told.records:
        told.first = seq
        if seq != 1:
            previous, told.since = _removed(connection, seq)
        if seq != previous.seq + 1:
            told.faults.append(f"records 1 to {seq - 1} are missing, and no retention took them")
            previous = Anchor(seq - 1, "")
    elif seq != previous.seq + 1:
        told.faults.append(f"records {previous.seq + 1} to {seq - 1} are missing")
    sealed = keys.seal(previous.hash, seq, row["record"]) == str(row["hash"])
    if not sealed:
        told.faults.append(f"record {seq} was changed, or stands in the place of another")
    elif _columns(row) != (row["id"], row["at"]):
        told.faults.append(f"record {seq}: its id or time beside the record was changed")
    told.records, told.end = told.records + 1, Anchor(seq, row["hash"])
    return sealed


def _removed(connection: Connection, first: int) -> tuple[Anchor, str]:
    """What retention says of the last record that it took away, and before which time; it is itself a record."""
    like = audit.c.record.contains('"kind":"retention"', autoescape=True)
    for text in connection.scalars(select(audit.c.record).where(like).order_by(audit.c.seq.desc())):
        record = _parsed(text)
        if record.get("kind") == "retention" and record.get("through") == first - 1:
            return Anchor(first - 1, str(record.get("hash"))), str(record.get("before"))
    return Anchor(0, ""), ""


def _columns(row: RowMapping) -> tuple[Any, Any]:
    record = _parsed(row["record"])
    return record.get("id"), record.get("at")


def _parsed(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _end(told: Verified, connection: Connection, keys: Keys) -> None:
    ends = connection.execute(select(head)).all()
    if len(ends) != 1:
        told.faults.append("the end of the chain is not kept any more")
        return
    end = ends[0]
    found = connection.scalar(select(func.count()).select_from(card).where(card.c.at >= told.since)) or 0
    if told.records and found != told.cards:
        told.faults.append(f"{found - told.cards} cards stand in the table of cards and in no record")
    if end.key not in ("", keys.fingerprint):
        told.faults.append("the records are sealed with another key than this one")
    if end.seq > told.end.seq:
        told.faults.append(f"the newest records, {told.end.seq + 1} to {end.seq}, are missing")
    elif (end.id, end.seq, end.hash) != (1, told.end.seq, told.end.hash):
        told.faults.append("the kept end of the chain is not its last record")


def _cards(told: Verified, connection: Connection, rows: Iterable[RowMapping]) -> Iterator[str]:
    """The cards by which feedback is counted are those of the records."""
    recorded = {c["uuid"]: (row["seq"], c) for row in rows for c in _parsed(row["record"]).get("cards", ())}
    wanted = list(recorded)
    kept: dict[str, RowMapping] = {}
    for start in range(0, len(wanted), _AT_ONCE):
        part = select(card).where(card.c.uuid.in_(wanted[start : start + _AT_ONCE]))
        kept |= {row["uuid"]: row for row in connection.execute(part).mappings()}
    told.cards += sum(row["at"] >= told.since for row in kept.values())
    for uuid, (seq, recorded_as) in recorded.items():
        row = kept.get(uuid)
        if row is None or any(row[name] != recorded_as[name] for name in _CARD):
            wrong = "missing from the table of cards" if row is None else "another one in the table of cards"
            yield f"record {seq}: its card {uuid} is {wrong}"
