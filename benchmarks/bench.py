"""`make bench`: the service beside the limit (see limit.py) in one run, and where its time goes."""

from __future__ import annotations

import json
import platform
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table

from benchmarks import costs, history
from benchmarks.charts import Calls
from benchmarks.latency import strict
from benchmarks.process import require_proc
from benchmarks.servers import LIMIT, PEER, SERVICE, BenchError, Cell, Duel, Target, server
from benchmarks.steps import STEPS, check, measure
from cds_service import knowledge
from cds_service.service import Service

SIZES = (60, 600)
# (size, repeated) -> how many times the CPU of the limit a call may cost.
GOALS = {(60, False): 4.0, (60, True): 2.5, (600, False): 3.0, (600, True): 1.3}
_SHARE_OF_STEPS = 0.25
_SHARE_OF_COSTS = 0.25
_COST = ("on", "cpuMs", "cpuRatio", "p50Ms")
_LEAST = 30
_OURS, _LIMIT, _PEER = "service", "limit", "peer"


@dataclass(slots=True)
class Report:
    """Everything measured in one run. `steps`: (size, repeated) -> microseconds per step."""

    start_up: dict[str, float] = field(default_factory=dict)
    """Seconds."""

    cells: list[Cell] = field(default_factory=list)
    steps: dict[tuple[int, bool], dict[str, float]] = field(default_factory=dict)
    costs: Cell | None = None
    """Repeated calls of the smallest size, with and without records and tokens."""

    def as_json(self) -> dict[str, Any]:
        """The numbers under names that say their units."""
        return {
            "python": platform.python_version(),
            "startUpSeconds": self.start_up,
            "sideBySide": [_cell_json(cell) for cell in self.cells],
            "recordsAndTokens": [dict(zip(_COST, row, strict=True)) for row in _costs(self)],
            "stepsMicroseconds": [
                {"resources": size, "repeated": repeated, "steps": steps}
                for (size, repeated), steps in self.steps.items()
            ],
        }


def _cell_json(cell: Cell) -> dict[str, Any]:
    servers = {
        name: {
            "cpuMs": cell.cpu[name] * 1e3,
            "p50Ms": cell.percentile(name, 0.5) * 1e3,
            "p99Ms": cell.percentile(name, 0.99) * 1e3,
            "residentMB": cell.resident_mb[name],
        }
        for name in (_OURS, _LIMIT, _PEER)
    }
    head = {"resources": cell.size, "repeated": cell.repeated, "requests": cell.requests, "bodyBytes": cell.body_bytes}
    return {
        **head,
        **servers,
        "cpuRatio": cell.ratio_cpu(_OURS, _LIMIT),
        "peerRatio": cell.ratio_cpu(_PEER, _LIMIT),
        "goal": _goal(cell),
    }


def _goal(cell: Cell) -> float | None:
    return GOALS.get((cell.size, cell.repeated))


def _costs(report: Report) -> list[tuple[str, float, float, float]]:
    return list(costs.rows(report.costs)) if report.costs else []


# ---------------------------------------------------------------- measuring


