"""The chain of records: each is sealed with the one before it, so that an edit, a swap and a gap are seen.

All processes append to one chain, one batch at a time: who appends holds its end (`audit_head`) until that is kept.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from secrets import token_hex
from typing import Any, Final
from uuid import uuid4

import msgspec
from sqlalchemy import Connection, Row, func, insert, select, update

from cds_service.errors import StoreError
from cds_service.store.database import inserting
from cds_service.store.entry import written
from cds_service.store.keys import Keys
from cds_service.store.tables import audit, head

log = logging.getLogger(__name__)
_ANCHOR: Final = "audit.anchor"
_ENCODER: Final = msgspec.json.Encoder(order="deterministic")


class _Named(msgspec.Struct):
    """What of a record stands beside it."""

    id: str
    at: str


_NAMED: Final = msgspec.json.Decoder(_Named)


@dataclass(frozen=True, slots=True)
class Anchor:
    """The end of the chain at some time: proves, kept elsewhere, that no record up to it was taken away."""

    seq: int
    hash: str

    def __str__(self) -> str:
        return f"{self.seq}:{self.hash}"


def append(
    connection: Connection, keys: Keys, texts: Iterable[str], now: datetime, seen: Anchor | None = None
) -> Anchor:
    """Seal and keep records that are not kept yet, each as `canonical` writes it: the new end. Raises StoreError.

    `seen` is the end of the chain as this machine knows it. Where the chain does not end where it should, that is a
    record of its own, before the others: whatever is appended later, it stays known that something was done to them.
    """
    end = _held(connection)
    if end.key not in ("", keys.fingerprint):
        raise StoreError("the audit records are sealed with another key: set CDS_AUDIT_KEY, or restore the store.key")
    records = [(_NAMED.decode(text), text) for text in texts]
    ids = [named.id for named, _ in records]
    kept = set(connection.scalars(select(audit.c.id).where(audit.c.id.in_(ids)))) if ids else set()
    last = _last(connection)
    broken = _broken(connection, last, Anchor(end.seq, end.hash), seen)
    if broken:
        log.error("store: the audit chain does not end where it should: run anakinra-cds audit verify")
        text = own("break", now, broken)
        records.insert(0, (_NAMED.decode(text), text))
    seq, seal, rows = last.seq, last.hash, []
    for named, text in records:
        if named.id not in kept:
            seq, seal = seq + 1, keys.seal(seal, seq + 1, text)
            rows.append({"seq": seq, "id": named.id, "at": named.at, "record": text, "hash": seal})
    if rows:
        connection.execute(insert(audit), rows)
        connection.execute(update(head).where(head.c.id == 1).values(seq=seq, hash=seal, key=keys.fingerprint))
    return Anchor(seq, seal)


def own(kind: str, now: datetime, body: Mapping[str, Any]) -> str:
    """A record of what became of the store itself."""
    return canonical({"kind": kind, "id": str(uuid4()), "at": written(now), **body})


def _held(connection: Connection) -> Row[Any]:
    """The kept end of the chain. Nobody else appends until the transaction is over."""
    kept = select(head).where(head.c.id == 1).with_for_update()
    found = connection.execute(kept).one_or_none()
    if found is None:  # somebody took it away
        nothing = {"id": 1, "seq": 0, "hash": "", "key": ""}
        connection.execute(inserting(connection)(head).values(nothing).on_conflict_do_nothing())
        found = connection.execute(kept).one()
    return found


def _last(connection: Connection) -> Anchor:
    found = connection.execute(select(audit.c.seq, audit.c.hash).order_by(audit.c.seq.desc()).limit(1)).one_or_none()
    return Anchor(*found) if found else Anchor(0, "")


def _broken(connection: Connection, last: Anchor, end: Anchor, seen: Anchor | None) -> dict[str, str]:
    """What shows that records were taken away, or their end was changed; empty where nothing does."""
    if last == end and (seen is None or seen == last or _holds(connection, seen)):
        return {}
    return {"last": str(last), "end": str(end), "seen": str(seen or "")}


def _holds(connection: Connection, seen: Anchor) -> bool:
    """Whether a record is there, unchanged, or is older than the first one: `verify` asks who took those."""
    seal = connection.scalar(select(audit.c.hash).where(audit.c.seq == seen.seq))
    if seal is not None:
        return bool(seal == seen.hash)
    first = connection.scalar(select(func.min(audit.c.seq)))
    return first is not None and seen.seq < first


def canonical(value: Any) -> str:
    """The same text for the same content."""
    return _ENCODER.encode(value).decode()


def anchored(folder: Path) -> Anchor | None:
    """The end of the chain as a process of this machine last saw it. Raises ValueError where it is no anchor."""
    file = folder / _ANCHOR
    return anchor(file.read_text(encoding="ascii").strip()) if file.exists() else None


def anchor(text: str) -> Anchor:
    """An anchor as it is written, `<seq>:<hash>`. Raises ValueError."""
    seq, _, seal = text.partition(":")
    if not (seq.isascii() and seq.isdigit() and len(seq) < 19) or not seal:
        raise ValueError("expected <sequence number>:<hash>, as `anakinra-cds audit verify` prints it")
    return Anchor(int(seq), seal)


def note(folder: Path, end: Anchor) -> None:
    """Remember the end of the chain outside the database. Raises OSError."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = folder / f"{_ANCHOR}.{token_hex(8)}"
    draft.write_text(f"{end}\n", encoding="ascii")
    draft.replace(folder / _ANCHOR)
