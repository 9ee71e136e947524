"""`anakinra-cds audit`: the records of every answer, whether they are whole, and what they hold."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from cds_service.store.chain import Anchor, anchor, anchored
from cds_service.store.records import records
from cds_service.store.verify import verify as look
from cds_service.tools.stored import between_options, keys_of, opened


class _Anchor(click.ParamType[Anchor]):
    name = "seq:hash"

    def convert(self, value: str | Anchor, param: click.Parameter | None, ctx: click.Context | None) -> Anchor:
        try:
            return value if isinstance(value, Anchor) else anchor(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


@click.group("audit")
def command() -> None:
    """The records of every answer: one chain, in which an edit, a swap and a gap are seen."""


@command.command("verify")
@click.option(
    "--anchor", "anchors", multiple=True, type=_Anchor(), help="An end of the chain that was noted elsewhere."
)
def verify(anchors: tuple[Anchor, ...]) -> None:
    """Look at every record, and say what was changed, swapped or taken away. Exit code 0 only where nothing was.

    The last line is the anchor of this chain: kept elsewhere, it proves later that none of these records was taken
    away. Without one, only the anchors of this machine and the end that the database keeps are compared.
    """
    with opened() as database:
        own = _own(database.place.folder)
        with database.reading() as connection:
            told = look(connection, keys_of(database.place), (*anchors, *own))
    for fault in told.faults:
        click.echo(fault)
    if told.faults:
        raise click.ClickException(f"{len(told.faults)} faults in {told.records} records")
    click.echo(f"{told.records} records, {told.first} to {told.end.seq}: whole" if told.records else "no record yet")
    if told.records:
        click.echo(f"anchor {told.end}")


@command.command("export")
@between_options
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write to this file. Default: stdout.")
def export(since: datetime | None, until: datetime | None, out: Path | None) -> None:
    """Write the records as JSON Lines, each with its place in the chain and its seal."""
    with opened() as database, database.reading() as connection, click.open_file(str(out or "-"), "w") as file:
        for line in records(connection, since, until):
            file.write(f'{{"seq":{line.seq},"hash":"{line.hash}","record":{line.record}}}\n')


def _own(folder: Path) -> tuple[Anchor, ...]:
    try:
        found = anchored(folder)
    except ValueError as error:
        raise click.ClickException(f"the anchor in {folder} was changed: {error}") from error
    return (found,) if found else ()
