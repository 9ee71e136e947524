"""`anakinra-cds db`: the tables of the store."""

from __future__ import annotations

import click

from cds_service.tools.stored import opened


@click.group("db")
def command() -> None:
    """The database of answers and feedback (CDS_DATABASE_URL, else SQLite in CDS_DATA)."""


@command.command("upgrade")
def upgrade() -> None:
    """Bring the tables to what this version needs. SQLite is brought there by every start."""
    with opened(make=True) as database:
        before, after = database.upgrade()
        done = "are up to date" if before == after else f"were brought from {before or 'none'} to {after}"
        click.echo(f"{database.place.shown}: the tables {done}")
