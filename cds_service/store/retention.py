"""Taking away what is older than a site keeps; the chain says what was taken, so that the rest still proves itself."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import uuid4

from sqlalchemy import Connection, delete, func, select

from cds_service.store.chain import append
from cds_service.store.entry import written
from cds_service.store.keys import Keys
from cds_service.store.tables import audit, card, feedback

_AT_ONCE = 400


@dataclass(frozen=True, slots=True)
class Taken:
    """How many there are that are older."""

    records: int
    feedback: int


def older(connection: Connection, before: datetime) -> Taken:
    """What would be taken."""
    told = select(func.count()).select_from(feedback).where(feedback.c.last_at < written(before))
    records = select(func.count()).select_from(audit).where(audit.c.seq <= _through(connection, before))
    return Taken(connection.scalar(records) or 0, connection.scalar(told) or 0)


def take(connection: Connection, keys: Keys, before: datetime, now: datetime) -> Taken:
    """Take it: feedback, records, and their cards where no newer feedback is about them. Raises StoreError."""
    taken, through = older(connection, before), _through(connection, before)
    connection.execute(delete(feedback).where(feedback.c.last_at < written(before)))
    if taken.records:
        seal = connection.scalar(select(audit.c.hash).where(audit.c.seq == through))
        body = {"kind": "retention", "through": through, "hash": seal, "before": written(before)}
        append(connection, keys, [{"id": str(uuid4()), "at": written(now), **body}])
        _drop(connection, through)
    return taken


def _through(connection: Connection, before: datetime) -> int:
    """The last record before the first one that is to stay."""
    stays = connection.scalar(select(func.min(audit.c.seq)).where(audit.c.at >= written(before)))
    return (stays - 1) if stays is not None else connection.scalar(select(func.max(audit.c.seq))) or 0


def _drop(connection: Connection, through: int) -> None:
    rows = select(audit.c.seq, audit.c.record).order_by(audit.c.seq).limit(_AT_ONCE)
    while found := connection.execute(rows.where(audit.c.seq <= through)).all():
        shown = [each["uuid"] for row in found for each in json.loads(row.record).get("cards", ())]
        for start in range(0, len(shown), _AT_ONCE):
            _drop_cards(connection, shown[start : start + _AT_ONCE])
        connection.execute(delete(audit).where(audit.c.seq <= found[-1].seq))


def _drop_cards(connection: Connection, shown: Sequence[str]) -> None:
    told = select(feedback.c.card).where(feedback.c.card.in_(shown))
    connection.execute(delete(card).where(card.c.uuid.in_(shown), card.c.uuid.not_in(told)))
