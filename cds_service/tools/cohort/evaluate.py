"""One patient of a cohort: what would have been said at each moment, as rows of the tables. A pure function."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from cds_service.advice.model import Assessment, OrderAssessment
from cds_service.assess import assess
from cds_service.chart.chart import Chart
from cds_service.chart.read import Read
from cds_service.contract import SUGGESTS
from cds_service.facts.model import Fact
from cds_service.program import Program
from cds_service.tools.charts import chart_of, question_of
from cds_service.tools.cohort.tables import Row
from cds_service.tools.replay import bundles
from cds_service.tools.replay.episode import Course, Step, steps

# An export holds all that there is: no page ends before it.
_COUNT: Final = re.compile(r"&_count=\d+|(?<=\?)_count=\d+&?")
NONE: Final = "none"
_WORDS: Final[Mapping[bool | None, str]] = {True: "fired", False: "silent", None: "unknown"}


@dataclass(frozen=True, slots=True)
class How:
    """At which moments a patient is asked about: so often (`every`), or at each order of the chart (None); of the
    `days` before the last event. `drug` is the one whose doses are looked for."""

    hook: str
    every: timedelta | None
    days: float
    drug: str = "anakinra"


def rows(
    program: Program,
    against: Program | None,
    how: How,
    patient: str,
    resources: Sequence[bundles.Resource],
    now: datetime,
) -> Iterator[tuple[str, Row]]:
    """(table, row) of everything about one patient. `now` bounds what may be an event."""
    course = Course(bundles.Chart(patient, "", tuple(resources), ""))
    whole, other = _opened(program, course, now), _opened(against, course, now) if against else None
    seen = _Seen(patient)
    for step in steps(course, how.hook, how.every, how.days, now):
        found = _assessed(program, whole, course, step)
        yield from seen.step(step, found)
        if against is not None and other is not None:
            yield from _differences(patient, step, found, _assessed(against, other, course, step))
    yield from seen.rules()
    yield from _unmapped(patient, seen.last)
    yield "patients", seen.patient(_first_dose(program, whole, how.drug, seen.first_at))


# ---------------------------------------------------------------- asking


def _opened(program: Program, course: Course, now: datetime) -> Chart:
    """The chart with all that the export holds."""
    searches = {name: _COUNT.sub("", text) for name, text in program.searches.items()}
    return chart_of(program, course.chart, now, searches)


def _assessed(program: Program, whole: Chart, course: Course, step: Step) -> Assessment:
    """What is found at a moment, on the chart as it was known then."""
    assert step.at is not None
    chart = whole.at(program.horizon(step.at))
    if step.asked_again:  # an order that is being written is not on the chart yet
        chart = replace(chart, reads={name: _without(read, step.asked_again) for name, read in chart.reads.items()})
    return assess(program, chart, question_of(program, course.chart, step.hook, step.drafts or ()), step.at)


def _without(read: Read, ref: str) -> Read:
    kept = tuple(resource for resource in read.resources if resource.ref != ref)
    return replace(read, resources=kept) if len(kept) < len(read.resources) else read


# ---------------------------------------------------------------- rows


class _Seen:
    """What was seen of one patient so far."""

    def __init__(self, patient: str) -> None:
        self._patient = patient
        self._facts: dict[tuple[str, str], tuple[Any, str]] = {}
        self._rules: dict[tuple[str, str], dict[str, Any]] = {}
        self._moments: list[datetime] = []
        self._suggested: datetime | None = None
        self._stopped: datetime | None = None
        self.last: Assessment | None = None

    @property
    def first_at(self) -> datetime | None:
        """The first moment."""
        return self._moments[0] if self._moments else None

    def step(self, step: Step, found: Assessment) -> Iterator[tuple[str, Row]]:
        """The rows of one moment."""
        at = step.at
        assert at is not None
        self._moments.append(at)
        self.last = found
        for order in found.orders:
            decision = order.answers[0].decision if order.answers else NONE
            if decision in SUGGESTS:
                self._suggested = self._suggested or at
            if any(each.decision == "block" for each in order.answers):
                self._stopped = self._stopped or at
            yield "decisions", {"patient": self._patient, "asked_at": at, "hook": step.hook, **_decision(order)}
            yield from self._changed(at, order)
            self._count(at, order)

    def _changed(self, at: datetime, order: OrderAssessment) -> Iterator[tuple[str, Row]]:
        kind = order.occasion.key
        for name, fact in order.facts.items():
            said = (fact.value, fact.why)
            if self._facts.get((kind, name)) != said:
                self._facts[kind, name] = said
                yield "facts", {"patient": self._patient, "asked_at": at, "kind": kind, **_fact(fact, name)}

    def _count(self, at: datetime, order: OrderAssessment) -> None:
        for rule, outcome in order.findings.outcomes.items():
            fresh = {"fired": 0, "silent": 0, "unknown": 0, "first_at": None}
            counts = self._rules.setdefault((order.occasion.key, rule), fresh)
            counts[_WORDS[outcome.truth]] += 1
            if outcome.truth and counts["first_at"] is None:
                counts["first_at"] = at

    def rules(self) -> Iterator[tuple[str, Row]]:
        """What became of each rule."""
        for (kind, rule), counts in self._rules.items():
            yield "rules", {"patient": self._patient, "kind": kind, "rule": rule, **counts}

    def patient(self, dose_at: datetime | None) -> Row:
        """The patient in one row."""
        return {
            "patient": self._patient,
            "moments": len(self._moments),
            "first_at": self.first_at,
            "last_at": self._moments[-1] if self._moments else None,
            "suggested_at": self._suggested,
            "stopped_at": self._stopped,
            "dose_at": dose_at,
        }


def _decision(order: OrderAssessment) -> Row:
    told: Row = {
        "kind": order.occasion.key,
        "decision": NONE,
        "pathway": order.pathway,
        "unknown": [fact.name for fact in order.unknown],
        "not_read": list(order.not_read),
        "trouble": order.trouble or None,
    }
    if not order.answers:
        return told
    first, *others = order.answers
    told |= {
        "decision": first.decision,
        "indicator": first.indicator,
        "rule": first.rule.id,
        "rule_version": first.rule.version,
        "beside": [each.rule.id for each in others],
    }
    if first.plan is not None:
        told |= {"dose_mg": first.plan.dose_mg, "interval_h": first.plan.interval_h, "route": first.plan.route}
    return told


def _fact(fact: Fact, name: str) -> Row:
    value = None if fact.value is None else msgspec.json.encode(fact.value).decode()
    return {
        "fact": name,
        "value": value,
        "unit": fact.unit or None,
        "why": fact.why or None,
        "as_of": fact.as_of,
        "sources": len(fact.sources),
    }


def _unmapped(patient: str, last: Assessment | None) -> Iterator[tuple[str, Row]]:
    for each, met in last.intake.unmapped if last else ():
        told = {"source": each.source, "why": each.why, "system": each.system, "code": each.code, "unit": each.unit}
        yield "unmapped", {"patient": patient, **told, "value_set": each.of, "met": met}


def _first_dose(program: Program, chart: Chart, drug: str, since: datetime | None) -> datetime | None:
    """When the drug was given first, since the first moment."""
    sets = [program.terms[name] for name in program.knowledge.orders.kinds[drug].value_sets]
    given = program.select.statuses["given"]
    queries = [n for n, q in program.knowledge.catalogue.queries.items() if q.resource == "MedicationAdministration"]
    times = [r.when.start for r in chart.matching(queries, *sets) if r.when and given(r, r.when.start)]
    return min((time for time in times if since is None or time >= since), default=None)


def _differences(patient: str, step: Step, mine: Assessment, theirs: Assessment) -> Iterator[tuple[str, Row]]:
    """A row for each occasion on which two versions of the knowledge say something else."""
    others = {order.occasion.key: order for order in theirs.orders}
    for order in mine.orders:
        other = others.get(order.occasion.key)
        was, now = _said(order), _said(other) if other else None
        if was != now:
            changed = _changed_rules(order, other) if other else []
            told = {"decision": was[0], "other": now[0] if now else NONE, "rules": changed}
            yield "differences", {"patient": patient, "asked_at": step.at, "kind": order.occasion.key, **told}


def _said(order: OrderAssessment) -> tuple[Any, ...]:
    first = order.answers[0] if order.answers else None
    if first is None:
        return (NONE,)
    return first.decision, first.rule.id, first.plan and (first.plan.dose_mg, first.plan.interval_h, first.plan.route)


def _changed_rules(order: OrderAssessment, other: OrderAssessment) -> list[str]:
    mine, theirs = order.findings.outcomes, other.findings.outcomes
    was = {name: outcome.truth for name, outcome in mine.items()}
    now = {name: outcome.truth for name, outcome in theirs.items()}
    # A rule that one of them lacks never holds there.
    return [name for name in dict.fromkeys((*mine, *theirs)) if was.get(name, False) is not now.get(name, False)]
