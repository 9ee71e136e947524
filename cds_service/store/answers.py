"""Answers as records, and their cards as rows, so that feedback to a card is feedback to a rule and its version."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, RowMapping

from cds_service.store.chain import Anchor, append, canonical, own
from cds_service.store.database import inserting
from cds_service.store.entry import Caller, Entry, written
from cds_service.store.keys import Keys
from cds_service.store.tables import card

_NOBODY: Final = asdict(Caller())


def text(keys: Keys, entry: Entry) -> str:
    """The record of an answer."""
    return canonical(sealed_form(keys, entry))


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
        **{name: keys.name(name, value) for name, value in entry.names.items()},
        **found,
    }


def keep(
    connection: Connection, keys: Keys, texts: Sequence[str], lost: int, now: datetime, seen: Anchor | None = None
) -> Anchor:
    """All of them, in one transaction: the new end of the chain. A record that was kept already, though nobody was told
    so, is not kept twice. `lost` answers since the last time were never recorded: the chain says that too."""
    rows = [row for each in texts for row in card_rows(msgspec.json.decode(each))]
    if rows:
        connection.execute(inserting(connection)(card).on_conflict_do_nothing(), rows)
    before = [own("lost", now, {"answers": lost})] if lost else []
    return append(connection, keys, [*before, *texts], now, seen)


def card_rows(record: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The cards that a record holds, each as its row."""
    if record["kind"] == "answer":
        about = {**_NOBODY, **record["caller"], "at": record["at"], "service": record["service"]}
        yield from (shown | about for shown in record["cards"])


def card_digest(keys: Keys, row: RowMapping) -> str:
    """What seals a card whose record is not kept any more."""
    return keys.name("card", canonical(dict(row)))


def _digested(keys: Keys, order: dict[str, Any]) -> dict[str, Any]:
    """What tells whether facts and drafts were these, and not what they were."""
    kept = {name: value for name, value in order.items() if name != "drafts"}
    behind = canonical([order["facts"], order["drafts"]])
    return {**kept, "facts": {"digest": keys.name("facts", behind)}}
