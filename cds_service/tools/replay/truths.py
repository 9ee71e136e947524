"""What is true of each patient: files that say when somebody orders what, and what may be answered.

A file is `{"patient": id, "at": [{"at", "hook", "order", "decisions": [...]}]}`: `*.truth.json` holds one patient,
`truth.jsonl` one a line. `order` is the draft that is ordered; `decisions` are all that are right, among them `no-card`
for none.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from cds_service.chart.resource import Resource
from cds_service.errors import CdsError
from cds_service.tools.options import parse_time
from cds_service.tools.replay.calls import HOOKS
from cds_service.tools.replay.episode import Step

SUFFIX: Final = ".truth.json"
LINES: Final = "truth.jsonl"


class TruthError(CdsError):
    """A truth that cannot be used; the message names the file."""


def read_truths(path: Path) -> dict[str, tuple[Step, ...]]:
    """Patient -> the steps that are asked, each with what is right, of a file or a folder; raises TruthError."""
    found: dict[str, tuple[Step, ...]] = {}
    for where, content in _contents(path):
        try:
            patient = str(content["patient"])
            steps = tuple(_step(each) for each in content["at"])
        except (KeyError, TypeError, ValueError) as error:
            raise TruthError(f"{where}: not a truth: {type(error).__name__}: {error}") from error
        if patient in found:
            raise TruthError(f"{where}: the patient {patient} has a truth already")
        found[patient] = steps
    if not found:
        raise TruthError(f"{path}: expected *{SUFFIX} or {LINES}, found none")
    return found


def _contents(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    files = [path] if path.is_file() else sorted((*path.rglob(f"*{SUFFIX}"), *path.rglob(LINES)))
    for file in files:
        try:
            text = file.read_text(encoding="utf-8")
            texts = text.split("\n") if file.suffix == ".jsonl" else [text]
            for number, each in enumerate(texts, 1):
                if each.strip():
                    yield f"{file}:{number}", json.loads(each)
        except (OSError, ValueError) as error:
            raise TruthError(f"{file}: cannot be read as JSON: {error}") from error


def _step(content: Mapping[str, Any]) -> Step:
    decisions = content["decisions"]
    if isinstance(decisions, str) or not decisions:
        raise ValueError("decisions: expected a list of at least one")
    if content["hook"] not in HOOKS:
        raise ValueError(f"hook: expected one of {', '.join(HOOKS)}")
    order = content.get("order")
    drafts = (dict(order),) if isinstance(order, Mapping) else None
    words = Resource(order).concept.label if isinstance(order, Mapping) else str(order or "")
    return Step(parse_time(content["at"]), content["hook"], drafts, words, expected=tuple(map(str, decisions)))
