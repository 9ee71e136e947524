"""What a run has found so far, in a file, one JSON line a patient: memory does not grow with the patients, and a
run that was stopped goes on where it was.

A line is appended whole and forced to the disk. What a stop tears off is cut when the file is opened again, and the
patient is asked again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from cds_service.errors import CdsError

Line = dict[str, Any]


class KeptError(CdsError):
    """A file of state that cannot be used: it belongs to another run."""


class Kept:
    """The lines of one run. `run` says what the run is; a file of another one is refused (KeptError)."""

    def __init__(self, path: Path, run: Line) -> None:
        self.path = path
        self._patients: set[tuple[str, str]] = set()
        self._sources: set[str] = set()
        self._problems: set[tuple[str, str]] = set()
        self.resumed = path.exists() and path.stat().st_size > 0
        if self.resumed:
            # Nothing is changed of a file that is not surely ours.
            self._begins(json.loads(json.dumps(run)))
            self._mend()
            self._learn()
        self._file: BinaryIO = path.open("ab")
        if not self.resumed:
            self._append({"run": run})

    def _begins(self, run: Line) -> None:
        """Whether the file is the state of this very run."""
        first = next(self._all(), None)
        if not isinstance(first, dict) or not isinstance(first.get("run"), dict):
            raise KeptError(f"{self.path}: expected the state of a replay, found something else; name another file")
        was = first["run"]
        changed = sorted(key for key in {*run, *was} if run.get(key) != was.get(key))
        if changed:
            told = f"{self.path}: belongs to a run with another {', '.join(changed)}"
            raise KeptError(f"{told}; give the options of that run, or another file")

    def _mend(self) -> None:
        """Cut what was torn: whatever stands behind the last line end."""
        with self.path.open("r+b") as file:
            end = 0
            for line in file:
                end += len(line) if line.endswith(b"\n") else 0
            file.truncate(end)

    def _learn(self) -> None:
        for line in self._all():
            if "patient" in line:
                self._patients.add((line["source"], line["patient"]))
            elif "done" in line:
                self._sources.add(line["done"])
            elif "problem" in line:
                self._problems.add((line["where"], line["problem"]))

    def has(self, source: str, patient: str) -> bool:
        """Whether a patient of a source was asked about already."""
        return (source, patient) in self._patients

    def is_done(self, source: str) -> bool:
        """Whether all of a source was."""
        return source in self._sources

    def patient(self, line: Line) -> None:
        """Keep what was found of a patient."""
        self._patients.add((line["source"], line["patient"]))
        self._append(line)

    def problem(self, where: str, what: str) -> None:
        """Keep what could not be used, once."""
        if (where, what) not in self._problems:
            self._problems.add((where, what))
            self._append({"where": where, "problem": what})

    def done(self, source: str) -> None:
        """All of a source was looked at."""
        self._sources.add(source)
        self._append({"done": source})

    def _append(self, line: Line) -> None:
        self._file.write(json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())

    def patients(self) -> Iterator[Line]:
        """What was found of each patient, in the order in which they were asked about; read from the file each time."""
        return (line for line in self._all() if "patient" in line)

    def problems(self) -> Iterator[tuple[str, str]]:
        """(where, what) of everything that could not be used."""
        return ((line["where"], line["problem"]) for line in self._all() if "problem" in line)

    def _all(self) -> Iterator[Line]:
        with self.path.open("rb") as file:
            for number, text in enumerate(file, 1):
                try:
                    yield json.loads(text)
                except ValueError as error:
                    raise KeptError(f"{self.path}:{number}: expected the state of a replay, found no JSON") from error

    def close(self) -> None:
        """Give the file back."""
        self._file.close()
