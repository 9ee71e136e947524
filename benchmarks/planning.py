"""The tables of `docs/scale.md`: what `make openloop` measured, and what that means for very many hospitals.

What is measured comes from `benchmarks/scale.json`; what is assumed is an option here, and stands beside each result.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import click

from benchmarks.need import GENERATOR, SERVICE, Assumed, Cost, Found, cost_of, need, parted

FILE: Final = Path(__file__).with_name("scale.json")
PAGE: Final = Path(__file__).parents[1] / "docs/scale.md"
PARTS: Final = ("run", "plan", "sites", "idle", "costs", "capacity", "load", "stored")
"""Of the page, each with what was measured."""
_NOTHING: Final = "*Not measured yet on a machine that had nothing else to do.*"
_PART: Final = re.compile(r"(<!-- measured: ([a-z]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def tables(found: Found, assumed: Assumed | None = None) -> dict[str, list[str]]:
    """The lines of each table that the measurements suffice for, by its name on the page."""
    taken = assumed or Assumed(share=found["share"])
    made = {
        "run": list(_run(found)),
        "capacity": list(_capacity(found)),
        "idle": list(_idle(found)),
        "sites": list(_sites(taken, found["idle"][0], found["capacity"][0])),
    }
    if found["costs"]:
        made["costs"] = list(_costs(found["costs"]))
    if found["load"]:
        made["load"] = list(_load(found["load"]))
    if found["stored"]:
        made["stored"] = list(_stored(found["stored"]))
        made["plan"] = list(_plan(taken, cost_of(found)))
    return made


def _run(found: Found) -> Iterator[str]:
    run = (*found["costs"], *found["capacity"])[-1]
    yield (
        f"Measured on {found['at'][:10]} with version {found['commit']}, Python {found['python']}, on"
        f" {found['machine']} (processors), which service, database, nginx and generator shared; load of others before:"
        f" {found['loadBefore']:.2f}. A call has {found['resources']} resources, {run['requestBytes'] / 1e3:.0f} kB;"
        f" {found['firstSight']:.0%} of the calls bring a chart that nobody saw before."
    )


def _costs(costs: list[Found]) -> Iterator[str]:
    yield "| with | workers, ms | rules engine, ms | together, ms | core-seconds for a million calls | p50, ms |"
    yield "|---|---:|---:|---:|---:|---:|"
    for run in costs:
        parts = [run["cpuMs"][part] for part in SERVICE]
        told = " | ".join(f"{each:.2f}" for each in (*parts, sum(parts)))
        yield f"| {run['name']} | {told} | {sum(parts) * 1e3:,.0f} | {_ms(run['ms']['p50'])} |"


def _capacity(found: Found) -> Iterator[str]:
    yield (
        "| what | answers a second | times the first | service, CPU ms an answer | nginx and PostgreSQL, ms |"
        " generator, ms | processors busy | with others' work | machine full | other than 200 |"
    )
    yield "|---|---:|---:|---:|---:|---:|---:|---:|---|---:|"
    for group in (found["capacity"], found["replicas"]):
        for run in group:
            cpu = run["cpuMs"]
            service, around = parted(cpu)
            others = sum(run["statuses"].values()) - run["statuses"].get("200", 0)
            yield (
                f"| {run['name']} | {run['perSecond']:.0f} | {run['perSecond'] / group[0]['perSecond']:.2f} |"
                f" {service:.2f} | {around:.2f} | {cpu[GENERATOR]:.2f} | {sum(run['cores'].values()):.2f} |"
                f" {run['coresOfOthers']:.2f} |"
                f" {'yes' if run['machineWasFull'] else 'no'} | {others:,} |"
            )


def _idle(found: Found) -> Iterator[str]:
    yield "| a service | processors busy while nobody calls | memory at the start, MB | after the closed load, MB |"
    yield "|---|---:|---:|---:|"
    for idle, run in zip(found["idle"], found["capacity"], strict=True):
        cores = sum(idle["cores"][part] for part in SERVICE)
        memory = f"{idle['sharedOnceMB'][0]:.0f} | {run['sharedOnceMB'][1]:.0f}"
        yield f"| {idle['workers']} x worker | {cores:.4f} | {memory} |"


def _sites(assumed: Assumed, idle: Found, run: Found) -> Iterator[str]:
    """Each hospital with a service of its own, of the fewest workers that were measured."""
    services = assumed.hospitals * (1 + assumed.spare)
    cores = services * sum(idle["cores"][part] for part in SERVICE)
    yield f"| {assumed.hospitals:,} hospitals with a site each, {assumed.spare} replica more for each | |"
    yield "|---|---:|"
    yield f"| services of {run['workers']} worker | {services:,} |"
    yield f"| memory, GB | {services * run['sharedOnceMB'][1] / 1e3:,.0f} |"
    yield f"| processors busy while nobody calls | {cores:,.1f} |"


def _ms(took: float | None) -> str:
    """A percentile; there is none of nothing."""
    return "-" if took is None else f"{took:.1f}"


def _load(run: Found) -> Iterator[str]:
    yield "| of the open load | |"
    yield "|---|---|"
    yield f"| arrivals | {run['offeredPerSecond']:.1f} a second for {run['seconds']:.0f} s, {run['workers']} workers |"
    told = ", ".join(f"{count:,} x {status}" for status, count in run["statuses"].items())
    yield f"| answers by status | {told}; {run['unevaluated']} not evaluated |"
    for title, key in (("from the schedule", "ms"), ("generator late", "lateMs")):
        yield f"| {title} | " + ", ".join(f"{share} {_ms(each)} ms" for share, each in run[key].items()) + " |"
    yield f"| records | {run['rows']:,}, the last {run['rowsBehindSeconds']:.1f} s after the last answer |"
    for title, key in (("resident, all processes", "residentMB"), ("what they share counted once", "sharedOnceMB")):
        yield f"| memory, {title} | {run[key][0]:.0f} MB at the beginning, {run[key][1]:.0f} MB at the end |"
    cores = run["cores"]
    service = sum(cores[part] for part in SERVICE)
    told = f"service {service:.2f}, generator {cores[GENERATOR]:.2f}, others' work {run['coresOfOthers']:.2f}"
    yield f"| processors busy | {told} |"
    yield f"| bytes of a call | {run['requestBytes']:,.0f} sent, {run['answerBytes']:,.0f} received |"


def _stored(stored: Found) -> Iterator[str]:
    names = {"auditBytes": "`audit`, with its indexes", "cardBytes": "`card`, with its indexes"}
    names |= {"totalBytes": "all tables together", "textBytes": "the record's text, as it is exported"}
    names |= {"walBytes": "written to PostgreSQL's log"}
    of = f"from {stored['records']:,} records in PostgreSQL {stored['postgresql']}"
    yield f"| of one call, {of} | bytes, or as it says |"
    yield "|---|---:|"
    yield from (f"| {title} | {stored[name]:,.0f} |" for name, title in names.items() if name in stored)
    yield f"| rows of `card` | {stored['cards']:.2f} |"
    yield f"| connections of one worker | {stored['connectionsPerWorker']:.1f} |"
    yield f"| records a second that one process appends, ten to a transaction | {stored['appendedPerSecond']:,.0f} |"
    yield f"| records a second that `audit verify` looks at | {stored['verifiedPerSecond']:,.0f} |"
    yield f"| records a second that `audit retention` takes away after that | {stored['takenPerSecond']:,.0f} |"


def _plan(assumed: Assumed, cost: Cost) -> Iterator[str]:
    """For calls a day ten times less and more, too: they are the least certain."""
    many = [assumed.calls / 10, assumed.calls, assumed.calls * 10]
    needs = [need(replace(assumed, calls=each), cost) for each in many]
    rows: list[tuple[str, list[str]]] = [
        ("calls a second, mean", [f"{each.mean:,.1f}" for each in needs]),
        (f"calls a second, busiest ({assumed.peak:g} times the mean)", [f"{each.busiest:,.1f}" for each in needs]),
        ("processors of the service busy then", [f"{each.cores:,.2f}" for each in needs]),
        ("processors of nginx and PostgreSQL busy then", [f"{each.around:,.2f}" for each in needs]),
        (
            f"replicas of {assumed.workers} workers, {assumed.share:.0%} busy, and {assumed.spare} more",
            [f"{each.replicas}" for each in needs],
        ),
        ("core-hours for a million calls, all replicas all day", [f"{each.paid:,.1f}" for each in needs]),
        ("network then, Mbit a second", [f"{each.megabits:,.1f}" for each in needs]),
        ("the chain of records busy then", [f"{each.chain:.0%}" for each in needs]),
        ("records a year, millions", [f"{each.rows / 1e6:,.1f}" for each in needs]),
        ("database a year, GB", [f"{each.stored / 1e9:,.0f}" for each in needs]),
        ("records a year as text, GB", [f"{each.text / 1e9:,.0f}" for each in needs]),
        ("`audit verify` of a year's records, hours", [f"{each.verifying:,.1f}" for each in needs]),
    ]
    head = " | ".join(f"{each:,.0f} calls" for each in many)
    yield f"| {assumed.hospitals:,} hospitals; each, a day | {head} |"
    yield "|---|" + "---:|" * len(many)
    yield from (f"| {title} | {' | '.join(cells)} |" for title, cells in rows)


def filled(text: str, found: Found | None) -> str:
    """The page with its tables as they are now; None: nothing is measured yet, and it says so.

    Raises ValueError where its marks are not those of the tables.
    """
    made = tables(found) if found else {name: [_NOTHING] for name in PARTS}
    names = [name for _, name, _ in _PART.findall(text)]
    if not sorted(names) == sorted(made) == sorted(PARTS):
        raise ValueError(f"{PAGE.name}: expected one part each of {', '.join(PARTS)} (found: {names})")
    return _PART.sub(lambda part: "\n".join((part[1], *made[part[2]], "", part[3])), text)


def read(file: Path = FILE) -> Found | None:
    """What was measured, where anything was."""
    found: Found | None = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else None
    return found


@click.command()
@click.option("--hospitals", default=1000, show_default=True, type=click.IntRange(1))
@click.option("--calls", default=1000.0, show_default=True, type=click.FloatRange(0.001), help="Of each, a day.")
@click.option("--peak", default=5.0, show_default=True, type=click.FloatRange(1), help="Busiest minute over the mean.")
@click.option(
    "--share", default=0.6, show_default=True, type=click.FloatRange(0.01, 1), help="How busy workers may be."
)
@click.option("--workers", default=2, show_default=True, type=click.IntRange(1, 64), help="Of each replica.")
@click.option("--spare", default=1, show_default=True, type=click.IntRange(0), help="Replicas that may be gone.")
@click.option("--write", is_flag=True, help="Write the tables into docs/scale.md, with what is assumed there.")
@click.argument("file", default=FILE, type=click.Path(path_type=Path, dir_okay=False))
def main(file: Path, write: bool, **assumed: Any) -> None:
    """Print the tables from what `make openloop` wrote, with assumptions of your own."""
    found = read(file)
    if write:
        PAGE.write_text(filled(PAGE.read_text(encoding="utf-8"), found), encoding="utf-8")
        return
    if found is None:
        raise click.ClickException(f"{file}: not there; make openloop REPLICAS=2 writes it")
    for lines in tables(found, Assumed(**assumed)).values():
        print("\n".join((*lines, "")))


if __name__ == "__main__":
    main()
