"""Tokens of CDS clients: each is taken once, whichever worker, replica or start of the service it reaches."""

from __future__ import annotations

import hashlib
from datetime import datetime

from sqlalchemy import Connection, delete

from cds_service.store.database import inserting
from cds_service.store.entry import written
from cds_service.store.tables import token


def take(connection: Connection, iss: str, jti: str, until: datetime, now: datetime) -> bool:
    """Whether the token is new; then it is remembered. Those that have ended are forgotten: they admit nobody."""
    connection.execute(delete(token).where(token.c.until < written(now)))
    # The length keeps two pairs apart that read the same one after the other. JSON can hold half a surrogate pair.
    named = f"{len(iss)}:{iss}{jti}".encode(errors="surrogatepass")
    row = {"hash": hashlib.sha256(named).hexdigest(), "until": written(until)}
    return connection.execute(inserting(connection)(token).values(row).on_conflict_do_nothing()).rowcount == 1
