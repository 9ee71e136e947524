"""Whether the records are whole: every edit, swap and gap, what is missing at their end, and every row that they prove.

Cards and feedback have tables of their own, by which reports count: each row there is one that a record holds or seals.
What cannot be proven: that nobody who holds the key made another chain; that no newest records were taken away together
with the end of the chain in the database and every anchor, before anything was appended.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, func, select

from cds_service.store import feedback
from cds_service.store.answers import card_digest, card_rows
from cds_service.store.chain import Anchor
from cds_service.store.keys import Keys
from cds_service.store.records import parsed
from cds_service.store.tables import audit, card, head

_AT_ONCE: Final = 400


@dataclass(slots=True)
class Verified:
    """What was found: the faults, each in one line; how many records there are; the first and the last one."""

    faults: list[str] = field(default_factory=list)
    records: int = 0
    first: int = 0
    end: Anchor = field(default=Anchor(0, ""))


@dataclass(slots=True)
class _Claims:
    """What the records say of other tables: cards found there; cards that outlived their record, and items of
    feedback, by the record that sealed them last."""

    cards: int = 0
    outlived: Mapping[str, str] = field(default_factory=dict)
    feedback: dict[int, tuple[int, str]] = field(default_factory=dict)


def verify(connection: Connection, keys: Keys, anchors: Iterable[Anchor]) -> Verified:
    """Look at every record, at the end of the chain, at what was remembered of it elsewhere, and at what it proves."""
    told, claims = Verified(), _Claims()
    known = {anchor.seq: anchor for anchor in anchors}
    passed: dict[int, str] = {}
    for rows in _batches(connection):
        sealed = [(row["seq"], body) for row in rows if (body := _link(told, claims, keys, row, connection))]
        passed |= {row["seq"]: row["hash"] for row in rows if row["seq"] in known}
        told.faults += _cards(claims, connection, sealed)
        for seq, body in sealed:
            _other(told, claims, seq, body)
    _end(told, connection, keys)
    told.faults += _outlived(claims, connection, keys)
    told.faults += _feedback(claims, connection, keys)
    for anchor in known.values():
        if anchor.seq > told.end.seq:
            gone = f"{told.end.seq + 1} to {anchor.seq}"
            told.faults.append(f"the newest records, {gone}, are missing: an anchor names them")
        elif anchor.seq >= told.first and passed.get(anchor.seq) != anchor.hash:
            told.faults.append(f"record {anchor.seq} is not the one that an anchor names: the chain was made anew")
    return told


def _batches(connection: Connection) -> Iterator[list[RowMapping]]:
    ordered = select(audit).order_by(audit.c.seq).limit(_AT_ONCE)
    rows = list(connection.execute(ordered).mappings())
    while rows:
        yield rows
        rows = list(connection.execute(ordered.where(audit.c.seq > rows[-1]["seq"])).mappings())


def _link(
    told: Verified, claims: _Claims, keys: Keys, row: RowMapping, connection: Connection
) -> dict[str, Any] | None:
    """What a record says, where it is sealed after the one before it. After a fault what stands there is taken, so
    that each is told once."""
    seq, previous = row["seq"], told.end
    if not told.records:
        told.first = seq
        if seq != 1:
            previous, claims.outlived = _removed(connection, seq)
        if seq != previous.seq + 1:
            told.faults.append(f"records 1 to {seq - 1} are missing, and no retention took them")
            previous = Anchor(seq - 1, "")
    elif seq != previous.seq + 1:
        told.faults.append(f"records {previous.seq + 1} to {seq - 1} are missing")
    told.records, told.end = told.records + 1, Anchor(seq, row["hash"])
    if keys.seal(previous.hash, seq, row["record"]) != str(row["hash"]):
        told.faults.append(f"record {seq} was changed, or stands in the place of another")
        return None
    body = parsed(row["record"])
    if (body.get("id"), body.get("at")) != (row["id"], row["at"]):
        told.faults.append(f"record {seq}: its id or time beside the record was changed")
    return body


def _removed(connection: Connection, first: int) -> tuple[Anchor, Mapping[str, str]]:
    """What retention says of the last record that it took away, and of the cards that it let stay; it is itself a
    record."""
    like = audit.c.record.contains('"kind":"retention"', autoescape=True)
    for text in connection.scalars(select(audit.c.record).where(like).order_by(audit.c.seq.desc())):
        record = parsed(text)
        if record.get("kind") == "retention" and record.get("through") == first - 1:
            return Anchor(first - 1, str(record.get("hash"))), _mapping(record.get("cards"))
    return Anchor(0, ""), {}


def _mapping(value: Any) -> Mapping[str, str]:
    return value if isinstance(value, dict) else {}


def _other(told: Verified, claims: _Claims, seq: int, body: Mapping[str, Any]) -> None:
    if body["kind"] == "break":
        ends = ", ".join(f"{name} {body[name]}" for name in ("last", "end", "seen") if body[name])
        told.faults.append(f"record {seq} says that before it records were taken away, or their end changed ({ends})")
    elif body["kind"] == "feedback":
        claims.feedback |= {each["row"]: (seq, each["digest"]) for each in body["items"]}


def _end(told: Verified, connection: Connection, keys: Keys) -> None:
    ends = connection.execute(select(head)).all()
    if len(ends) != 1:
        told.faults.append("the end of the chain is not kept any more")
        return
    end = ends[0]
    if end.key not in ("", keys.fingerprint):
        told.faults.append("the records are sealed with another key than this one")
    if end.seq > told.end.seq:
        told.faults.append(f"the newest records, {told.end.seq + 1} to {end.seq}, are missing")
    elif (end.id, end.seq, end.hash) != (1, told.end.seq, told.end.hash):
        told.faults.append("the kept end of the chain is not its last record")


def _cards(claims: _Claims, connection: Connection, sealed: Iterable[tuple[int, Mapping[str, Any]]]) -> Iterator[str]:
    """The cards by which feedback is counted are those of the records."""
    recorded = {row["uuid"]: (seq, row) for seq, body in sealed for row in card_rows(body)}
    kept = _kept(connection, list(recorded))
    claims.cards += len(kept)
    for uuid, (seq, row) in recorded.items():
        if uuid not in kept:
            yield f"record {seq}: its card {uuid} is missing from the table of cards"
        elif dict(kept[uuid]) != row:
            yield f"record {seq}: its card {uuid} is another one in the table of cards"


def _outlived(claims: _Claims, connection: Connection, keys: Keys) -> Iterator[str]:
    """Cards whose record retention took, while newer feedback is about them; and cards that nobody knows of."""
    kept = _kept(connection, list(claims.outlived))
    for uuid, digest in claims.outlived.items():
        if uuid not in kept or card_digest(keys, kept[uuid]) != digest:
            yield f"card {uuid}, which outlived its record, was taken away or changed"
    more = (connection.scalar(select(func.count()).select_from(card)) or 0) - claims.cards - len(kept)
    if more > 0:
        yield f"{more} cards stand in the table of cards and in no record"


def _kept(connection: Connection, uuids: list[str]) -> dict[str, RowMapping]:
    kept: dict[str, RowMapping] = {}
    for start in range(0, len(uuids), _AT_ONCE):
        part = select(card).where(card.c.uuid.in_(uuids[start : start + _AT_ONCE]))
        kept |= {row["uuid"]: row for row in connection.execute(part).mappings()}
    return kept


def _feedback(claims: _Claims, connection: Connection, keys: Keys) -> Iterator[str]:
    """Every item of feedback is there, as the record says that sealed it last."""
    left = dict(claims.feedback)
    for row, suggestions in feedback.every(connection):
        seq, digest = left.pop(row["id"], (0, ""))
        if not seq:
            yield f"feedback {row['id']} (card {row['card']}) is in no record"
        elif row["seq"] != seq or feedback.digest(keys, row, suggestions) != digest:
            yield f"feedback {row['id']} (card {row['card']}) is not as record {seq} sealed it"
    for number, (seq, _) in left.items():
        yield f"feedback {number} is missing, which record {seq} sealed"
