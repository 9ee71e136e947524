"""Answers as rows: the cards of each, so that feedback to a card is feedback to a rule and its version."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection

from cds_service.store.chain import Anchor, append, canonical
from cds_service.store.database import inserting
from cds_service.store.entry import Entry, written
from cds_service.store.keys import Keys
from cds_service.store.tables import card


def keep(connection: Connection, keys: Keys, entries: Sequence[Entry], lost: int, now: datetime) -> Anchor:
    """All of them, in one transaction: the new end of the chain. An entry that was kept already, though nobody was told
    so, is not kept twice. `lost` answers since the last time were never recorded: the chain says that too."""
    rows = [
        {**asdict(shown), **asdict(entry.caller), "at": written(entry.at), "service": entry.service}
        for entry in entries
        for shown in entry.cards
    ]
    if rows:
        connection.execute(inserting(connection)(card).on_conflict_do_nothing(), rows)
    return append(connection, keys, _records(keys, entries, lost, now))


def _records(keys: Keys, entries: Sequence[Entry], lost: int, now: datetime) -> Iterator[dict[str, Any]]:
    if lost:
        yield {"kind": "lost", "id": str(uuid4()), "at": written(now), "answers": lost}
    for entry in entries:
        yield sealed_form(keys, entry)


def sealed_form(keys: Keys, entry: Entry) -> dict[str, Any]:
    """An answer as its record holds it: names as keyed hashes, facts as the site wants them."""
    found = dict(entry.found)
    if entry.digest_only and "orders" in found:
        found["orders"] = [_digested(keys, order) for order in found["orders"]]
    return {
        "kind": "answer",
        "id": entry.id,
        "at": written(entry.at),
        "service": entry.service,
        "caller": {name: value for name, value in asdict(entry.caller).items() if value},
        "cards": [asdict(shown) for shown in entry.cards],
        **{name: keys.name(name, text) for name, text in entry.names.items()},
        **found,
    }


def _digested(keys: Keys, order: dict[str, Any]) -> dict[str, Any]:
    """What tells whether facts and drafts were these, and not what they were."""
    kept = {name: value for name, value in order.items() if name != "drafts"}
    behind = canonical([order["facts"], order["drafts"]])
    return {**kept, "facts": {"digest": keys.name("facts", behind)}}
