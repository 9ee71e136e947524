"""The answers of one evaluation, and the fixed order in which decisions stand."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from cds_service.knowledge.model import DecisionName, Indicator, Regimen, RuleDefinition

# The public contract: hard answers first, then the pathway's own, then what goes with it.
_ORDER: tuple[tuple[DecisionName, ...], ...] = (
    ("block",),
    ("order-exceeds-max",),
    ("duplicate",),
    ("vaccine-warning",),
    ("insufficient-data",),
    ("review",),
    ("suggest", "suggest-reduced", "suggest-restricted", "wait", "not-indicated", "investigational", "not-recommended"),
    ("order-ok",),
    ("caution",),
    ("monitoring",),
)
RANK: dict[str, int] = {name: rank for rank, names in enumerate(_ORDER) for name in names}
SUGGESTS = frozenset({"suggest", "suggest-reduced", "suggest-restricted"})
PATHWAY = frozenset(_ORDER[6])
# While one of these holds, nothing is suggested and nothing can be ordered with one click.
PRECLUDES = frozenset({"block", "insufficient-data", "review", "duplicate"})
SEVERITY: dict[str, int] = {"critical": 0, "warning": 1, "info": 2}


@dataclass(frozen=True, slots=True)
class DosePlan:
    """One concrete regimen for this patient. `dose_mg` is rounded down to 1 mg where it comes from a weight."""

    dose_mg: float
    interval_h: int
    route: str
    duration_days: int
    mg_per_kg: float | None = None
    weight_kg: float | None = None

    @property
    def daily_mg(self) -> float:
        """mg in 24 hours."""
        return self.dose_mg * 24.0 / self.interval_h


@dataclass(frozen=True, slots=True)
class Answer:
    """One card to be. `offers` are orders that the clinician may take with one click, the recommended first."""

    decision: DecisionName
    indicator: Indicator
    rule: RuleDefinition
    regimen: Regimen | None = None
    plan: DosePlan | None = None
    alternatives: tuple[DosePlan, ...] = ()
    offers: tuple[DosePlan, ...] = ()
    reevaluate_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Missing:
    """A rule that could not be evaluated, or that says what is missing; `facts` are the unknown ones."""

    rule: RuleDefinition
    facts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Decision:
    """All answers in their order. `answers` empty means that there is nothing to say."""

    answers: tuple[Answer, ...]
    pathway: str
    flags: tuple[str, ...]
    missing: tuple[Missing, ...]
    trouble: str = ""
