"""The records of the chain, read back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from cds_service.store.entry import written
from cds_service.store.tables import audit

_AT_ONCE = 400


@dataclass(frozen=True, slots=True)
class Record:
    """One record as it is kept: its place, its seal, and its JSON."""

    seq: int
    hash: str
    record: str


def records(connection: Connection, since: datetime | None, until: datetime | None) -> Iterator[Record]:
    """Those of a time, in their order."""
    rows = select(audit.c.seq, audit.c.hash, audit.c.record).order_by(audit.c.seq).limit(_AT_ONCE)
    if since is not None:
        rows = rows.where(audit.c.at >= written(since))
    if until is not None:
        rows = rows.where(audit.c.at < written(until))
    last = -1
    while found := [Record(*row) for row in connection.execute(rows.where(audit.c.seq > last))]:
        yield from found
        last = found[-1].seq


def answer(connection: Connection, record_id: str) -> dict[str, Any] | None:
    """The record of one answer; None where there is none of that id."""
    found = connection.scalar(select(audit.c.record).where(audit.c.id == record_id))
    told = parsed(found) if found else {}
    return told if told.get("kind") == "answer" else None


def parsed(text: str) -> dict[str, Any]:
    """What a record says; nothing where somebody made it no JSON object."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
