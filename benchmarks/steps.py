"""Where the time of one call goes, step by step, measured in this process without HTTP."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from unittest.mock import patch

from benchmarks.charts import DECISION, HOOK, SERVICE_ID
from cds_service.assess import assess
from cds_service.chart import read as read_module
from cds_service.chart import resource as resource_module
from cds_service.chart.validation import problem_of
from cds_service.engine import Engine
from cds_service.facts.gather import Gatherer
from cds_service.service import Service
from cds_service.tools.replay.run import explanation
from cds_service.web.door import read_call
from cds_service.web.outcome import answer as encode

STEPS = {
    "door": "envelope",
    "parse": "prefetch values",
    "chart": "digest, select",
    "validate": "FHIR models",
    "facts": "the rest of them",
    "engine": "both evaluators",
    "decision": "first card, dose",
    "cards": "fill them",
    "encode": "JSON",
}
# Steps that happen inside another one, whose time they are taken out of.
_INSIDE = {"parse": "chart", "validate": "facts", "facts": "decision", "engine": "decision"}


@dataclass(slots=True)
class Clock:
    """Seconds per step of one call after another."""

    calls: list[dict[str, float]] = field(default_factory=list)
    _last: float = 0.0

    def start(self) -> None:
        """Another call begins."""
        self.calls.append(dict.fromkeys(STEPS, 0.0))
        self._last = time.perf_counter()

    def mark(self, step: str) -> None:
        """A step ended."""
        now = time.perf_counter()
        self.calls[-1][step] += now - self._last
        self._last = now

    def inside(self, step: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """`function`, whose time is counted for `step` and not for the step that it happens in."""

        def timed(*arguments: Any) -> Any:
            start = time.perf_counter()
            result = function(*arguments)
            taken = time.perf_counter() - start
            self.calls[-1][step] += taken
            self.calls[-1][_INSIDE[step]] -= taken
            return result

        return timed

    def medians(self) -> dict[str, float]:
        """Microseconds per step; each is the median over the calls."""
        return {step: statistics.median(call[step] for call in self.calls) * 1e6 for step in STEPS}


@contextmanager
def _watched(clock: Clock) -> Iterator[None]:
    """While this holds, what happens inside another step reports to the clock."""
    parse = clock.inside("parse", read_module.parse_read)
    validate = clock.inside("validate", problem_of)
    facts, engine = clock.inside("facts", Gatherer.gather), clock.inside("engine", Engine.run)
    with (
        patch.object(read_module, "parse_read", parse),
        patch.object(resource_module, "problem_of", validate),
        patch.object(Gatherer, "gather", facts),
        patch.object(Engine, "run", engine),
    ):
        yield


def measure(
    service: Service, body: Callable[[int], bytes], first: int, seconds: float, progress: Callable[[float], None]
) -> tuple[dict[str, float], int]:
    """(microseconds per step, number of calls) over about `seconds` of calls, numbered from `first`."""
    clock = Clock()
    for number in range(first, first + 3):
        _call(service, body(number), Clock())
    number = first + 3
    begin = last = time.perf_counter()
    with _watched(clock):
        while last - begin < seconds or len(clock.calls) < 3:
            _call(service, body(number), clock)
            number += 1
            now = time.perf_counter()
            progress(now - last)
            last = now
    return clock.medians(), len(clock.calls)


def _call(service: Service, body: bytes, clock: Clock) -> None:
    """One call as the web layer makes it. Raises ValueError where the answer is not that of the benchmark's patient."""
    clock.start()
    call = read_call(SERVICE_ID, HOOK, body, allow_evaluation_time=True)
    clock.mark("door")
    now = call.evaluation_time or datetime.now(UTC)
    question, chart = service.read(call, now)
    clock.mark("chart")
    if chart is None:
        raise ValueError("the benchmark's patient has no order of ours")
    assessment = assess(service.program, chart, question, now)
    clock.mark("decision")
    response = {"cards": service.cards(assessment)}
    clock.mark("cards")
    encode(response)
    clock.mark("encode")
    check(response)


def check(response: dict[str, Any]) -> None:
    """A benchmark of wrong answers is worth nothing."""
    found = explanation(response["cards"][0]).get("decision") if response["cards"] else "no card"
    if found != DECISION:
        raise ValueError(f"the service decided {found}; expected {DECISION} for the benchmark's patient")
