"""`make hostile`: charts that somebody made to be slow or large, each put to a served worker in three sizes.

What counts is the CPU of the worker for the largest body that is taken, and how it grows from half of that to the
whole: twice the bytes, twice the work. Beside it the memory that a worker keeps after very many different long strings.
Timings are shown, never asserted: what is linear is counted in steps by `tests/test_hostile_charts.py`.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass

import click
from rich.console import Console
from rich.table import Table

from benchmarks.attacks import ATTACKS
from benchmarks.charts import example_call
from benchmarks.floods import FLOODS
from benchmarks.process import cpu_seconds, require_proc, resident_mb
from benchmarks.servers import SERVICE, BenchError, Target, server
from benchmarks.shapes import Call
from cds_service import knowledge
from cds_service.chart import prefetch

MOST_SECONDS = 1.0
_MOST = 1_900_000  # a body of 2 MiB is the largest that is taken
SIZES = (_MOST // 4, _MOST // 2, _MOST)
_FLOOD = 300


@dataclass(frozen=True, slots=True)
class Row:
    """One attack: bytes sent and CPU seconds of the worker, by size."""

    name: str
    sent: tuple[int, ...]
    cpu: tuple[float, ...]

    @property
    def growth(self) -> float:
        """How the work grows from half the size to the whole: 2 is linear. A few clock ticks tell nothing."""
        return self.cpu[-1] / self.cpu[-2] if self.cpu[-2] >= 0.05 else float("nan")


def measure(target: Target, name: str, base: Call) -> Row:
    """An attack in each size, each as a chart that was never seen before."""
    sent, taken = [], []
    for size in SIZES:
        body = ATTACKS[name](base, size)
        before = cpu_seconds(target.worker)
        target.ask(body)
        taken.append(cpu_seconds(target.worker) - before)
        sent.append(len(body))
        target.rest()
    return Row(name, tuple(sent), tuple(taken))


def flood(target: Target, name: str, base: Call, calls: int) -> tuple[float, float]:
    """MB of the worker before and after so many calls that differ in one long string each."""
    before = resident_mb(target.worker)
    for number in range(calls):
        target.ask(FLOODS[name](base, number))
    target.rest()
    return before, resident_mb(target.worker)


@click.command()
@click.option("--only", default="", help="Only attacks and floods whose name holds this.")
@click.option("--calls", default=_FLOOD, show_default=True, help="Calls of each flood.")
def main(only: str, calls: int) -> None:
    """Put hostile charts to a worker of the service: CPU and growth of each, and the memory that it keeps."""
    require_proc()
    console = Console()
    base = example_call(prefetch.templates(knowledge.load()))
    try:
        _attack(console, base, only)
        _flood(console, base, only, calls)
    except BenchError as error:
        sys.exit(f"error: {error}")


def _attack(console: Console, base: Call, only: str) -> None:
    table = Table("chart", "MB", *(f"{size / 1e6:.1f} MB, ms" for size in SIZES), "growth", title="CPU of the worker")
    slow = []
    names = [name for name in ATTACKS if only in name]
    with server("service", SERVICE) as target:
        target.ask(json.dumps(base).encode())
        for name in names:
            row = measure(target, name, base)
            cpu = (f"{taken * 1e3:.0f}" for taken in row.cpu)
            table.add_row(name, f"{row.sent[-1] / 1e6:.2f}", *cpu, f"{row.growth:.1f}x")
            slow += [name] if row.cpu[-1] > MOST_SECONDS else []
    if names:
        console.print(table)
        console.print(f"over {MOST_SECONDS:g} s: {', '.join(slow) or 'none'}", highlight=False)


def _flood(console: Console, base: Call, only: str, calls: int) -> None:
    names = [name for name in FLOODS if only in name]
    title = f"Memory of one worker, {calls} calls of each, one after the other"
    table = Table("what differs", "MB before", "MB after", title=title)
    with server("service", SERVICE) as target:
        target.ask(json.dumps(base).encode())
        for name in names:
            before, after = flood(target, name, base, calls)
            table.add_row(name, f"{before:.0f}", f"{after:.0f}")
    if names:
        console.print(table)


if __name__ == "__main__":
    main()
