"""What so many hospitals need: arithmetic, from what was measured and what is assumed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

GENERATOR: Final = "generator"
SERVICE: Final = ("workers", "rules engine")
_DAY: Final = 86_400
_YEAR: Final = 365
Found = Mapping[str, Any]
"""What `make openloop` wrote."""


@dataclass(frozen=True, slots=True)
class Assumed:
    """What nobody measured. `calls`: of one hospital a day; `peak`: how many times the mean the busiest minute is;
    `share`: of a processor, that a worker may be busy then; `workers`: of each replica; `spare`: replicas that may be
    gone then."""

    hospitals: int = 1000
    calls: float = 1000.0
    peak: float = 5.0
    share: float = 0.6
    workers: int = 2
    spare: int = 1


@dataclass(frozen=True, slots=True)
class Cost:
    """What was measured of one call: processor seconds in the service and in what stands around it, bytes on the wire
    and in the database."""

    service: float
    around: float
    wire: float
    stored: float
    text: float
    verified: float
    """Records a second that `audit verify` looks at."""
    appended: float
    """Records a second that one process appends to the chain."""


@dataclass(frozen=True, slots=True)
class Need:
    """What so many hospitals need."""

    mean: float
    """Calls a second."""
    busiest: float
    """Calls a second."""
    cores: float
    """Processors of the service that are busy then."""
    around: float
    """The same of nginx and PostgreSQL together."""
    replicas: int
    megabits: float
    """A second, then."""
    rows: float
    """Records a year."""
    stored: float
    """Bytes a year in the database."""
    text: float
    """Bytes a year of the records alone, as they are exported."""
    paid: float
    """Core-hours for a million calls, where all replicas run all day."""
    chain: float
    """Share of its time that the chain is busy then, if one process appended it all."""
    verifying: float
    """Hours of `audit verify` for the records of a year."""


def need(assumed: Assumed, cost: Cost) -> Need:
    """The arithmetic of the page."""
    mean = assumed.hospitals * assumed.calls / _DAY
    busiest = mean * assumed.peak
    cores = busiest * cost.service
    rows = assumed.hospitals * assumed.calls * _YEAR
    replicas = math.ceil(round(cores / assumed.share / assumed.workers, 9)) + assumed.spare
    return Need(
        mean=mean,
        busiest=busiest,
        cores=cores,
        around=busiest * cost.around,
        replicas=replicas,
        megabits=busiest * cost.wire * 8 / 1e6,
        rows=rows,
        stored=rows * cost.stored,
        text=rows * cost.text,
        paid=replicas * assumed.workers * 24 / (assumed.hospitals * assumed.calls) * 1e6,
        chain=busiest / cost.appended,
        verifying=rows / cost.verified / 3600,
    )


def cost_of(found: Found) -> Cost:
    """From the run with the most replicas. Raises IndexError where none was measured."""
    run, stored = found["replicas"][-1], found["stored"]
    service, around = parted(run["cpuMs"])
    return Cost(
        service=service / 1e3,
        around=around / 1e3,
        wire=run["requestBytes"] + run["answerBytes"],
        stored=stored["totalBytes"],
        text=stored["textBytes"],
        verified=stored["verifiedPerSecond"],
        appended=stored["appendedPerSecond"],
    )


def parted(used: Mapping[str, float]) -> tuple[float, float]:
    """What the service uses, and what nginx and PostgreSQL do, of what each part uses."""
    around = sum(each for part, each in used.items() if part not in (*SERVICE, GENERATOR))
    return sum(used[part] for part in SERVICE), around