def run(seconds: float, sizes: tuple[int, ...], console: Console, least: int = _LEAST) -> Report:
    """Measure for about `seconds`, at least `least` requests of each kind."""
    report = Report()
    service = _start(report)
    templates = service.discovery()[0]["prefetch"]
    calls = [Calls(templates, size) for size in sizes]
    columns = (TextColumn("{task.description:<40}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("starting three servers", total=seconds)
        _side_by_side(report, calls, seconds * (1 - _SHARE_OF_STEPS), least, bar, task)
        _step_by_step(report, service, calls, seconds * _SHARE_OF_STEPS, bar, task)
    return report


def _start(report: Report) -> Service:
    start = time.perf_counter()
    loaded = knowledge.load()
    between = time.perf_counter()
    service = Service.start(loaded)
    report.start_up["load the knowledge"] = between - start
    report.start_up["start the service: compile, FHIR models, warm engine"] = time.perf_counter() - between
    return service


def _kinds(calls: list[Calls]) -> list[tuple[int, bool, Callable[[int], bytes]]]:
    """First sight before repeated: a service that has run for a while has seen many charts."""
    pairs = [((c.size, False, c.first_sight), (c.size, True, c.repeated)) for c in calls]
    return [kind for pair in pairs for kind in pair]


def _side_by_side(report: Report, calls: list[Calls], seconds: float, least: int, bar: Progress, task: TaskID) -> None:
    kinds = _kinds(calls)
    with server(_OURS, SERVICE) as ours:
        answer, _ = ours.ask(calls[0].repeated(0))
        check(json.loads(answer))
        with server(_LIMIT, (*LIMIT, "--bytes", str(len(answer)))) as limit, server(_PEER, PEER) as peer:
            for target in (ours, limit):
                report.start_up[f"{target.name}: a new process, until it listens"] = target.started
            _fight(report, (ours, limit, peer), kinds, seconds * (1 - _SHARE_OF_COSTS) / len(kinds), least, bar, task)
            bar.update(task, description="records and tokens")
            left = seconds * _SHARE_OF_COSTS
            report.costs = costs.measured(ours, limit, calls[0], left, least, lambda taken: bar.advance(task, taken))


def _fight(
    report: Report,
    targets: tuple[Target, ...],
    kinds: list[tuple[int, bool, Callable[[int], bytes]]],
    seconds: float,
    least: int,
    bar: Progress,
    task: TaskID,
) -> None:
    duel = Duel(targets, first=1)
    for size, repeated, body in kinds:
        bar.update(task, description=f"side by side: {_kind(size, repeated)}")
        report.cells.append(duel.run(size, repeated, body, seconds, least, lambda taken: bar.advance(task, taken)))


def _step_by_step(
    report: Report, service: Service, calls: list[Calls], seconds: float, bar: Progress, task: TaskID
) -> None:
    kinds = _kinds(calls)
    first = 1
    for size, repeated, body in kinds:
        bar.update(task, description=f"step by step: {_kind(size, repeated)}")
        report.steps[size, repeated], made = measure(
            service, body, first, seconds / len(kinds), lambda taken: bar.advance(task, taken)
        )
        first += made + 3


def _kind(size: int, repeated: bool) -> str:
    return f"{size} {'repeated' if repeated else 'first sight'}"


# ---------------------------------------------------------------- showing


def show(report: Report, console: Console) -> None:
    """Side by side, step by step, start-up: tables that fit into 80 columns."""
    console.print(_cpu_table(report))
    console.print(_goals(report), highlight=False)
    console.print(_latency_table(report))
    console.print(_costs_table(report))
    console.print(_step_table(report))
    console.print(_start_up_table(report))


def _table(title: str, first: str, numbers: tuple[str, ...]) -> Table:
    table = Table(title=f"\n{title}", title_justify="left", title_style="bold")
    table.add_column(first)
    for name in numbers:
        table.add_column(name, justify="right")
    return table


def _cpu_table(report: Report) -> Table:
    numbers = ("calls", "KB sent", "service", "limit", "ratio", "peer", "memory MB")
    table = _table("CPU a call, ms: the service and a bare Flask view on the same server", "resources", numbers)
    for cell in report.cells:
        ours, limit = (f"{cell.cpu[name] * 1e3:.2f}" for name in (_OURS, _LIMIT))
        ratio = f"[bold]{cell.ratio_cpu(_OURS, _LIMIT):.1f}x[/bold]"
        peer = f"{cell.ratio_cpu(_PEER, _LIMIT):.1f}x"
        sizes = f"{cell.requests:,}", f"{cell.body_bytes / 1e3:.0f}"
        memory = f"{cell.resident_mb[_OURS]:.0f}"
        table.add_row(_kind(cell.size, cell.repeated), *sizes, ours, limit, ratio, peer, memory)
    table.caption = "peer: four plain rules on dictionaries, nothing validated, unknown or explained (peer.py)"
    return table


def _latency_table(report: Report) -> Table:
    numbers = ("p50 service", "limit", "ratio", "p99 service", "limit", "ratio")
    table = _table("Latency, ms, as a client on this machine sees it", "resources", numbers)
    for cell in report.cells:
        row = []
        for share in (0.5, 0.99):
            ours, limit = cell.percentile(_OURS, share), cell.percentile(_LIMIT, share)
            row += [f"{ours * 1e3:.2f}", f"{limit * 1e3:.2f}", f"{ours / limit:.1f}x"]
        table.add_row(_kind(cell.size, cell.repeated), *row)
    return table


def _costs_table(report: Report) -> Table:
    table = _table(
        "What records and tokens cost: the first kind of call, repeated", "on", ("CPU ms", "ratio", "p50 ms")
    )
    for name, cpu, ratio, middle in _costs(report):
        table.add_row(name, f"{cpu:.2f}", f"[bold]{ratio:.1f}x[/bold]", f"{middle:.2f}")
    return table


def _goals(report: Report) -> str:
    """One line for each kind of call that has a goal."""
    lines = []
    for cell in report.cells:
        goal = _goal(cell)
        if goal is not None:
            ratio = cell.ratio_cpu(_OURS, _LIMIT)
            reached = "[green]reached[/green]" if ratio <= goal else "[red]missed[/red]"
            lines.append(
                f"goal, {_kind(cell.size, cell.repeated)}: at most {goal:g}x the limit's CPU: {reached} ({ratio:.1f}x)"
            )
    return "\n".join(lines)


def _step_table(report: Report) -> Table:
    numbers = tuple(_kind(size, repeated) for size, repeated in report.steps)
    table = _table("Where the time goes: microseconds a call (medians, in this process)", "step", numbers)
    for step, meaning in STEPS.items():
        table.add_row(f"{step}: {meaning}", *(f"{steps[step]:,.0f}" for steps in report.steps.values()))
    table.add_section()
    table.add_row("sum", *(f"{sum(steps.values()):,.0f}" for steps in report.steps.values()))
    cpu: Mapping[tuple[int, bool], float] = {(c.size, c.repeated): c.cpu[_OURS] * 1e6 for c in report.cells}
    rest = [f"{cpu[kind] - sum(steps.values()):,.0f}" for kind, steps in report.steps.items()]
    table.add_row("else: HTTP, log, garbage collection (CPU above, less the sum)", *rest)
    return table


def _start_up_table(report: Report) -> Table:
    table = _table("Start-up", "until the first call can be answered", ("ms",))
    for name, taken in report.start_up.items():
        table.add_row(name, f"{taken * 1e3:.0f}")
    return table


@click.command()
@click.option(
    "--seconds", default=75.0, show_default=True, type=click.FloatRange(1), help="How long to measure, about."
)
@click.option("--json", "out", type=click.Path(path_type=Path, dir_okay=False), help="Write all numbers here, too.")
@click.option("--history/--no-history", "keep", default=True, help="Add a line to benchmarks/history.jsonl.")
def main(seconds: float, out: Path | None, keep: bool) -> None:
    """Measure the service and the limit side by side with 60 and 600 prefetched resources.

    Both run under the service's own gunicorn server with one worker, and answer the same requests in turn. CPU is
    that of the worker process per request; latency is that of a client on this machine whose connection stays open.
    First sight: each call brings another chart. Repeated: the same chart again, as while an order is being edited.
    """
    require_proc()
    console = Console()
    try:
        report = run(seconds, SIZES, console)
    except BenchError as error:
        sys.exit(f"error: {error}")
    show(report, console)
    if keep:
        line = history.line_of(report.as_json())
        last = history.kept(line)
        for slower in history.compared(line, last) if last else ():
            console.print(slower, highlight=False)
    if out is not None:
        out.write_text(json.dumps(strict(report.as_json()), indent=2, allow_nan=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
