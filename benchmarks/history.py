"""What earlier runs of `make bench` measured: a line of JSON each, and how this run compares with the last one here."""

from __future__ import annotations

import json
import platform
import subprocess
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

FILE: Final = Path(__file__).with_name("history.jsonl")
_SLOWER: Final = 1.10  # times a row before it is told
Line = Mapping[str, Any]


def line_of(report: Mapping[str, Any]) -> Line:
    """A run in short: how many times the limit's CPU, seconds of each start, on which machine and commit."""
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit(),
        "python": report["python"],
        "machine": machine(),
        "ratios": {
            f"{row['resources']} {'repeated' if row['repeated'] else 'first sight'}": round(row["cpuRatio"], 2)
            for row in report["sideBySide"]
        },
        "startUpSeconds": {name: round(taken, 3) for name, taken in report["startUpSeconds"].items()},
    }


def machine() -> str:
    """What tells machines apart whose numbers cannot be compared."""
    info = Path("/proc/cpuinfo")
    found = info.read_text(encoding="utf-8") if info.is_file() else ""
    models = [line.split(":", 1)[1].strip() for line in found.splitlines() if line.startswith("model name")]
    return f"{models[0] if models else platform.processor()} x{max(len(models), 1)}"


def kept(line: Line, file: Path = FILE) -> Line | None:
    """Add a run; the last one before it on this machine, where there is one."""
    earlier = [each for each in runs(file) if each["machine"] == line["machine"]]
    with file.open("a", encoding="utf-8") as history:
        history.write(json.dumps(line) + "\n")
    return earlier[-1] if earlier else None


def runs(file: Path = FILE) -> list[Line]:
    """Every run on record, the oldest first."""
    return [json.loads(text) for text in file.read_text(encoding="utf-8").splitlines()] if file.is_file() else []


def compared(line: Line, last: Line) -> Iterator[str]:
    """A line for each kind of call that is more than a tenth slower than it was."""
    for kind, ratio in line["ratios"].items():
        was = last["ratios"].get(kind)
        if was and ratio > was * _SLOWER:
            yield f"slower than on {last['at'][:10]} ({last['commit']}): {kind} {was:g}x -> {ratio:g}x the limit"


def commit() -> str:
    """Which version of the checkout this is."""
    asked = ["git", "describe", "--always", "--dirty"]
    done = subprocess.run(asked, cwd=FILE.parent, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"
