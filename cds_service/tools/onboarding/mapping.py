"""A skeleton of `terms/*.yaml`: every code that nothing recognised, with blanks that `check` refuses until filled in.

Whoever fills it in keeps the lines that mean something and deletes the others.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from cds_service.knowledge.model import Catalogue
from cds_service.knowledge.model.names import models_in
from cds_service.tools.onboarding.charts import NOT_ASKED
from cds_service.tools.onboarding.tally import Report

_HEAD: Final = """\
# Codes that nothing recognised, to be mapped. For each one that means something here: name the value set, how your list
# calls the code, and which list that is; delete the others. `anakinra-cds check --site FOLDER` refuses what is blank.
# A code that counts in two ways stands in two entries.
"""
_BLANK: Final = {"valueSet": "<value set>", "display": "<as your list calls it>", "source": "<which list of yours>"}


def skeleton(report: Report, catalogue: Catalogue) -> str:
    """YAML of one file below `terms/`."""
    by_source: dict[str, list[Mapping[str, Any]]] = {}
    for row in report.section("codes").rows:
        by_source.setdefault(row["from"], []).append(row)
    sets, lines = _looked_for(catalogue), [_HEAD]
    for source, rows in by_source.items():
        where = source.removeprefix(NOT_ASKED).partition(" ")[0]
        queries = [name for name, query in catalogue.queries.items() if where in (name, query.resource)]
        lines.append(f"\n# ---- from {source}{_hint(dict.fromkeys(name for q in queries for name in sets[q]))}")
        lines += [line for row in rows for line in _entry(row)]
    return "\n".join(lines) + ("\n" if by_source else "[]\n")


def _entry(row: Mapping[str, Any]) -> Iterator[str]:
    records, patients = _number(row["times"], "record"), _number(row["patients"], "patient")
    yield f"# {records}, {patients}; {row['why']}"
    yield f"- valueSet: {_BLANK['valueSet']}"
    # JSON strings are YAML: a code that looks like a number stays a text.
    system, code = json.dumps(row["system"]), json.dumps(row["code"])
    yield "  codes:"
    yield f"    - {{system: {system}, code: {code}, display: {_BLANK['display']}, source: {_BLANK['source']}}}"


def _number(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _hint(sets: Mapping[str, None]) -> str:
    return f"; among the value sets that are looked for there:\n#      {', '.join(sets)}" if sets else ""


def _looked_for(catalogue: Catalogue) -> dict[str, dict[str, None]]:
    """Query -> the value sets that selections draw from it by their own words, and those that it is searched by."""
    found = {name: dict.fromkeys(query.codes) for name, query in catalogue.queries.items()}
    for model in models_in((catalogue.records, catalogue.computed, catalogue.facts)):
        values = [getattr(model, field) for field in type(model).model_fields]
        sets = getattr(model, "in_", None) or ()
        for query in [value for value in values if isinstance(value, str) and value in found]:
            found[query] |= dict.fromkeys((sets,) if isinstance(sets, str) else sets)
    return found
