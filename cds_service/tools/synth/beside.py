"""What else may be: neurotoxicity, IEC-HS, infections with their cultures, allergies, home problems."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Final, Literal

from cds_service.tools.synth.course import DAY, HOUR, Allergy, Ask, Culture, Grading, Lab, Person, Problem
from cds_service.tools.synth.draws import between, minutes, pick, whole
from cds_service.tools.synth.figures import Figures
from cds_service.tools.synth.release import Release

_Grade = Literal["1", "2", "3", "4"]
_GRADES: Final[tuple[_Grade, ...]] = ("1", "2", "3", "4")


# ---------------------------------------------------------------- neurotoxicity, hyperinflammation


def neurotoxicity(draw: Random, figures: Figures, release: Release) -> tuple[tuple[Grading, ...], tuple[Ask, ...]]:
    """ICANS of one grade, written down again every few hours until it is over; and who orders meanwhile."""
    worst, figure = release.worst, figures.icans
    if worst is None or draw.random() >= figure.share_by_grade[_GRADES[worst.grade - 1]]:
        return (), ()
    begins = release.stretches[0].begins + minutes(draw, figure.after)
    ends = begins + minutes(draw, figure.lasts)
    grade = int(draw.choices(_GRADES, [figure.grades[each] for each in _GRADES])[0])
    times = [begins + minutes(draw, figures.grading.lag)]
    while (again := times[-1] + minutes(draw, figures.grading.again)) < ends:
        times.append(again)
    gradings = tuple(Grading(at, grade, begins, end) for at, end in zip(times, [*times[1:], ends], strict=True))
    if draw.random() >= figure.ask_share:
        return gradings, ()
    return gradings, (Ask(times[0] + minutes(draw, figure.ask_after), "draft"),)


def ice_scores(draw: Random, figures: Figures, gradings: tuple[Grading, ...]) -> tuple[Lab, ...]:
    """The score that goes with each grade as it is written."""
    return tuple(Lab("ice", g.at, whole(draw, figures.icans.ice[_GRADES[g.grade - 1]])) for g in gradings)


def iec_hs(draw: Random, figures: Figures, person: Person, release: Release) -> tuple[int | None, tuple[Ask, ...]]:
    """When a clinician confirms IEC-HS, if ever: days after cytokine release is over; and who orders then."""
    figure = figures.iec_hs
    over = release.stretches[-1].ends if release.stretches else 0
    if not person.product or over > figure.day[1] * DAY or draw.random() >= figure.share:
        return None, ()
    at = max(round(between(draw, figure.day) * DAY), over + round(figure.after_release_hours * HOUR))
    return at, (Ask(at + minutes(draw, figure.ask_after), draw.choice(figure.orders)),)


# ---------------------------------------------------------------- infections


def infection(
    draw: Random, figures: Figures, person: Person, release: Release
) -> tuple[tuple[Culture, ...], tuple[Problem, ...], tuple[Ask, ...]]:
    """Blood cultures at the first fever, one kind of infection perhaps, and who orders when it is known."""
    figure = figures.infections
    kind = pick(draw, figure.kinds).name
    fever = release.stretches[0].begins if release.stretches else minutes(draw, figure.fever)
    taken = fever + minutes(draw, figure.taken_after)
    cultures: list[Culture] = []
    problems: list[Problem] = []
    asks: list[Ask] = []
    if release.stretches or kind in ("bacteraemia", "contaminant"):
        cultures = [
            Culture(at, at + minutes(draw, figure.negative_after_hours), "")
            for at in (taken + round(figure.culture_every * HOUR) * n for n in range(figure.cultures_at_fever))
        ]
    if kind in ("bacteraemia", "contaminant"):
        organism = figure.contaminant if kind == "contaminant" else draw.choice(figure.organisms)
        resulted = taken + minutes(draw, figure.positive_after_hours)
        cultures[0] = Culture(taken, resulted, organism)
        asks.append(Ask(resulted + minutes(draw, figure.ask_after), "draft"))
        if kind == "bacteraemia":
            cultures[1:] = _follow_up(draw, figures, taken)
    elif kind in ("pneumonia", "urinary-infection"):
        onset = fever + minutes(draw, figure.problem_after)
        problems.append(Problem(kind, onset, onset + minutes(draw, figure.written_after)))
        asks.append(Ask(onset + HOUR + minutes(draw, figure.ask_after), "draft"))
    elif kind != "none":
        problems.append(_not_now(draw, figures, kind, fever))
    return tuple(cultures), tuple(problems), tuple(asks)


def _follow_up(draw: Random, figures: Figures, taken: int) -> Iterator[Culture]:
    for hours in figures.infections.follow_up_hours:
        at = taken + round(hours * HOUR)
        yield Culture(at, at + minutes(draw, figures.infections.follow_up_negative_after_hours), "")


def _not_now(draw: Random, figures: Figures, kind: str, fever: int) -> Problem:
    """An infection that was suspected and refuted, or that was over before the cells."""
    figure = figures.infections
    if kind == "sepsis-refuted":
        onset = fever + minutes(draw, figure.problem_after)
        return Problem("sepsis", onset, onset + minutes(draw, figure.written_after), refuted=True)
    onset, lasts = -whole(draw, figure.past_days_before) * DAY, round(figure.past_lasts_days * DAY)
    return Problem(kind.removesuffix("-resolved").removesuffix("-past"), onset, onset + HOUR, ended=onset + lasts)


# ---------------------------------------------------------------- allergies, problems


def allergies(draw: Random, figures: Figures, person: Person) -> tuple[Allergy, ...]:
    """The allergy list: often empty, or that nothing is known."""
    who = "child" if person.child else "adult"
    kind = pick(draw, [each for each in figures.allergies.kinds if who in each.people]).name
    recorded = person.admitted + 2 * HOUR
    if kind == "nothing-listed":
        return ()
    if kind == "none":
        return (Allergy("none-known", recorded),)
    name = kind.removesuffix("-refuted").removesuffix("-anaphylaxis")
    severe = kind.endswith("-anaphylaxis") or kind == "anakinra"
    return (
        Allergy(
            name,
            recorded - whole(draw, figures.allergies.recorded_days_before) * DAY,
            refuted=kind.endswith("-refuted"),
            anaphylaxis=severe,
        ),
    )


def home_problems(draw: Random, figures: Figures, person: Person, failing_kidneys: bool) -> Iterator[Problem]:
    """The disease that the cells are for, and what patients of that age have."""
    known = [(person.disease, figures.disease_days_before)]
    if failing_kidneys:
        known.append(("kidney-disease-4", figures.kidney_disease_days_before))
    who = "child" if person.child else "adult"
    known += [(p.name, p.days_before) for p in figures.problems if who in p.people and draw.random() < p.share]
    for name, days in known:
        onset = -whole(draw, days) * DAY
        yield Problem(name, onset, onset)
