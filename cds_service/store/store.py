"""The store as a served process uses it: answers are handed in and written behind the call, feedback at once."""

from __future__ import annotations

import atexit
import logging
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

from cds_service.errors import StoreError
from cds_service.store.entry import Entry, Feedback
from cds_service.store.keys import Keys, load
from cds_service.store.place import Place
from cds_service.store.taken import Taken, named
from cds_service.store.waiting import Waiting, left
from cds_service.store.writer import Writer

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from cds_service.store.chain import Anchor
    from cds_service.store.database import Database

log = logging.getLogger(__name__)
_WAITING: Final = 2000
"""Answers of one process that may wait to be written; some kilobytes each."""
_LOOK_SECONDS: Final = 0.5
_HURRY_SECONDS: Final = 0.5
_AT_ONCE: Final = 200
_LINE: Final = "line"


class Store:
    """One process's store; connects when first used. Safe to use from several threads."""

    def __init__(self, place: Place, secret: str = "", lost: Callable[[int], None] = lambda number: None) -> None:
        """`secret`: the key of its records; empty: that of the folder. `lost` is told how many were never recorded."""
        self._place, self._secret = place, secret
        self._told_lost = 0
        self._keys: Keys | None = None
        self._database: Database | None = None
        self._end: Anchor | None = None
        self._lock = Lock()
        self._taken = Taken()
        self._waiting = Waiting(place.folder)
        self._writer = Writer(self._keep, _WAITING, done=self._waiting.done, lost=lost)
        atexit.register(self.close)

    @property
    def down(self) -> bool:
        """Whether it is known that answers cannot be recorded now."""
        return self._writer.down

    @property
    def lost(self) -> int:
        """How many answers of this process were never recorded."""
        return self._writer.lost

    def lose(self, number: int = 1) -> None:
        """Count answers of which there is no record."""
        self._writer.lose(number)

    def start(self) -> None:
        """Find out in the background whether it can be used, and keep what an earlier process left."""
        self._writer.start()

    def look(self) -> str:
        """`up` or `down`, as is found out now, in a moment; what takes longer is as it was, at first `starting`."""
        self._writer.look(_LOOK_SECONDS)
        return "starting" if not self._writer.known else "down" if self._writer.down else "up"

    def record(self, entry: Entry) -> bool:
        """Keep an answer, soon; returns at once, without a wait for a disk or a server.

        Whether it is sure to be recorded: it is where the end of this process cannot lose it, and the store is not
        known to be down.
        """
        from cds_service.store import answers

        try:
            keys = self._own_keys()
        except StoreError as error:
            self.lose()
            self._writer.doubt(error)
            return False
        text = answers.text(keys, entry)
        written = self._waiting.add(f"{keys.name(_LINE, text)} {text}")
        if not self._writer.put(text):
            self._waiting.done(1)
            return False
        return written and not self.down

    def feedback(self, service: str, items: Sequence[Feedback], now: datetime) -> dict[str, str]:
        """Keep all items, on disk when this returns: the rules of those cards that are known. Raises StoreError."""
        from cds_service.store import feedback

        rules: dict[str, str] = {}

        def keep(connection: Connection, keys: Keys, seen: Anchor | None) -> Anchor | None:
            end = feedback.keep(connection, keys, service, items, now, seen)
            rules.update(feedback.rules(connection, items))
            return end

        self._writer.hurry(_HURRY_SECONDS)  # the cards may be of a moment ago
        try:
            self._write(keep)
        except StoreError as error:
            self._writer.doubt(error)
            raise
        return rules

    def records(self, since: datetime, until: datetime) -> Iterator[str]:
        """The records of a time, as JSON, in their order. Raises StoreError."""
        from cds_service.store import records

        with self._connected().reading() as connection:
            yield from (line.record for line in records.records(connection, since, until))

    def answer(self, record_id: str) -> dict[str, Any] | None:
        """The record of an answer by its id; None where there is none, or none yet. Raises StoreError."""
        from cds_service.store import records

        self._writer.hurry(_HURRY_SECONDS)
        with self._connected().reading() as connection:
            return records.answer(connection, record_id)

    def name(self, kind: str, text: str) -> str:
        """What stands for a name in every record (`Keys.name`). Raises StoreError."""
        return self._own_keys().name(kind, text)

    def take(self, iss: str, jti: str, until: datetime, now: datetime) -> bool:
        """Whether a token is used for the first time, on disk when this returns.

        While the store is down, only this process can tell, and the store is told later. Raises StoreError where that
        are too many.
        """
        from cds_service.store import tokens

        token = named(iss, jti)
        alone = self.down
        if not self._taken.take(token, until, now, alone=alone):
            return False
        if not alone:
            try:
                with self._connected().writing() as connection:
                    return tokens.take(connection, {token: until}, now) == 1
            except StoreError as error:
                self._writer.doubt(error)
        self._taken.owe(token, until)
        return True

    def close(self) -> None:
        """Write what is waiting, leave the rest to the next process, and let go."""
        waiting = self._writer.close()
        if waiting:
            log.error("store: %d answers were not recorded before the end, and wait for the next start", waiting)
        self._waiting.close()
        if self._database is not None:
            self._database.close()
        atexit.unregister(self.close)

    def _keep(self, texts: Sequence[str]) -> None:
        """One batch. Without one, it is seen whether the store can be used, and what others left is kept."""
        from cds_service.store import answers, database

        lost = self._writer.lost

        def keep(connection: Connection, keys: Keys, seen: Anchor | None) -> Anchor | None:
            if not texts:
                database.glance(connection)
            return answers.keep(connection, keys, texts, lost - self._told_lost, datetime.now(UTC), seen)

        self._write(keep)
        self._told_lost = lost
        self._pay()
        if not texts:
            self._adopt()

    def _pay(self) -> None:
        """Tell the store of the tokens that were taken while it was down. Raises StoreError."""
        from cds_service.store import tokens

        if owed := self._taken.owed():
            with self._connected().writing() as connection:
                tokens.take(connection, owed, datetime.now(UTC))
            self._taken.pay(owed)

    def _adopt(self) -> None:
        """Keep what processes that are gone had no time for. Raises StoreError."""
        keys = self._own_keys()
        try:
            for lines in left(self._place.folder):
                pairs = [line.partition(" ") for line in lines]
                texts = [text for seal, _, text in pairs if seal == keys.name(_LINE, text)]
                self.lose(len(pairs) - len(texts))
                if texts:
                    log.warning("store: %d answers that an earlier process left are recorded", len(texts))
                for start in range(0, len(texts), _AT_ONCE):
                    self._keep(texts[start : start + _AT_ONCE])
        except OSError as error:
            log.error("store: what earlier processes left is not read: %s", type(error).__name__)

    def _write(self, work: Callable[[Connection, Keys, Anchor | None], Anchor | None]) -> None:
        """Change the store, and note the end of its chain. Raises StoreError."""
        from cds_service.store import chain

        keys = self._own_keys()
        with self._connected().writing() as connection:
            try:
                noted = chain.anchored(self._place.folder)
            except (OSError, ValueError):
                noted, readable = None, False
                log.error("store: audit.anchor cannot be read: whoever knows why may remove it")
            else:
                readable = True
            ends = [end for end in (noted, self._end) if end]
            end = work(connection, keys, max(ends, key=lambda each: each.seq, default=None))
        if end is None or not end.seq or end == noted:
            return
        self._end = end
        if readable:  # one that somebody changed stays: it is for `audit verify` to find
            try:
                chain.note(self._place.folder, end)
            except OSError as error:  # the records are kept all the same
                log.error("store: the end of the audit chain could not be noted: %s", type(error).__name__)

    def _own_keys(self) -> Keys:
        if self._keys is None:
            self._keys = load(self._place, self._secret)
        return self._keys

    def _connected(self) -> Database:
        with self._lock:
            if self._database is None:
                from cds_service.store.database import Database

                self._database = Database(self._place)
            return self._database
