"""`anakinra-cds audit`: the records of every answer, whether they are whole, and what they hold."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click

from cds_service import knowledge
from cds_service.program import compile_program
from cds_service.store.chain import Anchor, anchor, anchored, note
from cds_service.store.records import parsed, records
from cds_service.store.retention import older, take
from cds_service.store.verify import verify as look
from cds_service.tools.again import replayed
from cds_service.tools.options import json_option, knowledge_options
from cds_service.tools.printing import echo_json
from cds_service.tools.stored import between_options, keys_of, opened

_OF_THE_STORE = ("lost", "feedback", "retention", "break")
"""Records of no answer."""


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


@command.command("replay")
@between_options
@knowledge_options
@json_option
def replay(*, since: datetime | None, until: datetime | None, root: Path | None, site: str, as_json: bool) -> None:
    """Decide once more what the records say, with the same rules: decisions, rules, doses and indicators.

    Exit code 1 where one is different now, or cannot be read. Records of another version of the rules or of another
    site, and those whose facts are a digest only, are counted and not decided again: to replay them, name their rules
    with --root and --site.
    """
    program = compile_program(knowledge.load(root, site))
    program.warm()
    counts: Counter[str] = Counter()
    different: list[dict[str, Any]] = []
    said: list[str] = []
    with opened() as database, database.reading() as connection:
        for line in records(connection, since, until):
            record = parsed(line.record)
            if record.get("kind") in _OF_THE_STORE:
                continue
            told = replayed(program, record)
            counts[told.outcome] += 1
            if told.outcome in ("different", "not readable"):
                different.append({"seq": line.seq, "recorded": told.expected, "now": told.found})
                said.append(f"record {line.seq}: {told.said or 'not readable; see anakinra-cds audit verify'}")
    if as_json:
        echo_json({"counts": counts, "different": different})
    else:
        for each in said:
            click.echo(each)
        click.echo(", ".join(f"{number} {outcome}" for outcome, number in counts.items()) or "no record")
    if different:
        raise SystemExit(1)


@command.command("retention")
@click.option("--days", type=click.IntRange(min=1), required=True, help="How many days of records and feedback stay.")
@click.option("--dry-run", is_flag=True, help="Say what would be taken away, and take nothing.")
@click.option("--despite-faults", "despite", is_flag=True, help="Also where `audit verify` finds faults.")
def retention(*, days: int, dry_run: bool, despite: bool) -> None:
    """Take away records and feedback older than some days. The chain says so, and proves the rest as before.

    Cards stay as long as newer feedback is about them.
    """
    now = datetime.now(UTC)
    before = now - timedelta(days=days)
    with opened() as database:
        keys, own = keys_of(database.place), _own(database.place.folder)
        with database.reading() as connection:
            told = older(connection, before)
            faults = look(connection, keys, own).faults
        if faults and not despite:
            raise click.ClickException(
                f"{len(faults)} faults in the records: see audit verify; --despite-faults may take what tells of them"
            )
        if not dry_run:
            with database.writing() as connection:
                told, end = take(connection, keys, before, now, *own)
            if end is not None:
                note(database.place.folder, end)
    done = "would be" if dry_run else "were"
    click.echo(f"{told.records} records and {told.feedback} items of feedback {done} taken away")


def _own(folder: Path) -> tuple[Anchor, ...]:
    try:
        found = anchored(folder)
    except ValueError as error:
        raise click.ClickException(f"the anchor in {folder} was changed: {error}") from error
    return (found,) if found else ()
