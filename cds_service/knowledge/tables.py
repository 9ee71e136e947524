"""Tables of rules that differ by a row: what all rows share is written once, and each row becomes a rule of its own.

A file `<id>.table.yaml` has the keys of a rule, and `rows`. A row has the keys that differ; lists of the table and of
the row are put together, the table's first. Every row has its own id, version and cases (`<row-id>.cases.yaml`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from cds_service.knowledge.files import Document, YamlPath

SUFFIX = ".table.yaml"
ROWS = "rows"
_JOINED = ("when", "any", "unless", "policies", "evidence", "limits")
_OWN = ("id", "version")


def rows_of(document: Document) -> Iterator[tuple[str, Document]]:
    """(rule id, the rule as a document of its own, at the lines of the table) of each row, or what is wrong with it."""
    table = document.data if isinstance(document.data, dict) else {}
    rows = table.get(ROWS)
    if document.problems or not isinstance(rows, list) or not rows:
        problem = document.problem((ROWS,), "expected a list of rows, each with the id of its rule")
        yield document.stem, replace(document, problems=document.problems or (problem,))
        return
    for index, row in enumerate(rows):
        here: YamlPath = (ROWS, index)
        if not isinstance(row, dict) or not all(isinstance(row.get(key), str) for key in _OWN):
            problem = document.problem(here, "expected a row with an `id` and a `version` of its own")
            yield f"{document.stem} row {index + 1}", replace(document, problems=(problem,))
            continue
        yield row["id"], _rule(document, row, here)


def _rule(document: Document, row: dict[str, Any], here: YamlPath) -> Document:
    """What the table says, with the row's own laid over or put behind it: data and lines alike."""
    rows = document.lines[ROWS][1][here[-1]][1]
    data, lines = _without_rows(document.data), _without_rows(document.lines)
    for key, value in row.items():
        before = data.get(key)
        line, inside = rows[key]
        if key in _JOINED and isinstance(before, list) and isinstance(value, list):
            data[key], lines[key] = [*before, *value], (lines[key][0], [*lines[key][1], *inside])
        else:
            data[key], lines[key] = value, (line, inside)
    return replace(document, content=_text(document, here), data=data, lines=lines)


def _without_rows(table: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in table.items() if key != ROWS}


def _text(document: Document, here: YamlPath) -> bytes:
    """The lines of one row: what counts towards the length of a rule."""
    written = document.content.splitlines()
    index, rows = int(here[-1]), document.lines[ROWS][1]
    first = rows[index][0] - 1
    last = rows[index + 1][0] - 1 if index + 1 < len(rows) else len(written)
    return b"\n".join(written[first:last])
