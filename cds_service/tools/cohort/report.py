"""The report of a cohort: what its tables say, counted in DuckDB, as JSON and as one page."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import duckdb
from jinja2 import Environment, PackageLoader, StrictUndefined

from cds_service.tools.cohort.partition import Manifest
from cds_service.tools.cohort.tables import TABLES

Json = dict[str, Any]
_MOST: Final = 200  # rows of one table on the page; the Parquet files have all

_QUERIES: Final[Mapping[str, str]] = {
    "decisions": """
        SELECT kind, decision, count(*) AS moments, count(DISTINCT patient) AS patients, min(asked_at) AS first_at
        FROM decisions GROUP BY ALL ORDER BY kind, moments DESC""",
    "rules": """
        SELECT kind, rule, sum(fired)::BIGINT AS fired, sum(silent)::BIGINT AS silent, sum(unknown)::BIGINT AS unknown,
               count(*) FILTER (fired > 0) AS patients
        FROM rules GROUP BY ALL ORDER BY kind, patients DESC, unknown DESC, rule""",
    "unknown": """
        SELECT kind, fact, count(*) AS moments, count(DISTINCT patient) AS patients
        FROM (SELECT kind, patient, unnest(unknown) AS fact FROM decisions) GROUP BY ALL ORDER BY moments DESC, fact""",
    "notRead": """
        SELECT query, count(*) AS moments, count(DISTINCT patient) AS patients
        FROM (SELECT patient, unnest(not_read) AS query FROM decisions) GROUP BY ALL ORDER BY moments DESC, query""",
    "unmapped": """
        SELECT source, why, system, code, unit, value_set, sum(met)::BIGINT AS met, count(DISTINCT patient) AS patients
        FROM unmapped GROUP BY ALL ORDER BY patients DESC, met DESC, source, code""",
    "agreement": """
        SELECT CASE WHEN suggested_at IS NULL THEN 'never suggested' ELSE 'suggested' END AS advice,
               CASE WHEN stopped_at IS NULL THEN 'no hard stop' ELSE 'hard stop' END AS stop,
               CASE WHEN dose_at IS NULL THEN 'not given' ELSE 'given' END AS done, count(*) AS patients
        FROM patients WHERE problem IS NULL GROUP BY ALL ORDER BY ALL""",
    "delays": """
        SELECT count(*) AS patients, quantile_cont(hours, 0.25) AS p25, median(hours) AS p50,
               quantile_cont(hours, 0.75) AS p75, min(hours) AS least, max(hours) AS most
        FROM (SELECT date_diff('minute', suggested_at, dose_at) / 60.0 AS hours FROM patients
              WHERE suggested_at IS NOT NULL AND dose_at IS NOT NULL)""",
    "differences": """
        SELECT kind, decision, other, rules[1] AS rule, count(*) AS moments, count(DISTINCT patient) AS patients
        FROM differences GROUP BY ALL ORDER BY moments DESC, kind, decision, other""",
}


def write_report(out: Path, manifest: Manifest, asked: Json, knowledge: Sequence[str]) -> Json:
    """Count, and write `report.json` and `report.html`; what was counted."""
    with duckdb.connect(config={"memory_limit": "1GB", "temp_directory": str(out / "spill")}) as base:
        base.execute("SET TimeZone = 'UTC'")
        for table in TABLES:
            files = sorted(str(path) for path in (out / table).glob("part-*.parquet"))
            base.execute(f"CREATE VIEW {table} AS SELECT * FROM read_parquet({_listed(files)})")
        counted = _rows(
            base, "SELECT count(*) AS n, sum(moments)::BIGINT AS moments, count(problem) AS f FROM patients"
        )
        first, last = base.execute("SELECT min(first_at), max(last_at) FROM patients").fetchall()[0]
        told = {name: _rows(base, query) for name, query in _QUERIES.items()}
    report: Json = {
        "asked": asked,
        "knowledge": list(knowledge),
        "export": {name: value for name, value in asdict(manifest).items() if name != "files"},
        "patients": {"evaluated": counted[0]["n"] - counted[0]["f"], "failed": counted[0]["f"]},
        "moments": counted[0]["moments"] or 0,
        "from": _text(first),
        "to": _text(last),
        **told,
    }
    _write(out / "report.json", json.dumps(report, indent=1))
    _write(out / "report.html", _page(report))
    return report


def _listed(files: Sequence[str]) -> str:
    return "[" + ", ".join("'" + file.replace("'", "''") + "'" for file in files) + "]"


def _rows(base: duckdb.DuckDBPyConnection, query: str) -> list[Json]:
    found = base.execute(query)
    names = [column[0] for column in found.description or ()]
    return [dict(zip(names, map(_text, row), strict=True)) for row in found.fetchall()]


def _text(value: Any) -> Any:
    return value.isoformat() if hasattr(value, "isoformat") else value


def _write(path: Path, text: str) -> None:
    half = path.with_suffix(path.suffix + ".half")
    half.write_text(text, encoding="utf-8")
    half.replace(path)


def _page(report: Json) -> str:
    environment = Environment(
        loader=PackageLoader("cds_service.tools.cohort", "."), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    return environment.get_template("report.html.j2").render(report=report, most=_MOST)
