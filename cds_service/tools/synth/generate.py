"""Draw one patient's whole course."""

from __future__ import annotations

from datetime import tzinfo
from random import Random
from typing import Final

from cds_service.tools.synth import beside
from cds_service.tools.synth.course import DAY, HOUR, Ask, Course, Person, Problem
from cds_service.tools.synth.draws import minutes, pick, source, whole
from cds_service.tools.synth.figure_parts import Plot
from cds_service.tools.synth.figures import Figures
from cds_service.tools.synth.laboratory import kidney, labs, weights
from cds_service.tools.synth.person import person as draw_person
from cds_service.tools.synth.release import Release, gradings, play, running
from cds_service.tools.synth.signs import State, sign_sets
from cds_service.tools.synth.treatment import doses_and_orders

_MASKING: Final = ("tocilizumab", "dexamethasone", "methylprednisolone")


def course_of(figures: Figures, seed: int, number: int, zone: tzinfo, patient_id: str) -> Course:
    """The course of the patient of a number; it depends on the seed and that alone, but for the zone of its clock."""

    def draw(part: str) -> Random:
        return source(seed, number, part)

    plot, child = _plot(draw("plot"), figures)
    person = draw_person(draw("person"), figures, plot, patient_id, number, child=child, zone=zone)
    release = play(draw("release"), figures, plot)
    stays = _stays(draw("stay"), figures, person, release)
    until = stays[-1][1]
    neuro, neuro_asks = beside.neurotoxicity(draw("icans"), figures, release)
    iec_hs, iec_hs_asks = beside.iec_hs(draw("iec-hs"), figures, person, release)
    if iec_hs is not None:
        until = max(until, iec_hs + round(figures.iec_hs.lasts_days[1] * DAY))
        stays = (*stays[:-1], (stays[-1][0], until))
    cultures, infections, infection_asks = beside.infection(draw("infection"), figures, person, release)
    doses, orders = doses_and_orders(draw("treatment"), figures, person, release, until)
    kidneys = kidney(draw("kidneys"), figures, person, release)
    state = State(release.stretches, min((d.at for d in doses if d.drug in _MASKING), default=None))
    written = gradings(draw("gradings"), figures, release.stretches)
    home = beside.home_problems(draw("problems"), figures, person, kidneys.failing)
    asks = (*release.asks, *neuro_asks, *iec_hs_asks, *infection_asks, *_asked(draw("asks"), figures, until))
    return Course(
        person=person,
        plot=plot.name,
        stays=stays,
        stretches=release.stretches,
        gradings=written,
        neuro=neuro,
        doses=doses,
        running=running(figures, release.stretches),
        orders=orders,
        signs=tuple(sign_sets(draw("signs"), figures, person, state, stays)),
        labs=tuple(labs(draw("labs"), figures, person, release, kidneys, iec_hs, stays)),
        weights=tuple(weights(draw("weights"), figures, person, stays)),
        ice=beside.ice_scores(draw("ice"), figures, neuro),
        cultures=cultures,
        problems=(*home, *infections, *(() if iec_hs is None else (Problem("iec-hs", iec_hs, iec_hs),))),
        allergies=beside.allergies(draw("allergies"), figures, person),
        pregnant=_pregnant(draw("pregnancy"), figures, person),
        asks=tuple(sorted((ask for ask in asks if ask.at < until), key=lambda ask: ask.at)),
    )


def _plot(draw: Random, figures: Figures) -> tuple[Plot, bool]:
    child = pick(draw, figures.people).name == "child"
    return pick(draw, [plot for plot in figures.plots if not (child and plot.adults_only)]), child


def _stays(draw: Random, figures: Figures, person: Person, release: Release) -> tuple[tuple[int, int], ...]:
    """In hospital from when until when; twice where cytokine release comes late."""
    figure = figures.stay
    until = max(release.last + minutes(draw, figure.after_last_step_hours), round(figure.least_hours * HOUR))
    first = release.stretches[0].begins if release.stretches else 0
    if first < figure.second_stay_from_days * DAY:
        return ((person.admitted, until),)
    home = round(figure.first_stay_days * DAY)
    return (person.admitted, home), (first - round(figure.second_stay_hours_before * HOUR), until)


def _pregnant(draw: Random, figures: Figures, person: Person) -> bool | None:
    """None where nobody asks."""
    figure = figures.pregnancy
    if not person.female or not figure.age[0] <= person.age <= figure.age[1]:
        return None
    return draw.random() < figure.share


def _asked(draw: Random, figures: Figures, until: int) -> list[Ask]:
    """What every patient is asked: hours after the infusion, and at any hour of the stay."""
    figure = figures.asked_of_all
    times = [minutes(draw, figure.after_infusion)]
    times += [whole(draw, (figure.from_hour * HOUR, until - HOUR)) for _ in range(figure.any_hours)]
    return [Ask(at, draw.choice(figure.orders)) for at in times]
