"""What the calls of a load left in the store: rows, and in PostgreSQL the bytes of each table with its indexes."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from uuid import uuid4

from sqlalchemy import func, select, text

from benchmarks.servers import BenchError
from cds_service.store import answers
from cds_service.store.chain import canonical
from cds_service.store.database import Database
from cds_service.store.keys import Keys, load
from cds_service.store.records import parsed
from cds_service.store.retention import take
from cds_service.store.tables import audit, card, metadata
from cds_service.store.verify import verify

_LOOKED_EVERY: Final = 0.2
_AGAIN: Final = 1000
_TOGETHER: Final = 10


@dataclass(frozen=True, slots=True)
class Stored:
    """A PostgreSQL store now. Bytes are as PostgreSQL tells them; `wal` is how far its log has come."""

    records: int
    cards: int
    record_bytes: int
    """Of the texts of all records, as `audit export` writes them."""
    tables: dict[str, int]
    """With indexes and what is kept apart of long values (pg_total_relation_size)."""
    wal: int

    def since(self, earlier: Stored) -> dict[str, float]:
        """What a record more has cost, under names that say the units; nothing where there is none."""
        records = self.records - earlier.records
        if not records:
            return {}
        each = {f"{name}Bytes": (size - earlier.tables[name]) / records for name, size in self.tables.items()}
        return {
            "records": records,
            "cards": (self.cards - earlier.cards) / records,
            "textBytes": (self.record_bytes - earlier.record_bytes) / records,
            "walBytes": (self.wal - earlier.wal) / records,
            **{name: size for name, size in each.items() if size},
            "totalBytes": sum(each.values()),
        }


def look(database: Database) -> Stored:
    """A PostgreSQL store as it is. Raises StoreError."""
    with database.reading() as connection:
        size = text("select pg_total_relation_size(cast(:name as regclass))")
        tables = {name: int(connection.scalar(size, {"name": name}) or 0) for name in metadata.tables}
        length = connection.scalar(select(func.coalesce(func.sum(func.octet_length(audit.c.record)), 0)))
        wal = connection.scalar(text("select pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')"))
        cards = connection.scalar(select(func.count()).select_from(card))
        records = connection.scalar(select(func.count()).select_from(audit))
    return Stored(int(records or 0), int(cards or 0), int(length or 0), tables, int(wal or 0))


def records(database: Database) -> int:
    """How many records a store holds, of either kind. Raises StoreError."""
    with database.reading() as connection:
        return int(connection.scalar(select(func.count()).select_from(audit)) or 0)


def version(database: Database) -> str:
    """Of a PostgreSQL server, in short. Raises StoreError."""
    with database.reading() as connection:
        return str(connection.scalar(text("show server_version"))).split()[0]


def connections(database: Database) -> int:
    """How many others are connected to a PostgreSQL store. Raises StoreError."""
    told = "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
    with database.reading() as connection:
        return int(connection.scalar(text(told)) or 0)


def timed(database: Database, secret: str) -> dict[str, float]:
    """How many records a second one process appends to the chain, ten to a transaction; how many `audit verify` looks
    at, and `audit retention` takes away after that: all of them here.

    Raises StoreError; BenchError where the records are not whole.
    """
    keys = load(database.place, secret)
    again = _again(database)
    start = time.perf_counter()
    for first in range(0, len(again), _TOGETHER):
        with database.writing() as connection:
            answers.keep(connection, keys, again[first : first + _TOGETHER], 0, datetime.now(UTC))
    appended = len(again) / (time.perf_counter() - start)
    return {"appendedPerSecond": appended, **_looked_at(database, keys)}


def _again(database: Database) -> list[str]:
    """The first answers, as answers that nobody has got yet."""
    found = []
    with database.reading() as connection:
        for row in connection.execute(select(audit.c.record).order_by(audit.c.seq).limit(_AGAIN)):
            body = parsed(row.record) | {"id": str(uuid4())}
            if body["kind"] == "answer":
                body["cards"] = [{**each, "uuid": str(uuid4())} for each in body["cards"]]
                found.append(canonical(body))
    return found


def _looked_at(database: Database, keys: Keys) -> dict[str, float]:
    found, start = records(database), time.perf_counter()
    with database.reading() as connection:
        faults = verify(connection, keys, []).faults
    between = time.perf_counter()
    if faults:
        raise BenchError(f"the records of the load are not whole: {faults[:3]}")
    now = datetime.now(UTC)
    with database.writing() as connection:
        taken, _ = take(connection, keys, now, now)
    end = time.perf_counter()
    if taken.records != found or records(database) != 1:
        raise BenchError(f"{found} records, and retention took {taken.records} away")
    return {"verifiedPerSecond": found / (between - start), "takenPerSecond": found / (end - between)}


def settled(database: Database, expected: int, seconds: float) -> tuple[int, float]:
    """(records, seconds waited) as soon as there are so many, or after `seconds`. Raises StoreError."""
    start = time.perf_counter()
    while (found := records(database)) < expected and time.perf_counter() - start < seconds:
        time.sleep(_LOOKED_EVERY)
    return found, time.perf_counter() - start
