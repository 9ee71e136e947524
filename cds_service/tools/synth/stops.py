"""What stops or holds up an order whatever its indication, by the clinical policy (3.5, 3.6, 6.4, 6.5).

Each answer is `yes`, `no` or `maybe`: the last where the policy leaves room.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

from cds_service.tools.synth.course import Course, Culture
from cds_service.tools.synth.figures import figures
from cds_service.tools.synth.policy import Policy

Answer = Literal["yes", "no", "maybe"]


def blocked(course: Course, at: int, policy: Policy) -> tuple[Answer, str]:
    """A hard stop: infection or allergy."""
    for allergy in course.allergies:
        if allergy.name in policy.blocking_allergies.names and not allergy.refuted and allergy.recorded <= at:
            return "yes", f"allergy to {allergy.name}"
    names = (*policy.severe_infections.names, *policy.other_infections.names)
    for problem in course.problems:
        over = problem.ended is not None and problem.ended <= at
        recent = at - problem.onset <= policy.minutes("infection-window")
        if problem.name in names and problem.recorded <= at and not problem.refuted and not over and recent:
            return "yes", f"{problem.name} on the problem list"
    return _blood(course, at, policy)[0]


def culture_reviewed(course: Course, at: int, policy: Policy) -> tuple[Answer, str]:
    """A blood culture that a person must judge: possible contamination, or growth that was cleared not long ago."""
    return _blood(course, at, policy)[1]


def _blood(course: Course, at: int, policy: Policy) -> tuple[tuple[Answer, str], tuple[Answer, str]]:
    """What cultures say: is it a stop, and is it for a person?"""
    known = [culture for culture in course.cultures if culture.resulted <= at]
    grown = [culture for culture in known if culture.organism]
    if not grown:
        return ("no", ""), ("no", "")
    last = grown[-1]
    since, organism = _cleared_since(known, last, policy), last.organism
    lasting = policy.lasting_organisms.get(organism)
    window = policy.minutes("culture-window-lasting" if lasting else "culture-window")
    recent, words = at - last.at <= window, f"{organism} in blood"
    if organism in policy.contaminants.names:
        answer: Answer = "no" if not recent else "yes" if since is None else "maybe"
        return ("no", ""), (answer, f"possible contaminant: {words}")
    if since is None:
        return ("yes" if recent else "no", words), ("no", "")
    still = at - since <= policy.minutes(lasting or "cleared")
    return ("no", ""), ("yes" if still else "no", f"{words}, cleared not long ago")


def _cleared_since(known: list[Culture], last: Culture, policy: Policy) -> int | None:
    """When the first of two negative cultures was taken that show it cleared; None where they do not."""
    negative = [culture for culture in known if not culture.organism and culture.at > last.at]
    apart = policy.minutes("clearing-apart")
    pairs = [*pairwise(negative), (negative[0], negative[-1])] if len(negative) > 1 else []
    return negative[0].at if any(b.at - a.at >= apart for a, b in pairs) else None


def allergy_reviewed(course: Course, at: int, policy: Policy) -> bool:
    """An allergy to a drug made in E. coli."""
    names = policy.reviewed_allergies.names
    return any(a.name in names and not a.refuted and a.recorded <= at for a in course.allergies)


def anakinra_active(course: Course, at: int, policy: Policy) -> bool:
    """Ordered and not ended, or given not long ago."""
    recent = policy.minutes("anakinra-active")
    ordered = any(o.drug == "anakinra" and o.at <= at < o.ends for o in course.orders)
    return ordered or any(dose.at <= at <= dose.at + recent for dose in course.given("anakinra"))


def weight_current(course: Course, at: int, policy: Policy) -> bool:
    """A child's weight of the last days; an adult's dose needs none."""
    if not course.person.child:
        return True
    return any(0 <= at - weight.at <= policy.minutes("child-weight") for weight in course.weights)


def clearance(course: Course, at: int, policy: Policy) -> float | None:
    """An adult's creatinine clearance in mL/min by Cockcroft and Gault; None without a recent creatinine."""
    known = [x for x in course.labs if x.name == "creatinine" and 0 <= at - x.at - 60 <= policy.minutes("creatinine")]
    if not known or course.person.child:
        return None
    formula, person = figures().kidneys.cockcroft_gault, course.person
    factor = formula.female if person.female else 1
    return (formula.years - person.age) * person.weight / (formula.divisor * known[-1].value) * factor
