"""How commands print: plain text without frames, wrapped on a terminal only, and one JSON document for programs."""

from __future__ import annotations

import csv
import io
import shutil
import sys
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any, Final

import click
import msgspec

_NARROWEST: Final = 24  # columns; a last cell is not wrapped into less


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Lines with the cells of a column below each other; the last cell of a row is as long as it is.

    On a terminal it is wrapped below itself.
    """
    lines = [columns, *rows]
    widths = [max(len(line[index]) for line in lines) + 2 for index in range(len(columns) - 1)]
    return "\n".join(_line(line, widths) for line in lines)


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    start = "".join(f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=False))
    left = shutil.get_terminal_size().columns - len(start)
    if not sys.stdout.isatty() or left < _NARROWEST:
        return (start + cells[-1]).rstrip()
    return textwrap.fill(cells[-1], left + len(start), initial_indent=start, subsequent_indent=" " * len(start))


def as_csv(rows: Sequence[Mapping[str, Any]], columns: Sequence[str] = ()) -> str:
    """Rows of the same keys; `columns` are those of no row at all."""
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]) if rows else columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _cell(value) for name, value in row.items()} for row in rows)
    return out.getvalue()


def _cell(value: Any) -> Any:
    """A spreadsheet takes a text that begins so for a formula; callers and charts choose some of these texts."""
    return f"'{value}" if isinstance(value, str) and value[:1] in "=+-@\t\r" and value else value


def echo_json(content: Any) -> None:
    """One document, indented."""
    click.echo(msgspec.json.format(msgspec.json.encode(content), indent=2).decode())
