"""The tables of a cohort: their columns, and how rows become Parquet files that are there whole or not at all."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple

import duckdb
import msgspec

_ENCODE: Final = msgspec.json.Encoder()


class Column(NamedTuple):
    """A column: its name, its type in DuckDB's words, and what it says."""

    name: str
    type: str
    says: str


_PATIENT: Final = Column("patient", "VARCHAR", "the id of the Patient in the export")
_AT: Final = Column("asked_at", "TIMESTAMPTZ", "the moment that was asked about")
_KIND: Final = Column("kind", "VARCHAR", "the occasion: the kind of order, and the drug that is judged")
TABLES: Final[Mapping[str, tuple[Column, ...]]] = {
    "decisions": (
        _PATIENT, _AT, _KIND,
        Column("hook", "VARCHAR", "which hook was asked"),
        Column("decision", "VARCHAR", "the first answer; `none` where there is nothing to say"),
        Column("indicator", "VARCHAR", "of the first answer"),
        Column("rule", "VARCHAR", "the rule that answers first"),
        Column("rule_version", "VARCHAR", "its version"),
        Column("pathway", "VARCHAR", "the pathway that answers"),
        Column("dose_mg", "DOUBLE", "of the recommended dose, mg"),
        Column("interval_h", "INTEGER", "of the recommended dose, hours"),
        Column("route", "VARCHAR", "of the recommended dose"),
        Column("beside", "VARCHAR[]", "the rules of the other answers, in their order"),
        Column("unknown", "VARCHAR[]", "unknown facts that could change a rule"),
        Column("not_read", "VARCHAR[]", "queries that the export does not answer whole"),
        Column("trouble", "VARCHAR", "why the rules could not be evaluated"),
    ),
    "facts": (
        _PATIENT, _AT, _KIND,
        Column("fact", "VARCHAR", "the fact: a row stands where it became another since the moment before"),
        Column("value", "VARCHAR", "its value as JSON; NULL where it is unknown"),
        Column("unit", "VARCHAR", "UCUM"),
        Column("why", "VARCHAR", "why it is unknown"),
        Column("as_of", "TIMESTAMPTZ", "of when it is"),
        Column("sources", "INTEGER", "how many records are behind it"),
    ),
    "rules": (
        _PATIENT, _KIND,
        Column("rule", "VARCHAR", "the rule"),
        Column("fired", "INTEGER", "at how many moments it held"),
        Column("silent", "INTEGER", "at how many it did not"),
        Column("unknown", "INTEGER", "at how many nobody could tell"),
        Column("first_at", "TIMESTAMPTZ", "when it held first"),
    ),
    "unmapped": (
        _PATIENT,
        Column("source", "VARCHAR", "the query, and the element where it is not the record's own code"),
        Column("why", "VARCHAR", "why it was not understood; empty for what none of our value sets holds"),
        Column("system", "VARCHAR", "of a code"),
        Column("code", "VARCHAR", "a code"),
        Column("unit", "VARCHAR", "a unit that is not read"),
        Column("value_set", "VARCHAR", "whose values have the unit"),
        Column("met", "INTEGER", "how often it was met in this patient's chart"),
    ),
    "patients": (
        _PATIENT,
        Column("moments", "INTEGER", "how many moments were asked about"),
        Column("first_at", "TIMESTAMPTZ", "the first of them"),
        Column("last_at", "TIMESTAMPTZ", "the last of them"),
        Column("suggested_at", "TIMESTAMPTZ", "when the drug was suggested first"),
        Column("stopped_at", "TIMESTAMPTZ", "when a hard stop was found first"),
        Column("dose_at", "TIMESTAMPTZ", "when the drug was given first, in the time that was asked about"),
        Column("problem", "VARCHAR", "why the patient could not be evaluated"),
    ),
    "differences": (
        _PATIENT, _AT, _KIND,
        Column("decision", "VARCHAR", "the first answer of this knowledge"),
        Column("other", "VARCHAR", "the first answer of the other one"),
        Column("rules", "VARCHAR[]", "the rules of which something else became, in order of evaluation"),
    ),
}  # fmt: skip
Row = dict[str, Any]


class Writer:
    """The rows of one partition: lines on disk while they come, Parquet files at the end."""

    def __init__(self, out: Path, number: int) -> None:
        self._out, self._number = out, number
        self._lines = out / f"part-{number:04d}.lines"
        shutil.rmtree(self._lines, ignore_errors=True)
        self._lines.mkdir(parents=True)
        self._files: dict[str, BinaryIO] = {name: (self._lines / f"{name}.ndjson").open("wb") for name in TABLES}

    def add(self, table: str, row: Row) -> None:
        """One row."""
        self._files[table].write(_ENCODE.encode(row) + b"\n")

    def close(self) -> None:
        """Write the files of this partition, each under its name when it is whole, and the mark of the whole last."""
        with duckdb.connect(config={"threads": 1, "memory_limit": "512MB"}) as base:
            base.execute("SET TimeZone = 'UTC'")
            for name, file in self._files.items():
                file.close()
                _to_parquet(base, name, self._lines / f"{name}.ndjson", part(self._out, name, self._number))
        shutil.rmtree(self._lines)
        mark(self._out, self._number).touch()


def part(out: Path, table: str, number: int) -> Path:
    """The file of a table that holds a partition."""
    return out / table / f"part-{number:04d}.parquet"


def mark(out: Path, number: int) -> Path:
    """What lies there when a partition is done."""
    return out / "done" / f"{number:04d}"


def columns(table: str) -> str:
    """The columns of a table as DuckDB has them: name -> type."""
    return "{" + ", ".join(f"'{column.name}': '{column.type}'" for column in TABLES[table]) + "}"


def _to_parquet(base: duckdb.DuckDBPyConnection, table: str, lines: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    half = target.with_suffix(".half")
    base.execute(
        f"COPY (SELECT * FROM read_json(?, columns = {columns(table)}, format = 'newline_delimited'))"
        f" TO '{str(half).replace(chr(39), chr(39) * 2)}' (FORMAT parquet, COMPRESSION zstd)",
        [str(lines)],
    )
    half.replace(target)
