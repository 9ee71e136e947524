"""The record that sealed an item of feedback last; 0 where none did, for it was kept by an earlier version."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Nothing can be sealed here: a migration has no key."""
    op.add_column("feedback", sa.Column("seq", sa.BigInteger, nullable=False, server_default="0"))
