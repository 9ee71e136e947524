"""One synthetic patient, whole: the chart as a dialect writes it, dirt and all, and the truth beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from cds_service.tools.synth.course import Course
from cds_service.tools.synth.dialect import Dialect, Json
from cds_service.tools.synth.dirt import Stain, soiled
from cds_service.tools.synth.draws import source
from cds_service.tools.synth.figures import Figures
from cds_service.tools.synth.generate import course_of
from cds_service.tools.synth.grade import graded
from cds_service.tools.synth.orders import draft_of, resource_of
from cds_service.tools.synth.policy import Policy
from cds_service.tools.synth.render import records_of
from cds_service.tools.synth.verdict import verdict

_SIGNS: Final = ("temperature", "pressure", "saturation", "oxygen-flow", "oxygen-device")
_TOLD: Final = ("stretches", "gradings", "neuro", "running", "orders", "cultures", "problems", "allergies")


@dataclass(frozen=True, slots=True)
class Patient:
    """The resources of one patient, the Patient first, and the truth as it is written."""

    id: str
    resources: list[Json]
    truth: Json


def patient_of(
    figures: Figures, policy: Policy, dialects: Sequence[Dialect], seed: int, number: int, rate: float = 0
) -> Patient:
    """The patient of a number, in the dialect whose turn it is, with a rate of its resources dirty; the same whatever
    other patients are made."""
    dialect = dialects[number % len(dialects)]
    course = course_of(figures, seed, number, dialect.zone, f"{dialect.name}-{seed}-{number:05d}")
    records, stains = soiled(source(seed, number, "dirt"), rate, records_of(course, dialect, figures), dialect)
    truth = {
        "patient": course.person.id,
        "dialect": dialect.name,
        "site": dialect.site,
        "at": _moments(course, dialect, figures, policy, stains),
        "course": _told(course),
        "dirt": [_noted(course, stain) for stain in stains],
    }
    return Patient(course.person.id, [record.resource for record in records], truth)


def _moments(course: Course, dialect: Dialect, figures: Figures, policy: Policy, stains: Sequence[Stain]) -> list[Json]:
    found = []
    for ask in course.asks:
        state = graded(course, ask.at, policy)
        worst = max((finding for finding in state.findings if isinstance(finding, int)), default=0)
        severe = worst >= policy.value("severe-grade") or state.pressor
        draft = draft_of(course, ask, figures, policy, severe=severe)
        told = verdict(course, ask.at, draft, policy, dialect.site)
        before = [stain for stain in stains if stain.record.at <= ask.at or stain.kind.timeless]
        if any(stain.kind.lost for stain in before):
            without = verdict(_without(course, before), ask.at, draft, policy, dialect.site)
            for decision in without.decisions:
                told.add(decision, "a dirty measurement may not be read")
        for stain in before:
            for decision in stain.kind.also:
                told.add(decision, f"or what dirt leaves open ({len(before)} records)")
        found.append({
            "at": course.person.moment(ask.at).isoformat(),
            "hook": draft.hook,
            "order": resource_of(draft, course, dialect),
            "decisions": told.decisions,
            "why": "; ".join(told.reasons),
        })  # fmt: skip
    return found


def _without(course: Course, stains: Sequence[Stain]) -> Course:
    """The course as it is read without its dirty measurements."""
    lost = {(stain.record.about, stain.record.at) for stain in stains if stain.kind.lost}
    at = {at for about, at in lost if about in _SIGNS}
    return replace(
        course,
        signs=tuple(signs for signs in course.signs if signs.at not in at),
        labs=tuple(lab for lab in course.labs if (lab.name, lab.at) not in lost),
        weights=tuple(weight for weight in course.weights if ("weight", weight.at) not in lost),
        gradings=tuple(grading for grading in course.gradings if ("crs-grade", grading.at) not in lost),
    )


def _noted(course: Course, stain: Stain) -> Json:
    resource = stain.record.resource
    return {
        "resource": f"{resource['resourceType']}/{resource['id']}",
        "kind": stain.kind.name,
        "about": stain.record.about,
        "at": course.person.moment(stain.record.at).isoformat(),
    }


def _told(course: Course) -> Json:
    """What happened, for who reads the truth: minutes since the infusion."""
    person, whole = course.person, {name: [asdict(each) for each in getattr(course, name)] for name in _TOLD}
    doses: dict[str, list[Any]] = {}
    for dose in course.doses:
        doses.setdefault(dose.drug, []).append([dose.at, dose.mg, dose.route])
    return {
        "plot": course.plot,
        "minutesSince": person.zero.isoformat(),
        "age": person.age,
        "kg": person.weight,
        "product": person.product,
        "disease": person.disease,
        "pregnant": course.pregnant,
        "stays": course.stays,
        "doses": doses,
    } | whole
