"""Answers as rows: the cards of each, so that feedback to a card is feedback to a rule and its version."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from sqlalchemy import Connection

from cds_service.store.database import inserting
from cds_service.store.entry import Entry, written
from cds_service.store.tables import card


def keep(connection: Connection, entries: Sequence[Entry]) -> None:
    """All of them, in one transaction. An entry that was kept already, though nobody was told so, is not kept twice."""
    rows = [
        {**asdict(shown), **asdict(entry.caller), "at": written(entry.at), "service": entry.service}
        for entry in entries
        for shown in entry.cards
    ]
    if rows:
        connection.execute(inserting(connection)(card).on_conflict_do_nothing(), rows)
