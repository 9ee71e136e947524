"""Tokens of CDS clients: each is taken once, whichever worker, replica or start of the service it reaches."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Connection, delete

from cds_service.store.database import inserting
from cds_service.store.entry import written
from cds_service.store.tables import token


def take(connection: Connection, tokens: Mapping[str, datetime], now: datetime) -> int:
    """How many of them are new, of those named with their ends; all are remembered then. Those that have ended are
    forgotten: they admit nobody."""
    connection.execute(delete(token).where(token.c.until < written(now)))
    if not tokens:
        return 0
    rows = [{"hash": name, "until": written(until)} for name, until in tokens.items()]
    # What a database says of the number of rows that it inserted is not the same in all of them: the rows are.
    new = inserting(connection)(token).values(rows).on_conflict_do_nothing().returning(token.c.hash)
    return len(connection.execute(new).all())
