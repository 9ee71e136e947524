"""The chain of records: each is sealed with the one before it, so that an edit, a swap and a gap are seen.

All processes append to one chain, one batch at a time: who appends holds its end (`audit_head`) until that is kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, insert, select, update

from cds_service.errors import StoreError
from cds_service.store.keys import Keys
from cds_service.store.tables import audit, head

_ANCHOR: Final = "audit.anchor"
_ENCODER: Final = msgspec.json.Encoder(order="deterministic")


@dataclass(frozen=True, slots=True)
class Anchor:
    """The end of the chain at some time: proves, kept elsewhere, that no record up to it was taken away."""

    seq: int
    hash: str

    def __str__(self) -> str:
        return f"{self.seq}:{self.hash}"


def append(connection: Connection, keys: Keys, records: Iterable[Mapping[str, Any]]) -> Anchor:
    """Seal and keep records that are not kept yet, each with its `id` and `at`: the new end. Raises StoreError."""
    end = connection.execute(select(head).with_for_update()).one()
    if end.key not in ("", keys.fingerprint):
        raise StoreError("the audit records are sealed with another key: set CDS_AUDIT_KEY, or restore the store.key")
    records = list(records)
    ids = [record["id"] for record in records]
    kept = set(connection.scalars(select(audit.c.id).where(audit.c.id.in_(ids)))) if ids else set()
    seq, seal, rows = end.seq, end.hash, []
    for record in records:
        if record["id"] not in kept:
            text = canonical(record)
            seq, seal = seq + 1, keys.seal(seal, seq + 1, text)
            rows.append({"seq": seq, "id": record["id"], "at": record["at"], "record": text, "hash": seal})
    if rows:
        connection.execute(insert(audit), rows)
        connection.execute(update(head).values(seq=seq, hash=seal, key=keys.fingerprint))
    return Anchor(seq, seal)


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
    if not seq.isdigit() or not seal:
        raise ValueError("expected <sequence number>:<hash>, as `anakinra-cds audit verify` prints it")
    return Anchor(int(seq), seal)


def note(folder: Path, end: Anchor) -> None:
    """Remember the end of the chain outside the database. Raises OSError."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = folder / f"{_ANCHOR}.{token_hex(8)}"
    draft.write_text(f"{end}\n", encoding="ascii")
    draft.replace(folder / _ANCHOR)
