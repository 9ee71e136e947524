"""`make openloop`: what the service bears on this machine, and how long callers wait at a share of that.

The calls arrive when they are due, not when the service has time for them, and their time counts from that moment.
Everything is on this machine's loopback, the generator too: what it uses is measured and told beside the rest.
"""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import click

from benchmarks import history, planning
from benchmarks.arrivals import SCHEDULES
from benchmarks.charts import Calls
from benchmarks.costs import BARE, RECORDED, TRUSTED
from benchmarks.generator import Requests, closed, opened, probed
from benchmarks.latency import buckets, strict
from benchmarks.measured import Measured, line, measure, report
from benchmarks.process import require_proc
from benchmarks.running import SECRET, SERVICE_PARTS, Running, alone, replicated
from benchmarks.servers import PUBLIC, BenchError, authorization
from benchmarks.stored import connections, look, timed, version
from cds_service import knowledge
from cds_service.chart import prefetch

_CONNECTIONS: Final = 4
"""For each worker: as many calls as it has in work by default (CDS_THREADS)."""
_MOST_WAITING: Final = 512
COSTS: Final[dict[str, tuple[Callable[[], str], dict[str, str]]]] = {
    BARE: (str, {"CDS_STORE": "off"}),
    RECORDED: (str, {}),
    TRUSTED: (authorization, {"CDS_JWT": "required", "CDS_PUBLIC_URL": PUBLIC, "CDS_CALLS_PER_MINUTE": "0"}),
}


@dataclass(frozen=True, slots=True)
class Plan:
    """What to measure. `seconds` and `share` are of the open load, `short` of each closed one, `warm` before each;
    `first`: share of calls with charts that nobody saw before; `calls`: how many an open load has at most."""

    calls: Calls
    seconds: float = 600.0
    share: float = 0.6
    workers: tuple[int, ...] = (1, 2)
    replicas: int = 0
    short: float = 15.0
    warm: float = 5.0
    first: float = 0.5
    schedule: str = "poisson"
    seed: int = 1
    most: int = 1_000_000

    def requests(self, running: Running) -> Requests:
        """Calls that nobody has asked on what is running."""
        return Requests(self.calls, self.first, self.seed, running.headers)


def run(plan: Plan, say: Callable[[str], None] = print) -> dict[str, Any]:
    """Measure everything; the numbers under names that say their units."""
    others = os.getloadavg()[0]
    say(f"before: {others:.2f} processes of others were running or wanted to (load of the last minute)")
    costs = [cost(plan, name, say) for name in COSTS] if plan.replicas else []
    capacity, idle = list[Measured](), list[Measured]()
    load = None
    for workers in plan.workers:
        with alone(workers) as running:
            requests = plan.requests(running)
            idle.append(measure(running, "idle", probed(running.port, 2 * plan.short), workers))
            say(f"{workers} x worker, idle: {idle[-1].cores(*SERVICE_PARTS):.4f} processors busy")
            capacity.append(_capacity(plan, running, requests, f"{workers} x worker", workers, 1, say))
            if plan.seconds and workers == plan.workers[-1]:
                load = _load(plan, running, requests, capacity[-1], say)
    _scaling(capacity, say)
    replicas, stored = doubled(plan, say)
    _scaling(replicas, say)
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": history.commit(),
        "machine": history.machine(),
        "python": platform.python_version(),
        "resources": plan.calls.size,
        "firstSight": plan.first,
        "schedule": plan.schedule,
        "seed": plan.seed,
        "share": plan.share,
        "loadBefore": others,
        "costs": [found.as_json() for found in costs],
        "idle": [found.as_json() for found in idle],
        "capacity": [found.as_json() for found in capacity],
        "replicas": [found.as_json() for found in replicas],
        "stored": stored,
        "load": load.as_json() if load else None,
        "histogram": [[each.least * 1e3, each.count] for each in buckets(load.tally.took)] if load else [],
    }


def _capacity(
    plan: Plan,
    running: Running,
    requests: Requests,
    name: str,
    workers: int,
    replicas: int,
    say: Callable[[str], None],
    connections: int = _CONNECTIONS,
) -> Measured:
    """A closed load after another one that is not counted."""
    connections *= workers * replicas
    measure(running, "warm", closed(running.port, requests, connections, plan.warm), workers)
    found = measure(running, name, closed(running.port, requests, connections, plan.short), workers, replicas)
    say(line(found))
    return found


def _load(plan: Plan, running: Running, requests: Requests, capacity: Measured, say: Callable[[str], None]) -> Measured:
    """The open load, at its share of what was borne."""
    rate = capacity.rate * plan.share
    moments = SCHEDULES[plan.schedule](rate, plan.seconds, plan.seed)
    say(f"\n{plan.schedule} arrivals, {rate:.1f} a second ({plan.share:.0%} of that) for {plan.seconds:g} s:")
    work = opened(running.port, requests, moments, _MOST_WAITING, plan.most)
    found = measure(running, "open load", work, capacity.workers, offered=rate)
    for each in report(found):
        say(each)
    say("")
    return found


