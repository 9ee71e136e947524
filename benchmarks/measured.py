"""One load on what is running: what became of its calls, and what they cost the machine."""

from __future__ import annotations

import asyncio
import gc
import os
import time
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass
from typing import Any, Final

from benchmarks.latency import SHARES, Tally, bars, buckets, percentile
from benchmarks.process import machine_cpu_seconds
from benchmarks.running import Memory, Running
from benchmarks.stored import records, settled

_SETTLE_SECONDS: Final = 30.0
_FULL: Final = 0.9
GENERATOR: Final = "generator"


@dataclass(frozen=True, slots=True)
class Measured:
    """`cpu`: seconds of processor time by who used them, the generator's own too. `memory`: before and after."""

    name: str
    workers: int
    replicas: int
    tally: Tally
    cpu: dict[str, float]
    memory: tuple[Memory, Memory]
    rows: int | None
    """Records that were added; None: none are kept."""
    behind: float
    """Seconds until the last of them was there, after the last answer."""
    others: float
    """Processors that were busy on average with what is none of this: then less is measured than can be."""
    offered: float | None = None
    """Calls a second; None: a closed load."""

    @property
    def rate(self) -> float:
        """Answers 200 a second."""
        return self.tally.answered / self.tally.seconds

    def cores(self, *parts: str) -> float:
        """How many processors these kept busy on average; all, where none is named."""
        return sum(self.cpu[part] for part in parts or self.cpu) / self.tally.seconds

    @property
    def cpu_ms(self) -> dict[str, float]:
        """Milliseconds of processor time of each part for an answer 200."""
        return {part: used / max(self.tally.answered, 1) * 1e3 for part, used in self.cpu.items()}

    @property
    def full(self) -> bool:
        """Whether it was the machine that bounded it: with more processors it would have borne more."""
        return self.cores() + self.others >= _FULL * (os.cpu_count() or 1)

    def as_json(self) -> dict[str, Any]:
        """The numbers under names that say their units."""
        tally, calls = self.tally, max(sum(self.tally.statuses.values()), 1)
        took, worked, late = sorted(tally.took), sorted(tally.worked), sorted(tally.late)
        return {
            "name": self.name,
            "workers": self.workers,
            "replicas": self.replicas,
            "offeredPerSecond": self.offered,
            "seconds": tally.seconds,
            "statuses": {str(status or "none"): count for status, count in sorted(tally.statuses.items())},
            "unevaluated": tally.unevaluated,
            "perSecond": self.rate,
            "ms": {_named(share): percentile(took, share) * 1e3 for share in SHARES},
            "msFromSending": {_named(share): percentile(worked, share) * 1e3 for share in SHARES},
            "lateMs": {_named(share): percentile(late, share) * 1e3 for share in SHARES},
            "cpuMs": self.cpu_ms,
            "cores": {part: self.cores(part) for part in self.cpu},
            "coresOfOthers": self.others,
            "machineWasFull": self.full,
            "requestBytes": tally.sent / calls,
            "answerBytes": tally.received / max(tally.answered, 1),
            "residentMB": [each.resident for each in self.memory],
            "sharedOnceMB": [each.shared_once for each in self.memory],
            "rows": self.rows,
            "rowsBehindSeconds": self.behind,
        }


def _named(share: float) -> str:
    return "max" if share == 1.0 else f"p{share * 100:g}"


def measure(
    running: Running,
    name: str,
    work: Coroutine[Any, Any, Tally],
    workers: int,
    replicas: int = 1,
    offered: float | None = None,
) -> Measured:
    """Run a load to its end, and wait until what it left is recorded."""
    gc.collect()
    gc.freeze()  # the generator shall not stand still for what is there anyhow
    had = records(running.database) if running.database else 0
    memory, before, own, every = running.memory(), running.cpu(), time.process_time(), machine_cpu_seconds()
    tally = asyncio.run(work)
    own, every = time.process_time() - own, machine_cpu_seconds() - every
    found, behind = settled(running.database, had + tally.answered, _SETTLE_SECONDS) if running.database else (0, 0.0)
    cpu = {part: used - before[part] for part, used in running.cpu().items()} | {GENERATOR: own}
    rows, others = found - had if running.database else None, max(every - sum(cpu.values()), 0.0) / tally.seconds
    return Measured(name, workers, replicas, tally, cpu, (memory, running.memory()), rows, behind, others, offered)


def line(found: Measured) -> str:
    """One run in one line."""
    cpu = ", ".join(f"{part} {used:.2f}" for part, used in found.cpu_ms.items())
    return (
        f"{found.name}: {found.rate:.1f} answers a second ({statuses(found)}); CPU ms an answer: {cpu};"
        f" {found.cores():.2f} of {os.cpu_count()} processors busy, {found.others:.2f} with what others do"
        + ("; the machine was full: this is the least that it bears" if found.full else "")
    )


def statuses(found: Measured) -> str:
    """How many calls of which status."""
    return ", ".join(f"{n:,} x {status or 'lost'}" for status, n in sorted(found.tally.statuses.items()))


def report(found: Measured) -> Iterator[str]:
    """A run in full: the histogram, and what stands beside it."""
    told = found.as_json()
    yield line(found)
    yield ""
    yield "answers 200, from the moment for which each call was scheduled:"
    yield from bars(buckets(found.tally.took))
    for title, key in (("from the schedule", "ms"), ("from sending", "msFromSending"), ("generator late", "lateMs")):
        yield f"  {title:18} " + "  ".join(f"{share} {each:,.1f} ms" for share, each in told[key].items())
    slowest = {status: most for status, most in sorted(found.tally.slowest.items()) if status != 200}
    for status, most in slowest.items():
        yield f"  {status or 'lost'}: {found.tally.statuses[status]:,}, the slowest after {most * 1e3:,.0f} ms"
    yield f"  not evaluated: {found.tally.unevaluated}"
    for when, each in zip(("beginning", "end"), found.memory, strict=True):
        yield (
            f"  memory at the {when}: {each.resident:.0f} MB resident in all processes of the service;"
            f" {each.shared_once:.0f} MB where what they share counts once"
        )
    if found.rows is not None:
        yield f"  records: {found.rows:,} of {found.tally.answered:,} answers, the last {found.behind:.1f} s behind"
    yield f"  a call: {told['requestBytes']:,.0f} bytes sent, {told['answerBytes']:,.0f} received, with HTTP heads"
    yield (
        f"  the generator used {found.cores(GENERATOR):.2f} processors, {found.cores(GENERATOR) / found.cores():.0%} of"
        " all that were busy: on a machine of its own it would take nothing from the service"
    )
