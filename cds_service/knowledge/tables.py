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
        yield row["id"], _rule(document, {k: v for k, v in table.items() if k != ROWS}, row, here)


def _rule(document: Document, table: dict[str, Any], row: dict[str, Any], here: YamlPath) -> Document:
    data, lines = dict(table), {path: line for path, line in document.lines.items() if path[0] != ROWS}
    for key, value in row.items():
        before = data.get(key)
        joined = key in _JOINED and isinstance(before, list) and isinstance(value, list)
        offset = len(before) if joined and isinstance(before, list) else 0
        data[key] = [*before, *value] if joined and isinstance(before, list) else value
        at = (*here, key)
        for path, line in document.lines.items():
            if path[: len(at)] == at:
                rest = path[len(at) :]
                if offset and rest and isinstance(rest[0], int):
                    rest = (rest[0] + offset, *rest[1:])
                lines.setdefault((key, *rest), line) if offset and not rest else lines.update({(key, *rest): line})
    return replace(document, content=_text(document, here), data=data, lines=lines)


def _text(document: Document, here: YamlPath) -> bytes:
    """The lines of one row: what counts towards the length of a rule."""
    written = document.content.splitlines()
    first = document.line(here) - 1
    following = (*here[:-1], int(here[-1]) + 1)
    last = document.line(following) - 1 if following in document.lines else len(written)
    return b"\n".join(written[first:last])
