"""The CRS grade that vital signs and support prove at a moment.

Absent data never lowers it: without both pressure and oxygenation it is a lower bound at most. In children pressure has
no number here, so only support counts. Without fever there is no CRS, unless something was given that masks one.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from cds_service.chart.resource import Resource
from cds_service.facts.graded import documented, unread_since
from cds_service.facts.model import Fact, Reading
from cds_service.facts.observed import value_of
from cds_service.facts.support import Support, support_at
from cds_service.knowledge.model import CrsGrade


@dataclass(frozen=True, slots=True)
class Derived:
    """A derived grade: `low` is proven at least; `exact` also at most; `evidence` says in words from what.

    `open_since` is when something was recorded that may mean more and is not understood, or may be running (None:
    nothing); `open_why` says what. `both_observed`: pressure and oxygenation both were. `supported` is the grade that
    pressure and support alone would be, whatever the cause.
    """

    low: int
    supported: int
    both_observed: bool
    exact: bool
    certain_zero: bool
    evidence: str
    support: Support
    open_since: datetime | None
    open_why: tuple[str, ...]

    @property
    def now(self) -> int:
        """The grade that vital signs say: normal pressure and oxygen under a fever that is masked are grade 1."""
        return max(self.low, 1) if self.exact and not self.certain_zero else self.low

    @property
    def fever_unknown(self) -> bool:
        """No temperature is known, and nothing was given that masks a fever: it may be CRS or not."""
        return self.support.temperature is None and not self.support.fever_masked

    @property
    def unexplained(self) -> bool:
        """Hypotension, hypoxia or a vasopressor without fever, and nothing that masks one: no CRS by its definition."""
        return self.supported > 0 and self.low == 0


def is_child(child: Fact) -> bool:
    """An unknown age is read as a child's: the pressure limit is for adults, and a child's grade needs more proof."""
    return child.value is not False


def derive(given: CrsGrade, moment: datetime, reading: Reading, since: datetime | None, child: bool) -> Derived:
    """The grade that vital signs and support of the window before `moment` prove."""
    seen = support_at(given, moment, reading, since)
    fever = seen.temperature is not None and seen.temperature >= reading.policies[given.fever]
    hypotensive = not child and seen.systolic is not None and seen.systolic < reading.policies[given.hypotension]
    pressors = len(seen.drugs.vasopressors)
    by_pressure = 4 if pressors > 1 else 3 if seen.pressors else 2 if hypotensive else 0
    supported = max(by_pressure, seen.oxygen.grade)
    # Without fever it is CRS only where something was given that masks one.
    feverless = seen.temperature is not None and not fever and not seen.fever_masked
    low = max(0 if feverless else supported, 1 if fever else 0)
    pressure_seen = seen.pressors or (not child and seen.systolic is not None)
    # Where drugs or support are not all known, a vasopressor may run beside the best of vital signs.
    complete = not reading.chart.gaps(bounding(given))
    since_when, why = _open(given, seen, moment, reading)
    both = pressure_seen and seen.oxygen_observed
    exact = both and seen.temperature is not None and complete and not why
    words = _evidence(given, seen, fever, hypotensive, reading)
    return Derived(low, supported, both, exact, exact and not seen.fever_masked, words, seen, since_when, why)


def bounding(given: CrsGrade) -> tuple[str, ...]:
    """The queries whose absence leaves a grade without an upper bound."""
    return (given.administrations, given.oxygen.procedures)


def _open(
    given: CrsGrade, seen: Support, moment: datetime, reading: Reading
) -> tuple[datetime | None, tuple[str, ...]]:
    """Since when something may mean a higher grade, and what: a drug now, a device since it was recorded, a grade that
    nobody can read."""
    gaps = reading.chart.gaps((given.administrations,))
    reach = timedelta(hours=reading.windows[given.vasopressors.open_within])
    remembered = timedelta(hours=reading.windows[given.expiry.remembered])
    rows = unread_since(moment, documented(given.scale, given.conditions, reading), reach, remembered)
    unread = [f"{row.ref}: a grade that is not understood ({_shown(row)})" for row, _ in rows]
    why = (*(str(p) for p in seen.oxygen.puzzles), *seen.drugs.doubtful, *unread, *gaps)
    times = [*(p.at for p in seen.oxygen.puzzles), *(at for _, at in rows)]
    if seen.drugs.doubtful or gaps:
        times.append(moment)
    return max(times, default=None), why


def _shown(row: Resource) -> str:
    """What a record says of a grade."""
    said = row.concept if row.type == "Condition" else value_of(row)
    return said.label or "nothing is said"


def _evidence(given: CrsGrade, seen: Support, fever: bool, hypotensive: bool, reading: Reading) -> str:
    """In words, what decides first: a card has room for a few of them."""
    decisive, others = [], []
    if seen.drugs.vasopressors:
        decisive.append(f"vasopressor: {', '.join(seen.drugs.vasopressors)}")
    if seen.drugs.uncounted:
        decisive.append(f"{given.vasopressors.uncounted} {'(not counted)' if seen.drugs.vasopressors else 'alone'}")
    if seen.oxygen.words:
        decisive.append(seen.oxygen.words + (" (flow not recorded)" if seen.oxygen.at_least else ""))
    elif seen.oxygen_observed:
        others.append("no oxygen device recorded")
    if seen.systolic is not None:
        told = reading.units[given.systolic.analyte].printed(seen.systolic, reading.policies[given.hypotension])
        pressure = f"{'hypotension' if hypotensive else 'systolic'} {told}"
        (decisive if hypotensive else others).insert(0, pressure)
    if not fever and seen.fever_masked:
        decisive.append("fever masked")
    if seen.temperature is not None:
        told = reading.units[given.temperature.analyte].printed(seen.temperature, reading.policies[given.fever])
        others.insert(0, f"{'' if fever else 'no '}fever ({told})")
    return "; ".join((*decisive, *others, *(puzzle.words for puzzle in seen.oxygen.puzzles)))


def is_proven(given: CrsGrade, derived: Derived, child: bool) -> bool:
    """Whether a derived grade may be used as the grade: nothing may mean more, fever is there or may be masked, or is
    known to be absent, and in a child a vasopressor runs."""
    if derived.fever_unknown:
        return False
    if derived.low < given.highest_grade and (derived.open_why or derived.support.oxygen.at_least):
        return False
    if child and not derived.support.pressors:
        return False
    return derived.low >= 2 or derived.exact


def strange(derived: Derived) -> tuple[str, ...]:
    """The records that were not understood."""
    seen = derived.support
    return tuple(dict.fromkeys((*(p.ref for p in seen.oxygen.puzzles), *seen.drugs.not_understood)))
