"""Taking away what is older than a site keeps; the chain says what was taken, so that the rest still proves itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, delete, func, or_, select

from cds_service.store.answers import card_digest
from cds_service.store.chain import Anchor, append, own
from cds_service.store.entry import written
from cds_service.store.keys import Keys
from cds_service.store.records import parsed
from cds_service.store.tables import audit, card, feedback

_AT_ONCE = 400


@dataclass(frozen=True, slots=True)
class Taken:
    """How many there are that are older."""

    records: int
    feedback: int


def older(connection: Connection, before: datetime) -> Taken:
    """What would be taken."""
    through = _through(connection, before)
    told = select(func.count()).select_from(feedback).where(_older(before, through))
    records = select(func.count()).select_from(audit).where(audit.c.seq <= through)
    return Taken(connection.scalar(records) or 0, connection.scalar(told) or 0)


def take(
    connection: Connection, keys: Keys, before: datetime, now: datetime, seen: Anchor | None = None
) -> tuple[Taken, Anchor | None]:
    """Take it: feedback, records, and their cards where no newer feedback is about them; and the new end of the chain.

    Raises StoreError.
    """
    taken, through = older(connection, before), _through(connection, before)
    connection.execute(delete(feedback).where(_older(before, through)))
    if not taken.records:
        return taken, None
    seal = connection.scalar(select(audit.c.hash).where(audit.c.seq == through))
    cards = dict(_cards(connection, keys, through))
    body = {"through": through, "hash": seal, "before": written(before), "cards": cards}
    end = append(connection, keys, [own("retention", now, body)], now, seen)
    connection.execute(delete(audit).where(audit.c.seq <= through))
    return taken, end


def _older(before: datetime, through: int) -> ColumnElement[bool]:
    """Feedback goes with the record that sealed it last."""
    return and_(feedback.c.received_at < written(before), feedback.c.seq <= through)


def _through(connection: Connection, before: datetime) -> int:
    """The last record before the first one that is to stay."""
    stays = connection.scalar(select(func.min(audit.c.seq)).where(audit.c.at >= written(before)))
    return (stays - 1) if stays is not None else connection.scalar(select(func.max(audit.c.seq))) or 0


def _cards(connection: Connection, keys: Keys, through: int) -> Iterator[tuple[str, str]]:
    """Takes the cards of these records but those that feedback is still about; their digests, for no record has them
    any more."""
    retention = audit.c.record.contains('"kind":"retention"', autoescape=True)
    chosen = select(audit.c.seq, audit.c.record).where(or_(audit.c.seq <= through, retention))
    rows = chosen.order_by(audit.c.seq).limit(_AT_ONCE)
    last = 0
    while found := connection.execute(rows.where(audit.c.seq > last)).all():
        bodies = [parsed(row.record) for row in found]
        shown = [each for body in bodies for each in _named(body)]
        for start in range(0, len(shown), _AT_ONCE):
            part = card.c.uuid.in_(shown[start : start + _AT_ONCE])
            told = select(feedback.c.card).where(feedback.c.card == card.c.uuid).exists()
            connection.execute(delete(card).where(part, ~told))
            for row in connection.execute(select(card).where(part)).mappings():
                yield row["uuid"], card_digest(keys, row)
        last = found[-1].seq


def _named(body: Mapping[str, Any]) -> list[str]:
    """The cards of an answer; those that an earlier retention let stay."""
    kept = body.get("cards", ())
    return list(kept) if body.get("kind") == "retention" else [each["uuid"] for each in kept]
