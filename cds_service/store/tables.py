"""The tables, as the newest migration leaves them. Moments are texts that sort as times do (`entry.written`)."""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Integer, MetaData, Table, Text, UniqueConstraint

HEAD: Final = "0003"
"""The newest migration: what this version of the service needs."""

metadata: Final = MetaData()

# Tokens of CDS clients that were used, as hashes; each is of no more use once it has ended.
token: Final = Table(
    "token",
    metadata,
    Column("hash", Text, primary_key=True),
    Column("until", Text, nullable=False),
    Index("token_until", "until"),
)

card: Final = Table(
    "card",
    metadata,
    Column("uuid", Text, primary_key=True),
    Column("at", Text, nullable=False),
    Column("service", Text, nullable=False),
    Column("rule", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("decision", Text, nullable=False),
    Column("indicator", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("leads", Boolean, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("location", Text, nullable=False),
    Column("role", Text, nullable=False),
    Index("card_at", "at"),
)

# No foreign key to the card: feedback may come before the card is written, and about cards that nobody knows.
# `seq` is the record that sealed it last.
feedback: Final = Table(
    "feedback",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("card", Text, nullable=False),
    Column("service", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("reason_system", Text, nullable=False),
    Column("reason_code", Text, nullable=False),
    Column("reason_display", Text, nullable=False),
    Column("comment", Text, nullable=False),
    Column("first_at", Text, nullable=False),
    Column("last_at", Text, nullable=False),
    Column("received_at", Text, nullable=False),
    Column("seq", BigInteger, nullable=False, server_default="0"),
    UniqueConstraint("card", "outcome", "reason_system", "reason_code", name="feedback_once"),
)

accepted: Final = Table(
    "accepted_suggestion",
    metadata,
    Column("feedback", Integer, ForeignKey("feedback.id", ondelete="CASCADE"), primary_key=True),
    Column("suggestion", Text, primary_key=True),
)

# One chain of all processes: `hash` seals a record together with the hash before it and its place (`chain.py`).
audit: Final = Table(
    "audit",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("id", Text, nullable=False, unique=True),
    Column("at", Text, nullable=False),
    Column("record", Text, nullable=False),
    Column("hash", Text, nullable=False),
)

# One row: the end of the chain, and which key seals it. Whoever appends holds it meanwhile.
head: Final = Table(
    "audit_head",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("seq", BigInteger, nullable=False),
    Column("hash", Text, nullable=False),
    Column("key", Text, nullable=False),
)
