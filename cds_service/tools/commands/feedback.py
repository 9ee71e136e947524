"""`anakinra-cds feedback`: what became of the cards that were shown."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import click

from cds_service.store import feedback as rows
from cds_service.tools.options import json_option
from cds_service.tools.outcomes import page
from cds_service.tools.printing import as_csv as csv_of
from cds_service.tools.printing import echo_json, table
from cds_service.tools.stored import between_options, opened

_COLUMNS: Final = ("rule", "version", "decision", "kind", "shown", "accepted", "overridden")
_WHOLE: Final = 100


@click.group("feedback")
def command() -> None:
    """What became of the cards that were shown: accepted, overridden and why."""


@command.command("report")
@between_options
@click.option("--csv", "as_csv", is_flag=True, help="Print the counts by rule as CSV.")
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), help="Write a page with pictures.")
@json_option
def report(*, since: datetime | None, until: datetime | None, as_csv: bool, html: Path | None, as_json: bool) -> None:
    """Count, for each rule and version, the cards shown and what became of each in the end.

    A card whose feedback changed counts once, by its last outcome. JSON holds `rules` (as the table), `reasons` (of
    overrides), `days` (UTC) and `unknownCards` (items about cards that nobody knows).
    """
    with opened() as database, database.reading() as connection:
        counts = [dict(row) for row in rows.report(connection, since, until)]
        reasons = [dict(row) for row in rows.reasons(connection, since, until)]
        strangers = rows.strangers(connection, since, until)
        days = [dict(row) for row in rows.days(connection, since, until)] if as_json or html else []
    if html is not None:
        html.write_text(page(counts, reasons, days, strangers), encoding="utf-8")
        click.echo(f"wrote {html}", err=True)
    if as_json:
        echo_json({"rules": counts, "reasons": reasons, "days": days, "unknownCards": strangers})
    elif as_csv:
        click.echo(csv_of(counts, _COLUMNS), nl=False)
    elif html is None:
        _print(counts, reasons, strangers)


@command.command("list")
@between_options
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
@json_option
def list_items(*, since: datetime | None, until: datetime | None, as_csv: bool, as_json: bool) -> None:
    """Print one line an item: when, the card's uuid, the outcome, the rule and its version, the decision, why."""
    with opened() as database, database.reading() as connection:
        found = [dict(row) for row in rows.listed(connection, since, until)]
    if as_json:
        echo_json(found)
    elif as_csv:
        told = [{**row, "accepted": " ".join(row["accepted"])} for row in found]
        click.echo(csv_of(told, _COLUMNS), nl=False)
    else:
        for row in found:
            click.echo(_line(row))


def _line(row: Mapping[str, Any]) -> str:
    rule = " ".join(row[name] for name in _COLUMNS[:4]) if row["rule"] else "unknown card"
    reason = f"{row['reason_system']}|{row['reason_code']}".strip("|")
    comment = json.dumps(row["comment"], ensure_ascii=False) if row["comment"] else ""
    cells = (row["last_at"], row["card"], row["outcome"], rule, reason, comment, *row["accepted"])
    return "  ".join(cell for cell in cells if cell)


def _print(counts: Sequence[Mapping[str, Any]], reasons: Sequence[Mapping[str, Any]], strangers: int) -> None:
    told = [[*(str(row[name]) for name in _COLUMNS), _share(row)] for row in counts]
    click.echo(table((*_COLUMNS, "answered"), told) if told else "no card was shown in this time")
    if reasons:
        given = [r["reason_display"] or r["reason_code"] or "(none given)" for r in reasons]
        lines = [[r["rule"], r["version"], str(r["times"]), why] for r, why in zip(reasons, given, strict=True)]
        click.echo()
        click.echo(table(("rule", "version", "overridden", "reason"), lines))
    if strangers:
        click.echo(f"\n{strangers} items are about cards that are not known")


def _share(row: Mapping[str, Any]) -> str:
    return f"{round(_WHOLE * (row['accepted'] + row['overridden']) / row['shown'])} %"
