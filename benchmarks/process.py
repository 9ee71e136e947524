"""What Linux tells of a process: its CPU time, its memory and its open files."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

PROC = Path("/proc")
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


def require_proc() -> None:
    """End the program where there is no /proc to read."""
    if not (PROC / "self" / "stat").is_file():
        sys.exit("error: /proc not found; CPU time and memory are read there: run this on Linux")


def cpu_seconds(pid: int) -> float:
    """User and system time of all threads of a process since it started, in steps of a clock tick (10 ms)."""
    fields = _stat(pid)
    return (int(fields[11]) + int(fields[12])) / _TICKS


def family_cpu_seconds(pid: int) -> float:
    """The same of a process and of all that it started, also of those that have ended and were waited for."""
    total = 0
    for each in (pid, *below(pid)):
        try:
            total += sum(map(int, _stat(each)[11:15]))
        except OSError:  # it ended meanwhile: its parent is told its time
            continue
    return total / _TICKS


def machine_cpu_seconds() -> float:
    """Time that all processors of this machine were busy since it started, with whatever."""
    fields = [int(each) for each in (PROC / "stat").read_text().split("\n", 1)[0].split()[1:9]]
    return (sum(fields) - fields[3] - fields[4]) / _TICKS  # but idle, and idle while a disk was waited for


def below(pid: int) -> Iterator[int]:
    """The processes that it started, and those that they did."""
    for child in sorted(children(pid)):
        yield child
        yield from below(child)


def children(pid: int) -> list[int]:
    """The process ids of a process's living children."""
    found = []
    for folder in PROC.iterdir():
        if folder.name.isdigit():
            try:
                if int(_stat(int(folder.name))[1]) == pid:
                    found.append(int(folder.name))
            except OSError:  # it ended meanwhile
                continue
    return found


def resident_mb(pid: int | str = "self") -> float:
    """Memory that a process holds, in MB (10^6 bytes)."""
    return int((PROC / str(pid) / "statm").read_text().split()[1]) * _PAGE / 1e6


def share_mb(pid: int) -> float:
    """The same, but of memory that several processes hold together only this one's part (PSS)."""
    for line in (PROC / str(pid) / "smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise ValueError(f"/proc/{pid}/smaps_rollup: expected a line Pss")


def open_files(pid: int | str = "self") -> int:
    """How many file descriptors a process has open (when asked about itself: without the one that this needs)."""
    return sum(1 for _ in (PROC / str(pid) / "fd").iterdir()) - (pid == "self")


def _stat(pid: int) -> list[str]:
    """The fields of /proc/<pid>/stat after the command's name, which may itself hold spaces and brackets."""
    return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