def cost(plan: Plan, name: str, say: Callable[[str], None]) -> Measured:
    """What a call costs one worker that is asked by one client, with or without records and tokens."""
    headers, settings = COSTS[name]
    with alone(1, headers, **settings) as running:
        return _capacity(plan, running, plan.requests(running), name, 1, 1, say, connections=1)


def doubled(plan: Plan, say: Callable[[str], None]) -> tuple[list[Measured], dict[str, Any]]:
    """What one replica bears, and what all of them bear together; what the calls of the latter left in PostgreSQL."""
    found, left = list[Measured](), dict[str, Any]()
    each = plan.workers[0]
    for count in sorted({1, plan.replicas} if plan.replicas else ()):
        with replicated(count, each) as running:
            assert running.database is not None
            before, name = look(running.database), f"{count} x replica behind nginx, on PostgreSQL"
            found.append(_capacity(plan, running, plan.requests(running), name, each, count, say))
            connected = connections(running.database) / (count * each)
            left = look(running.database).since(before) | timed(running.database, SECRET)
            left |= {"connectionsPerWorker": connected, "postgresql": version(running.database)}
    return found, left


def _scaling(found: list[Measured], say: Callable[[str], None]) -> None:
    """How many times what the first one bears."""
    for each in found[1:]:
        say(f"{each.name}: {each.rate / found[0].rate:.2f} times what {found[0].name} bears")


def _numbers(_context: click.Context, _parameter: click.Parameter, value: str) -> tuple[int, ...]:
    """`1,2` as numbers."""
    try:
        numbers = tuple(int(each) for each in value.split(","))
    except ValueError:
        numbers = ()
    if not numbers or not all(1 <= each <= 64 for each in numbers):
        raise click.BadParameter("expected numbers from 1 to 64, by commas")
    return numbers


@click.command()
@click.option(
    "--seconds", default=600.0, show_default=True, type=click.FloatRange(0, 86_400), help="Open load; 0: none."
)
@click.option("--share", default=0.6, show_default=True, type=click.FloatRange(0.01, 2), help="Of the capacity.")
@click.option("--workers", default="1,2", show_default=True, callback=_numbers, help="The last one gets the open load.")
@click.option("--replicas", default=0, show_default=True, type=click.IntRange(0, 8), help="And what records cost.")
@click.option("--size", default=60, show_default=True, type=click.IntRange(1), help="Prefetched resources of a call.")
@click.option("--first", default=0.5, show_default=True, type=click.FloatRange(0, 1), help="Share of new charts.")
@click.option("--schedule", default="poisson", show_default=True, type=click.Choice(sorted(SCHEDULES)))
@click.option("--seed", default=1, show_default=True, help="Of what is random.")
@click.option("--short", default=15.0, show_default=True, type=click.FloatRange(0.1, 600), help="Each closed load.")
@click.option("--most", default=1_000_000, show_default=True, type=click.IntRange(1), help="Calls of the open load.")
@click.option("--json", "out", type=click.Path(path_type=Path, dir_okay=False), help="Write all numbers here, too.")
@click.option("--markdown", is_flag=True, help="Print the tables of docs/scale.md.")
def main(size: int, out: Path | None, markdown: bool, **chosen: Any) -> None:
    """What the service bears with each number of workers, and an open load at a share of it.

    With `--replicas 2`: what one and two replicas on one PostgreSQL behind nginx bear, what a call leaves there, and
    what it costs with and without records and tokens. Exit code 1: a call of the open load was lost or not recorded.
    """
    require_proc()
    calls = Calls(prefetch.templates(knowledge.load()), size)
    try:
        found = strict(run(Plan(calls, **chosen)))
    except BenchError as error:
        sys.exit(f"error: {error}")
    if out is not None:
        out.write_text(json.dumps(found, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    if markdown:
        print()
        for table in planning.tables(found).values():
            print("\n".join((*table, "")))
    faults = list(lost(found["load"]))
    for fault in faults:
        print(f"fault: {fault}")
    sys.exit(1 if faults else 0)


def lost(load: dict[str, Any] | None) -> Iterator[str]:
    """What must not be in an open load, whatever it was offered."""
    if load is None:
        return
    answered = load["statuses"].get("200", 0)
    if load["statuses"].get("none"):
        yield f"{load['statuses']['none']} calls got no answer"
    if load["rows"] is not None and load["rows"] != answered:
        yield f"{answered} answers and {load['rows']} records of them"


if __name__ == "__main__":
    main()
