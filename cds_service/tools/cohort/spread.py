"""The partitions of a cohort on several processors: processes of this machine, or a Dask cluster."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed

from cds_service.errors import CdsError
from cds_service.tools.cohort.work import Done, Job, programs, work


def spread(job: Job, numbers: Sequence[int], workers: int, scheduler: str | None) -> Iterator[Done]:
    """Each partition as it is done. Raises CdsError."""
    if scheduler:
        return _on_cluster(job, numbers, scheduler)
    return _here(job, numbers, workers) if workers > 1 else (work(job, number) for number in numbers)


def _here(job: Job, numbers: Sequence[int], workers: int) -> Iterator[Done]:
    """In processes of this machine. They are forked with the knowledge compiled, before there are threads."""
    programs(job)
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_fresh, initargs=(job,)) as pool:
        futures = [pool.submit(work, job, number) for number in numbers]
        for future in as_completed(futures):
            yield future.result()


def _fresh(job: Job) -> None:
    """The rules engine is each process's own."""
    for program in filter(None, programs(job)):
        program.warm()


def _on_cluster(job: Job, numbers: Sequence[int], scheduler: str) -> Iterator[Done]:
    """On the workers of a Dask scheduler, which must see the same folders. A partition whose worker dies is given to
    another one: what the dead one wrote of it is written over."""
    try:
        from dask import distributed
    except ImportError as error:
        raise CdsError("--scheduler needs Dask: install anakinra-cds[cohort]") from error
    with distributed.Client(scheduler, timeout="30s") as client:  # type: ignore[no-untyped-call]
        futures = client.map(work, [job] * len(numbers), numbers, retries=3, pure=False)
        for future in distributed.as_completed(futures):  # type: ignore[no-untyped-call]
            yield future.result()
