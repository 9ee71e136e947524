"""One partition of a cohort, by whoever has a processor free: this process, another one, or another machine."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path

from cds_service.assess import place_of
from cds_service.knowledge import load
from cds_service.program import Program, compile_program
from cds_service.tools.cohort.evaluate import How, rows
from cds_service.tools.cohort.partition import patients
from cds_service.tools.cohort.tables import Writer, mark

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Job:
    """What every partition of a run has in common. It goes to other processes and machines: paths, no objects.

    `against` is another (root, site) to compare with. `digest` are the ids of the knowledge that must be found there.
    """

    parts: str
    out: str
    root: str | None
    site: str
    against: tuple[str | None, str] | None
    how: How
    now: datetime
    digest: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Done:
    """What became of a partition."""

    number: int
    patients: int
    failed: int


@lru_cache(maxsize=4)
def program_of(root: str | None, site: str) -> Program:
    """The compiled knowledge, once a process. Raises CdsError."""
    program = compile_program(load(Path(root) if root else None, site))
    program.warm()
    return program


def programs(job: Job) -> tuple[Program, Program | None]:
    """The knowledge of a job, and the one to compare with. Raises CdsError."""
    return program_of(job.root, job.site), program_of(*job.against) if job.against else None


def digest_of(program: Program, against: Program | None) -> tuple[str, ...]:
    """What tells whether two processes work with the same knowledge."""
    return (program.id, *([against.id] if against else []))


def work(job: Job, number: int) -> Done:
    """Evaluate one partition and write its files. Doing it twice leaves what doing it once leaves. Raises CdsError."""
    program, against = programs(job)
    if digest_of(program, against) != job.digest:
        raise ValueError(f"this process has other knowledge: {digest_of(program, against)}, expected {job.digest}")
    if mark(Path(job.out), number).exists():
        return Done(number, 0, 0)
    writer = Writer(Path(job.out), number)
    told = failed = 0
    for patient, resources in patients(Path(job.parts), number):
        told += 1
        try:
            for table, row in rows(program, against, job.how, patient, resources, job.now):
                writer.add(table, row)
        except Exception as error:  # one chart that nobody foresaw must not end a run over a year of them
            failed += 1
            _log.error("a patient of partition %d: %s", number, place_of(error))
            writer.add("patients", {"patient": patient, "moments": 0, "problem": place_of(error)})
    writer.close()
    return Done(number, told, failed)


def open_partitions(job: Job, count: int) -> Iterator[int]:
    """The partitions that are not done yet."""
    return (number for number in range(count) if not mark(Path(job.out), number).exists())
