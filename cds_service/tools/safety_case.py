"""The safety case: `safety/hazards.yaml` checked against the rules and the code, and written as a page.

Engineers keep it; nobody has accepted it. That every control's test passed is checked by the test run itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal

import yaml

from cds_service.contract import RANK
from cds_service.knowledge import Knowledge
from cds_service.knowledge.model.base import Model

HAZARDS: Final = Path("safety/hazards.yaml")
PAGE: Final = Path("docs/safety-case.md")
Severity = Literal["minor", "significant", "considerable", "major", "catastrophic"]
Likelihood = Literal["very low", "low", "medium", "high", "very high"]
_HEAD: Final = """\
# Safety case, first edition

<!-- Written by `anakinra-cds docs` (make docs) from safety/hazards.yaml; change that, not this page. -->

Draft, not reviewed by clinicians; not a medical device. Severity and likelihood are estimates of engineers in the words
of DCB0129. No clinical safety officer is named and nothing is signed off: every owner is empty.

The service does not acquire or analyse images or signals; it shows medical information about one patient and recommends
to a clinician, who can review the basis of every card: the rule, the facts with the resources they come from, what is
missing, the thresholds, the sources and how sound they are (criterion 4 of section 520(o)(1)(E); the guidance of
6 January 2026 was not read in full). The 13 source attributes of each rule stand on its page.
"""


class Control(Model):
    """What keeps a hazard small: the rules or the code that do it, and the test that proves it."""

    what: str
    rules: tuple[str, ...] = ()
    code: str = ""
    test: str


class Residual(Model):
    """What is left with all controls, and why."""

    likelihood: Likelihood
    why: str


class Hazard(Model):
    """One way in which the service may harm. `owner` is who accepted what is left: nobody yet."""

    id: str
    hazard: str
    cause: str
    effect: str
    severity: Severity
    likelihood: Likelihood
    controls: tuple[Control, ...]
    residual: Residual
    owner: str


class HazardLog(Model):
    """`safety/hazards.yaml`. `open` are hazards that nothing controls yet."""

    hazards: tuple[Hazard, ...]
    open: tuple[str, ...]


def hazard_log(path: Path) -> HazardLog:
    """Read it. Raises OSError, or ValueError of what is no hazard log."""
    return HazardLog.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))


def problems(log: HazardLog, knowledge: Knowledge, root: Path) -> Iterator[str]:
    """One line for each orphan: a control of nothing, a hazard without one or with another's id, a rule that stops and
    has no hazard."""
    rules = {rule.id for rule in knowledge.rules}
    ids = [hazard.id for hazard in log.hazards]
    yield from (f"{name}: two hazards have this id" for name in sorted({name for name in ids if ids.count(name) > 1}))
    for hazard in log.hazards:
        if not hazard.controls:
            yield f"{hazard.id}: expected at least one control"
        for control in hazard.controls:
            if not control.rules and not control.code:
                yield f"{hazard.id}: {control.what}: expected `rules` or `code` that does it"
            yield from (f"{hazard.id}: no such rule {name}" for name in control.rules if name not in rules)
            if control.code and not (root / control.code).exists():
                yield f"{hazard.id}: no such code {control.code}"
    named = {name for hazard in log.hazards for control in hazard.controls for name in control.rules}
    for rule in knowledge.rules:
        decision = rule.finding.decision
        if decision is not None and RANK[decision] < RANK["suggest"] and rule.id not in named:
            yield f"{HAZARDS}: the rule {rule.id} stops an order ({decision}) and no hazard names it"


def page(log: HazardLog) -> str:
    """The whole page."""
    parts = [_HEAD, *(_hazard(hazard) for hazard in log.hazards), "## Not controlled yet\n"]
    return "\n".join([*parts, *(f"- {line}" for line in log.open), ""])


def _hazard(hazard: Hazard) -> str:
    rows = "\n".join(
        f"| {control.what} | {', '.join(f'`{name}`' for name in control.rules or (control.code,))} | `{control.test}` |"
        for control in hazard.controls
    )
    return f"""\
## {hazard.id} {hazard.hazard}

Cause: {hazard.cause}. Effect: {hazard.effect}.
Severity {hazard.severity}, likelihood without controls {hazard.likelihood}.

| control | rule or code | test |
| --- | --- | --- |
{rows}

What is left: {hazard.residual.likelihood}. {hazard.residual.why}. Accepted by: {hazard.owner or "nobody yet"}.
"""
