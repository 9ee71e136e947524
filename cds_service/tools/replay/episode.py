"""A patient's episode, step by step: when a service is asked, about which orders, and what the chart held then."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from cds_service.chart.as_of import resource_at
from cds_service.chart.resource import Resource
from cds_service.contract import ASKS
from cds_service.tools.replay import bundles
from cds_service.tools.replay.calls import drafts_of

ORDER: Final = "order"
_EVERY: Final = re.compile(r"(\d{1,4})(min|h|d)")
_UNITS: Final = {"min": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}
# What happens to a patient during a stay; a problem may have begun decades ago.
_EVENTS: Final = frozenset({"Observation", "DiagnosticReport", "MedicationAdministration", "MedicationRequest"})
_HOUR: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Step:
    """One question. `at` None is now, of the whole chart. `drafts` None: the chart's own, else one of anakinra.

    `order` is what is ordered, in words; `asked_again` the reference of an order that the chart holds, and that is
    ordered at this step. `expected` are the decisions that are right (empty: nobody said).
    """

    at: datetime | None
    hook: str
    drafts: tuple[bundles.Resource, ...] | None = None
    order: str = ""
    asked_again: str = ""
    expected: tuple[str, ...] = ()


def every_of(text: str) -> timedelta | None:
    """`1h`, `30min`, `2d` as a time; None for `order`. Raises ValueError."""
    if text == ORDER:
        return None
    found = _EVERY.fullmatch(text)
    if found is None or int(found[1]) == 0:
        raise ValueError(f"expected a time such as 1h, 30min or 1d, or `{ORDER}`")
    return int(found[1]) * _UNITS[found[2]]


class Course:
    """The chart of one patient, as it was known at any moment."""

    def __init__(self, chart: bundles.Chart) -> None:
        self.chart = chart
        self._resources = tuple(Resource(raw) for raw in chart.resources)
        self._drafts = {id(draft) for draft in drafts_of(chart)}

    def at(self, moment: datetime | None, without: str = "") -> bundles.Chart:
        """The chart as a FHIR server held it then, with the drafts in hand; None is the whole of it. An order
        `without` which it is asked is not on it yet."""
        if moment is None:
            return self.chart
        kept = tuple(self._known(moment, without))
        return bundles.Chart(self.chart.patient_id, self.chart.story, kept, self.chart.source)

    def _known(self, moment: datetime, without: str) -> Iterator[dict[str, Any]]:
        for resource in self._resources:
            if id(resource.raw) in self._drafts:
                yield dict(resource.raw)
            elif resource.ref != without and (then := resource_at(resource, moment)) is not None:
                yield dict(then.raw)

    def span(self, days: float, last: datetime, *, exactly: bool) -> tuple[datetime, datetime] | None:
        """From the first to the last whole hour of the episode: the `days` before the last event that is not after
        `last`; or `exactly` until then. None where nothing has a time."""
        times = sorted(r.when.start for r in self._resources if r.type in _EVENTS and r.when and r.when.start <= last)
        if not times:
            return None
        end = times[-1].replace(minute=0, second=0, microsecond=0)
        end = last if exactly else end if end == times[-1] else end + _HOUR
        begun = next(time for time in times if time >= times[-1] - timedelta(days=days))
        return begun.replace(minute=0, second=0, microsecond=0), end

    def orders(self, start: datetime, end: datetime) -> Iterator[tuple[datetime, Resource]]:
        """The orders of drugs that were written in a time, by time."""
        found = [
            (r.when.start, r)
            for r in self._resources
            if r.type == "MedicationRequest" and id(r.raw) not in self._drafts and r.when
        ]
        yield from sorted((pair for pair in found if start <= pair[0] <= end), key=lambda pair: (pair[0], pair[1].ref))


def steps(
    course: Course, hook: str, every: timedelta | None, days: float, last: datetime, *, exactly: bool = False
) -> Iterator[Step]:
    """The steps of an episode: one each so often, or (None) one for each order, and one for the drafts at the end.

    It ends with its last event that is not after `last`, or `exactly` then.
    """
    span = course.span(days, last, exactly=exactly)
    if span is None:
        return
    start, end = span
    if every is not None:
        moment = start
        while moment < end:
            yield Step(moment, hook)
            moment += every
        yield Step(end, hook)
        return
    if hook not in ASKS:
        for time, order in course.orders(start, end):
            draft = {**order.raw, "status": "draft"}
            yield Step(time, hook, (draft,), order.concept.label, asked_again=order.ref)
    if drafts_of(course.chart) or hook in ASKS:
        yield Step(end, hook, order=_words(drafts_of(course.chart)))


def _words(drafts: Sequence[bundles.Resource]) -> str:
    return ", ".join(Resource(draft).concept.label for draft in drafts)
