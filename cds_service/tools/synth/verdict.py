"""What may be answered at a moment, from the course and the text of the clinical policy, never from the rules."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from cds_service.tools.synth import stops
from cds_service.tools.synth.course import Course, Dose
from cds_service.tools.synth.grade import DIFFERS, UNKNOWN, Finding, Graded, documented, graded
from cds_service.tools.synth.orders import Draft, daily_maximum, permitted
from cds_service.tools.synth.policy import Policy

BLOCK: Final = "block"
EXCEEDS: Final = "order-exceeds-max"
DUPLICATE: Final = "duplicate"
UNCLEAR: Final = "insufficient-data"
REVIEW: Final = "review"
NOT_INDICATED: Final = "not-indicated"
SUGGEST: Final = "suggest"
REDUCED: Final = "suggest-reduced"
PERMITTED: Final = "order-ok"
_NEAR: Final = 2.0
"""mL/min about the threshold within which rounding of weight and creatinine may decide."""


@dataclass(slots=True)
class Verdict:
    """Every decision that the policy allows, the likeliest first, and why."""

    decisions: list[str]
    reasons: list[str]

    def add(self, decision: str, why: str) -> None:
        """One more that may be; `why` it is."""
        if decision not in self.decisions:
            self.decisions.append(decision)
        if why not in self.reasons:
            self.reasons.append(why)


def verdict(course: Course, at: int, draft: Draft, policy: Policy, site: str) -> Verdict:
    """What a first card may decide on an order of anakinra at a time, in the order of the contract."""
    told, state = Verdict([], []), graded(course, at, policy)
    answers = list(_answers(course, at, draft, policy, state))
    for answer, decision, why in (*_stopping(course, at, draft, policy), *_unclear(course, at, draft, policy, answers)):
        if answer != "no":
            told.add(decision, why)
        if answer == "yes":
            return told
    for answer, why in _reviews(course, at, policy):
        if answer != "no":
            told.add(REVIEW, why)
        if answer == "yes":
            return told
    for decision, why in answers:
        told.add(_at_site(decision, policy, site), why)
    return told


def _at_site(decision: str, policy: Policy, site: str) -> str:
    offered = (SUGGEST, REDUCED, PERMITTED)  # "instead of suggest": where the region forbids it, neither
    return "suggest-restricted" if decision in offered and site in policy.restricted_sites else decision


def _stopping(course: Course, at: int, draft: Draft, policy: Policy) -> Iterator[tuple[stops.Answer, str, str]]:
    answer, why = stops.blocked(course, at, policy)
    yield answer, BLOCK, why
    weighed = stops.weight_current(course, at, policy)
    if draft.complete and draft.daily > policy.value("daily-maximum"):
        yield "yes", EXCEEDS, "more than the daily maximum"
    elif draft.complete and weighed and draft.daily > daily_maximum(course, policy):
        yield "yes", EXCEEDS, "more than the daily maximum of a child"
    if stops.anakinra_active(course, at, policy):
        yield "yes", DUPLICATE, "anakinra is given already"


def _unclear(
    course: Course, at: int, draft: Draft, policy: Policy, answers: list[tuple[str, str]]
) -> Iterator[tuple[stops.Answer, str, str]]:
    if draft.hook == "order-sign" and not draft.complete:
        yield "yes", UNCLEAR, "the daily dose cannot be computed"
    unknown = [decision == UNCLEAR for decision, _ in answers]
    if any(unknown):
        yield "yes" if all(unknown) else "maybe", UNCLEAR, "no grade is known"
    if not stops.weight_current(course, at, policy):
        needs = all(decision in (SUGGEST, REDUCED, PERMITTED) for decision, _ in answers) or draft.complete
        yield "yes" if needs else "maybe", UNCLEAR, "a child without a current weight"


def _reviews(course: Course, at: int, policy: Policy) -> Iterator[tuple[stops.Answer, str]]:
    if course.pregnant:
        yield "yes", "pregnant"
    if stops.allergy_reviewed(course, at, policy):
        yield "yes", "allergy to a drug made in E. coli"
    yield stops.culture_reviewed(course, at, policy)


# ---------------------------------------------------------------- pathways


def _answers(course: Course, at: int, draft: Draft, policy: Policy, state: Graded) -> Iterator[tuple[str, str]]:
    """The answer of each grade that may hold."""
    if not _in_scope(course, at, policy):
        yield from _out_of_scope(course, at, policy, state)
        return
    for finding in sorted(state.findings, key=str):
        yield from _of_grade(course, at, draft, policy, finding, state.pressor)


def _in_scope(course: Course, at: int, policy: Policy) -> bool:
    return bool(course.person.product) and 0 <= at <= policy.minutes("scope")


def _out_of_scope(course: Course, at: int, policy: Policy, state: Graded) -> Iterator[tuple[str, str]]:
    """6.6 S3 and S4."""
    confirmed = _iec_hs(course, at)
    toxic = bool(state.documented) or bool(_neuro(course, at, policy))
    late = bool(course.person.product) and at <= policy.minutes("late-scope")
    if late and confirmed:
        yield REVIEW, "IEC-HS, late"
        yield SUGGEST, "IEC-HS, late"
    elif late and toxic:
        yield REVIEW, "late toxicity"
    elif toxic or _signs(course, at, policy):
        yield NOT_INDICATED, "signs of toxicity without cells in scope"
        if late:  # what is over on day 31 to 90 has no line of its own: the answer may be cautions alone
            yield "caution", "signs of toxicity that is over, late"
            yield "no-card", "signs of toxicity that is over, late"
        if DIFFERS in state.findings:
            yield REVIEW, "documented and derived grade differ"
    else:
        yield "no-card", "no cells in scope, and no sign of toxicity"


def _signs(course: Course, at: int, policy: Policy) -> bool:
    window = policy.minutes("sign-window")
    given = any(at - window <= dose.at <= at for dose in course.given("tocilizumab"))
    return given or any(at - window <= g.over and g.at <= at for g in (*course.gradings, *course.neuro))


def _of_grade(
    course: Course, at: int, draft: Draft, policy: Policy, finding: Finding, pressor: bool
) -> Iterator[tuple[str, str]]:
    if finding == DIFFERS:
        yield REVIEW, "documented and derived grade differ"
    elif finding == UNKNOWN:
        yield UNCLEAR, "no grade is known"
        if _iec_hs(course, at) and (course.person.child or _kidneys_low(course, at, policy)):
            yield REVIEW, "IEC-HS in a child or with clearance below 30, whatever the grade"
    elif isinstance(finding, int):
        for doses in _counts(course, at, policy):
            yield from _pathway(course, at, draft, policy, finding, doses, pressor)


def _counts(course: Course, at: int, policy: Policy) -> list[list[Dose]]:
    """Tocilizumab by then; two ways of counting while one runs in."""
    begun = [dose for dose in course.given("tocilizumab") if dose.at <= at]
    done = [dose for dose in begun if dose.at + policy.minutes("dose-begun") <= at or dose.ends <= at]
    return [done] if done == begun else [done, begun]


def _pathway(
    course: Course, at: int, draft: Draft, policy: Policy, grade: int, doses: list[Dose], pressor: bool
) -> Iterator[tuple[str, str]]:
    severe = grade >= policy.value("severe-grade") or pressor
    # Hours since a dose: since it began, or since it had run in.
    for begun in {doses[-1].at, doses[-1].ends} if doses else {at}:
        crs, why = _release(course, at, policy, grade, doses, begun)
        yield from _pathway_of(course, at, draft, policy, grade, crs, why, severe)


def _pathway_of(
    course: Course, at: int, draft: Draft, policy: Policy, grade: int, crs: str, why: str, severe: bool
) -> Iterator[tuple[str, str]]:
    neuro = _neuro(course, at, policy)
    if crs == SUGGEST:
        yield from _dosed(course, at, draft, policy, why, severe)
    elif _iec_hs(course, at):
        yield from _hyperinflammation(course, at, draft, policy, severe or neuro >= policy.value("icans-severe"))
    elif neuro >= policy.value("icans-severe"):
        yield REVIEW, "ICANS of grade 3 or more"
    elif grade >= 1:
        yield crs, why
    elif at < policy.minutes("prophylaxis"):
        immune = course.person.disease in policy.autoimmune.names
        yield ("not-recommended" if immune else "investigational"), "day 0, no cytokine release"
    else:
        yield NOT_INDICATED, "no cytokine release"


def _release(course: Course, at: int, policy: Policy, grade: int, doses: list[Dose], begun: int) -> tuple[str, str]:
    """3.2 R-TOCI and 6.7 E3: what cytokine release of a grade asks for after these doses. Hours since the last of them
    count from `begun`."""
    if grade < policy.value("treatment-grade"):
        return NOT_INDICATED, f"cytokine release of grade {grade}"
    if len(doses) < policy.value("failure-doses"):
        few = f"grade {grade} after {len(doses)} doses of tocilizumab"
        return (REVIEW if grade >= policy.value("severe-grade") else NOT_INDICATED), few
    last = doses[-1]
    before = documented(course, last.at)
    then = before.grade if before else grade
    capped = len(doses) >= policy.value("course-maximum")
    if grade > then:
        return SUGGEST, f"risen from grade {then} to {grade} after two doses"
    if grade < then:
        return "wait", f"better: grade {then} to {grade}"
    if at - begun >= policy.minutes("response-window") or capped:
        return SUGGEST, f"grade {grade}, no better after {len(doses)} doses"
    return "wait", "the last dose may still act"


def _dosed(course: Course, at: int, draft: Draft, policy: Policy, why: str, severe: bool) -> Iterator[tuple[str, str]]:
    """Refractory: which dose, by kidneys; and whether the draft is one that is permitted."""
    cleared, limit = stops.clearance(course, at, policy), policy.value("clearance")
    low = cleared is not None and cleared < limit + _NEAR
    if low and severe:
        yield REVIEW, "clearance below 30 at grade 3 or more"
    elif low:
        yield (PERMITTED if permitted(draft, course, policy, "renal") else REDUCED), f"{why}; clearance below 30"
    if cleared is None or cleared >= limit - _NEAR:
        pathway = "crs-severe" if severe else "crs"
        yield (PERMITTED if permitted(draft, course, policy, pathway) else SUGGEST), why


def _hyperinflammation(course: Course, at: int, draft: Draft, policy: Policy, grave: bool) -> Iterator[tuple[str, str]]:
    """6.8 H2 and H3."""
    if grave or course.person.child:
        yield REVIEW, "IEC-HS in a child, or beside severe toxicity"
        return
    if _kidneys_low(course, at, policy):
        yield REVIEW, "IEC-HS with clearance below 30"
        yield SUGGEST, "IEC-HS with clearance below 30"
        yield REDUCED, "IEC-HS with clearance below 30"
    else:
        yield (PERMITTED if permitted(draft, course, policy, "iec-hs") else SUGGEST), "IEC-HS"


def _kidneys_low(course: Course, at: int, policy: Policy) -> bool:
    cleared = stops.clearance(course, at, policy)
    return cleared is not None and cleared < policy.value("clearance") + _NEAR


def _iec_hs(course: Course, at: int) -> bool:
    return any(p.name == "iec-hs" and p.recorded <= at for p in course.problems)


def _neuro(course: Course, at: int, policy: Policy) -> int:
    """The documented grade of ICANS, while current."""
    current = policy.minutes("icans-current")
    return max((g.grade for g in course.neuro if g.at <= at < g.over and at - g.at <= current), default=0)
