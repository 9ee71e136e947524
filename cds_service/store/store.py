"""The store as a served process uses it: answers are handed in and written behind the call, feedback at once."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from threading import Lock
from typing import TYPE_CHECKING, Final

from cds_service.store.entry import Entry, Feedback
from cds_service.store.keys import Keys, load
from cds_service.store.place import Place
from cds_service.store.writer import Writer

if TYPE_CHECKING:
    from cds_service.store.database import Database

log = logging.getLogger(__name__)
_WAITING: Final = 2000
"""Answers of one process that may wait to be written; some kilobytes each."""
_LOOK_SECONDS: Final = 0.5


class Store:
    """One process's store; connects when first used. Safe to use from several threads."""

    def __init__(self, place: Place, secret: str = "", lost: Callable[[int], None] | None = None) -> None:
        """`secret`: the key of its records; empty: that of the folder. `lost` is told how many were never recorded."""
        self._place, self._secret = place, secret
        self._keys: Keys | None = None
        self._told_lost = 0
        self._database: Database | None = None
        self._lock = Lock()
        self._writer = Writer(self._keep, _WAITING, lost=lost)

    @property
    def down(self) -> bool:
        """Whether it is known that answers cannot be recorded now."""
        return self._writer.down

    @property
    def lost(self) -> int:
        """How many answers of this process were never recorded."""
        return self._writer.lost

    def lose(self) -> None:
        """Count an answer of which no record could be made."""
        self._writer.lose(1)

    def start(self) -> None:
        """Find out in the background whether it can be used."""
        self._writer.start()

    def look(self) -> str:
        """`up` or `down`, as is found out now, in a moment; what takes longer is as it was, at first `starting`."""
        self._writer.look(_LOOK_SECONDS)
        return "starting" if not self._writer.known else "down" if self._writer.down else "up"

    def record(self, entry: Entry) -> None:
        """Keep an answer, soon; returns at once."""
        self._writer.put(entry)

    def feedback(self, service: str, items: Sequence[Feedback], now: datetime) -> dict[str, str]:
        """Keep all items, on disk when this returns: the rules of those cards that are known. Raises StoreError."""
        from cds_service.store import feedback

        with self._connected().writing() as connection:
            feedback.keep(connection, service, items, now)
            return feedback.rules(connection, items)

    def records(self, since: datetime, until: datetime) -> Iterator[str]:
        """The records of a time, as JSON, in their order. Raises StoreError."""
        from cds_service.store import records

        with self._connected().reading() as connection:
            yield from (line.record for line in records.records(connection, since, until))

    def take(self, iss: str, jti: str, until: datetime, now: datetime) -> bool:
        """Whether a token is used for the first time, on disk when this returns. Raises StoreError."""
        from cds_service.store import tokens

        with self._connected().writing() as connection:
            return tokens.take(connection, iss, jti, until, now)

    def close(self) -> None:
        """Write what is waiting, and let go."""
        self._writer.close()
        if self._database is not None:
            self._database.close()

    def _keep(self, entries: Sequence[Entry]) -> None:
        from cds_service.store import answers, chain, database

        keys, lost = self._keys or load(self._place, self._secret), self._writer.lost
        self._keys = keys
        with self._connected().writing() as connection:
            if not entries:
                database.glance(connection)
            end = answers.keep(connection, keys, entries, lost - self._told_lost, datetime.now(UTC))
        self._told_lost = lost
        if entries:
            try:
                chain.note(self._place.folder, end)
            except OSError as error:  # the records are kept all the same
                log.error("store: the end of the audit chain could not be noted: %s", type(error).__name__)

    def _connected(self) -> Database:
        with self._lock:
            if self._database is None:
                from cds_service.store.database import Database

                self._database = Database(self._place)
            return self._database
