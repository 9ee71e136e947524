"""Records that wait to be kept, in a file of their process: the end of a process, however sudden, loses none of them.

A line is written before its answer leaves, and no disk is waited for: it outlives the process, not the machine. The
lock of a file ends with its process; then whoever starts next keeps what is in it.
"""

from __future__ import annotations

import fcntl
import logging
import os
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from threading import Lock
from typing import Final

log = logging.getLogger(__name__)
_FOLDER: Final = "waiting"
_FILE_BYTES: Final = 4 * 2**20
"""A file that is as large is followed by another one, and removed when all of it is kept."""
_MOST_BYTES: Final = 256 * 2**20
"""Of all files together, also of processes that are gone."""


@dataclass(slots=True)
class _File:
    """`lines` are those that wait, `size` what was written."""

    path: Path
    handle: int
    lines: int = 0
    size: int = 0


class Waiting:
    """The files of one process; made when first needed. Safe to use from several threads."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / _FOLDER
        self._files: deque[_File] = deque()
        self._lock = Lock()
        self._fileless = 0
        self._failed = False

    def add(self, line: str) -> bool:
        """Whether a line is in a file when this returns, so that the end of this process cannot lose it."""
        with self._lock:
            try:
                _write(self._current(), line.encode() + b"\n")
            except OSError as error:
                if not self._failed:
                    log.error("store: an answer cannot be kept for after this process: %s", type(error).__name__)
                self._failed = True
            else:
                self._failed = False
            if self._files:
                self._files[-1].lines += 1
            else:
                self._fileless += 1
            return not self._failed

    def done(self, lines: int) -> None:
        """So many that were added first need not wait any longer, whether they are in a file or not."""
        # What stays in a file is kept once more by who finds it, which changes nothing.
        with self._lock, suppress(OSError):
            taken = min(lines, self._fileless)
            self._fileless, lines = self._fileless - taken, lines - taken
            for file in list(self._files):
                taken = min(lines, file.lines)
                file.lines, lines = file.lines - taken, lines - taken
                if not file.lines and file is not self._files[-1]:
                    self._remove(file)
                elif not file.lines and file.size:
                    os.ftruncate(file.handle, 0)
                    file.size = 0

    def close(self) -> None:
        """Leave what still waits to the next process."""
        with self._lock:
            for file in list(self._files):
                if file.lines:
                    self._files.remove(file)
                    os.close(file.handle)
                else:
                    self._remove(file)

    def _current(self) -> _File:
        if not self._files or self._files[-1].size >= _FILE_BYTES:
            self._files.append(_made(self._folder))
        return self._files[-1]

    def _remove(self, file: _File) -> None:
        self._files.remove(file)
        file.path.unlink(missing_ok=True)
        os.close(file.handle)


def left(folder: Path) -> Iterator[list[str]]:
    """The lines of each file that no process holds; it is gone when the next one is asked for. Raises OSError.

    A line without an end was being written when its process ended: its answer never left.
    """
    for path in sorted((folder / _FOLDER).glob("*.jsonl")):
        with suppress(BlockingIOError, FileNotFoundError), path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(file.fileno()).st_nlink:
                yield [line.decode(errors="replace") for line in file.read().split(b"\n")[:-1]]
                path.unlink(missing_ok=True)


def _made(folder: Path) -> _File:
    """A file that this process holds. Raises OSError."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if sum(map(_size, folder.iterdir())) >= _MOST_BYTES:
        raise OSError("too much is waiting already")
    while True:
        path = folder / f"{token_hex(8)}.jsonl"
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:  # whoever looks for files that are left was quicker, and removes it
            os.close(handle)
            continue
        if os.fstat(handle).st_nlink:
            return _File(path, handle)
        os.close(handle)


def _size(path: Path) -> int:
    with suppress(FileNotFoundError):
        return path.stat().st_size
    return 0


def _write(file: _File, line: bytes) -> None:
    """The whole line or nothing of it: what follows would else be read as part of it."""
    try:
        if os.write(file.handle, line) != len(line):
            raise OSError("no room for all of it")
    except OSError:
        os.ftruncate(file.handle, file.size)
        raise
    file.size += len(line)
