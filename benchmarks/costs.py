"""What records and tokens cost a call: the service without either, with records, and with both, beside the limit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import Final

from benchmarks.charts import Calls
from benchmarks.servers import PUBLIC, SERVICE, Cell, Duel, Target, authorization, server

BARE: Final = "neither"
RECORDED: Final = "records"
TRUSTED: Final = "records and tokens"
_LIMIT: Final = "limit"
_FIRST: Final = 1_000_000
"""Number of the first call: beyond those that were asked before."""


def measured(
    recorded: Target, limit: Target, calls: Calls, seconds: float, least: int, progress: Callable[[float], None]
) -> Cell:
    """The same repeated calls to the service as it is by default, to the limit, and to two services more, in turn."""
    with ExitStack() as stack:
        bare = stack.enter_context(server(BARE, SERVICE, CDS_STORE="off"))
        trust = {"CDS_JWT": "required", "CDS_PUBLIC_URL": PUBLIC}
        trusted = stack.enter_context(server(TRUSTED, SERVICE, authorization, **trust))
        targets = (limit, bare, replace(recorded, name=RECORDED), trusted)
        return Duel(targets, first=_FIRST).run(calls.size, True, calls.repeated, seconds, least, progress)


def rows(cell: Cell) -> Iterator[tuple[str, float, float, float]]:
    """(what is on, CPU of a call in ms, how many times that of the limit, p50 in ms)."""
    for name in (BARE, RECORDED, TRUSTED):
        yield name, cell.cpu[name] * 1e3, cell.ratio_cpu(name, _LIMIT), cell.percentile(name, 0.5) * 1e3
