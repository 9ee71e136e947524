"""The grade of cytokine release that holds at a moment, by the clinical policy (3.1, 6.2), from what was charted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from cds_service.tools.synth.course import Course, Grading, SignSet
from cds_service.tools.synth.figures import figures
from cds_service.tools.synth.policy import Policy

UNKNOWN: Final = "unknown"
DIFFERS: Final = "differs"
Finding = int | str
"""A grade from 0 to 4, UNKNOWN, or DIFFERS where documented and derived grade differ so that a person decides."""
_PROCEDURES: Final = ("ventilated", "high-flow")


@dataclass(frozen=True, slots=True)
class Graded:
    """What may hold, by the policy; more than one where it leaves room. `pressor`: one runs, or ended just now."""

    findings: frozenset[Finding]
    documented: int | None
    derived: frozenset[int | None]
    pressor: bool


def graded(course: Course, at: int, policy: Policy) -> Graded:
    """The grade at a time."""
    written = documented(course, at)
    derived = frozenset(_derived(course, at, policy))
    age = None if written is None else at - written.at
    findings = {finding for each in derived for finding in _findings(written, age, each, policy)}
    over = [g.over for g in course.gradings if g.over <= at]
    if written is None and over and at - max(over) <= policy.minutes("grade-current"):
        # "None" may be written as a grade too, which vital signs of the hours before it then differ from.
        findings |= {DIFFERS for each in derived if each} | {0 for each in derived if not each}
    return Graded(frozenset(findings), written.grade if written else None, derived, bool(_pressors(course, at, policy)))


def documented(course: Course, at: int) -> Grading | None:
    """The newest grade that was written down and not taken back by then."""
    return next((g for g in reversed(course.gradings) if g.at <= at < g.over), None)


def masked(course: Course, at: int, policy: Policy) -> bool:
    """Has something been given that takes fever away?"""
    return any(
        dose.at <= at <= dose.at + policy.minutes(policy.masks[dose.drug])
        for dose in course.doses
        if dose.drug in policy.masks
    )


def _findings(written: Grading | None, age: int | None, derived: int | None, policy: Policy) -> Iterator[Finding]:
    """6.2 C2 and C4, and 3.1: which grade counts."""
    if written is None or age is None or age > policy.minutes("grade-remembered"):
        yield UNKNOWN if derived is None else derived
    elif age > policy.minutes("grade-current"):
        yield UNKNOWN if derived is None else derived if derived >= written.grade else DIFFERS
    elif derived in (None, written.grade) or (
        (written.grade, derived) == (2, 1) and age <= policy.minutes("grade-fresh")
    ):
        yield written.grade
    elif written.grade == 1 and derived == 0:
        yield from (written.grade, DIFFERS)  # no fever, and nothing that hides it: the grade may be over
    else:
        yield DIFFERS


def _derived(course: Course, at: int, policy: Policy) -> Iterator[int | None]:
    """From the vital signs of the window: each grade that they may be read as, None where they do not say."""
    window = [s for s in course.signs if at - policy.minutes("vitals-window") < s.at <= at]
    pressors = _pressors(course, at, policy)
    by_pressors = 4 if pressors > 1 else 3 if pressors else 0
    for procedures in {_procedure_grade(course, at), _procedure_grade(course, at, policy.minutes("vitals-window"))}:
        proven = max([by_pressors, procedures, *(_oxygen_grade(signs) for signs in window)])
        if course.person.child and not pressors:
            yield None  # 3.1: a child's grade is a clinician's, unless a vasopressor runs
        elif not course.person.child and any(s.systolic < policy.value("hypotension") for s in window):
            proven = max(proven, 2)
        yield from _with_fever(course, at, policy, window, proven)


def _with_fever(course: Course, at: int, policy: Policy, window: list[SignSet], proven: int) -> Iterator[int | None]:
    if proven >= 2:
        yield proven
    elif not window:
        yield None
    elif not masked(course, at, policy) and all(s.temperature < policy.value("fever") for s in window):
        yield 0
    else:
        yield None if course.person.child else 1  # a child's pressure grades nothing (3.1)


def _oxygen_grade(signs: SignSet) -> int:
    """The grade of a device: that of the supports which have it."""
    return max((s.grade for s in figures().supports if s.device and s.device == signs.device), default=0)


def _procedure_grade(course: Course, at: int, after: int = 0) -> int:
    """Support that some dialects write as a procedure, while it lasts or also for a time after its end."""
    return max(
        (s.grade for s in course.stretches if s.support in _PROCEDURES and s.begins <= at < s.ends + after), default=0
    )


def _pressors(course: Course, at: int, policy: Policy) -> int:
    ended = policy.minutes("vasopressor-ended")
    return len({each.drug for each in course.running if each.begins <= at <= each.ends + ended})
