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
    insert = inserting(connection)(token).on_conflict_do_nothing()
    ends = {name: written(until) for name, until in tokens.items()}
    return sum(connection.execute(insert.values(hash=name, until=end)).rowcount for name, end in ends.items())
