"""The truth beside each patient: at which moments somebody orders, and what may be answered.

A truth file is JSON: `{"patient", "dialect", "site", "at": [{"at", "hook", "order", "decisions", "why"}], "course",
"dirt"}`:

- `site`: the one at which the truth holds, of those that are shipped or of `examples/`;
- `at[].at`: RFC 3339; `hook`: order-select or order-sign; `order`: the draft MedicationRequest that is ordered;
  `decisions`: what the first card may decide (`no-card`: none), the likeliest first; `why`: in words.
- `course`: what really happened, in words and times; `dirt`: what was done to the chart afterwards, by resource.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from cds_service.errors import CdsError
from cds_service.tools.options import parse_time

SUFFIX: Final = ".truth.json"
LINES: Final = "truth.jsonl"
"""Beside NDJSON: one truth a line, since a file a patient would be very many."""
Json = dict[str, Any]


class TruthError(CdsError):
    """A truth that cannot be used: file, and what was expected."""


@dataclass(frozen=True, slots=True)
class Moment:
    """One moment at which somebody orders."""

    at: datetime
    hook: str
    order: Json
    decisions: tuple[str, ...]
    why: str


@dataclass(frozen=True, slots=True)
class Truth:
    """One patient's truth."""

    patient: str
    dialect: str
    site: str
    at: tuple[Moment, ...]
    course: Json
    dirt: tuple[Json, ...]


def read_truth(path: Path) -> Truth:
    """The truth of a file; raises TruthError."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise TruthError(f"{path}: cannot be read as JSON: {error}") from error
    return _truth(content, str(path))


def read_truths(folder: Path) -> Iterator[Truth]:
    """Every truth of a folder that `synth` wrote; raises TruthError, also where there is none."""
    files = sorted(folder.glob(f"*{SUFFIX}"))
    lines = folder / LINES
    if not files and not lines.is_file():
        raise TruthError(f"{folder}: expected *{SUFFIX} or {LINES}, as `anakinra-cds synth` writes them")
    for path in files:
        yield read_truth(path)
    if lines.is_file():
        with lines.open(encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                yield _truth(_json(line, f"{lines}:{number}"), f"{lines}:{number}")


def _json(line: str, where: str) -> Any:
    try:
        return json.loads(line)
    except ValueError as error:
        raise TruthError(f"{where}: not JSON: {error}") from error


def _truth(content: Any, where: str) -> Truth:
    try:
        return Truth(
            patient=content["patient"],
            dialect=content["dialect"],
            site=content["site"],
            at=tuple(_moment(each) for each in content["at"]),
            course=content.get("course", {}),
            dirt=tuple(content.get("dirt", ())),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise TruthError(f"{where}: not a truth: {type(error).__name__}: {error}") from error


def _moment(content: Mapping[str, Any]) -> Moment:
    return Moment(
        at=parse_time(content["at"]),
        hook=content["hook"],
        order=content["order"],
        decisions=tuple(content["decisions"]),
        why=content["why"],
    )
