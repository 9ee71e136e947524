"""Named statuses (`rules/statuses.yaml`) at work: whether a record is active, given, final, ended, disproven."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from cds_service.chart.resource import Resource
from cds_service.chart.times import When, hours_after
from cds_service.chart.units import number_of
from cds_service.chart.vocabulary import Matcher
from cds_service.facts.not_given import says_not_given
from cds_service.facts.ways import is_local
from cds_service.knowledge.model import StatusSet

Holds = Callable[[Resource, datetime], bool]
_HOURS = {"h": 1.0, "d": 24.0, "wk": 168.0}


def compiled(sets: Mapping[str, StatusSet], terms: Mapping[str, Matcher]) -> dict[str, Holds]:
    """Every named status as a test of a resource at a moment. A status in terms of others stands for what these say."""
    found: dict[str, Holds] = {}
    for name, status in sets.items():
        if status.none_of:
            found[name] = _none_of(tuple(found_or_simple(other, sets, terms) for other in status.none_of))
        else:
            found[name] = found_or_simple(name, sets, terms)
    return found


def timeless(sets: Mapping[str, StatusSet]) -> frozenset[str]:
    """The statuses in which a record is at any time or never: the clock has no say in them."""
    return frozenset(n for n, s in sets.items() if not any(_is_timed(sets[o]) for o in (n, *(s.none_of or ()))))


def _is_timed(status: StatusSet) -> bool:
    return bool(status.or_abated or status.running)


def found_or_simple(name: str, sets: Mapping[str, StatusSet], terms: Mapping[str, Matcher]) -> Holds:
    """The test of a status that names codes itself."""
    status = sets[name]
    codes, element = frozenset(status.codes), status.element
    of_code = element != "status"

    def written(resource: Resource, now: datetime) -> bool:
        return (resource.code(element) if of_code else resource.status) in codes

    coded = _with_words(written, status, terms)
    if status.or_abated:
        return lambda resource, now: coded(resource, now) or _abated(resource, now)
    if status.running:
        return lambda resource, now: coded(resource, now) and _has_not_run_out(resource, now)
    if local := status.not_local:
        return lambda resource, now: coded(resource, now) and not is_local(resource, local, terms)
    return coded


def _with_words(written: Holds, status: StatusSet, terms: Mapping[str, Matcher]) -> Holds:
    """The same, where words say that nothing was given."""
    said, taken_in = status.unless_said or status.or_said, status.or_said is not None
    if said is None:
        return written

    def holds(resource: Resource, now: datetime) -> bool:
        if written(resource, now):
            return taken_in or not says_not_given(resource, said, terms)
        return taken_in and says_not_given(resource, said, terms)

    return holds


def _none_of(others: tuple[Holds, ...]) -> Holds:
    return lambda resource, now: not any(holds(resource, now) for holds in others)


def _abated(resource: Resource, now: datetime) -> bool:
    ended = abatement(resource)
    return ended is not None and ended.start <= now


def abatement(condition: Resource) -> When | None:
    """When the condition ended, where it says a time."""
    ended = condition.time("abatementDateTime") or condition.time("abatementPeriod")
    onset = condition.time("onsetDateTime") or condition.time("onsetPeriod")
    # One that ended before it began did not say when it ended.
    return None if ended is not None and onset is not None and ended.end < onset.start else ended


def _has_not_run_out(resource: Resource, now: datetime) -> bool:
    if resource.type == "MedicationRequest":
        return _is_order(resource) and bool(running_instructions(resource, now))
    return resource.end("effectivePeriod") is None or resource.when is None or resource.when.end >= now


def _is_order(request: Resource) -> bool:
    return request.raw.get("doNotPerform") is not True and request.text("intent") != "proposal"


def running_instructions(request: Resource, now: datetime) -> list[object]:
    """The dosage instructions that have not run out; an order without any counts as one that has not."""
    written = request.raw.get("dosageInstruction")
    instructions: list[object] = written if isinstance(written, list) and written else [None]
    return [i for i in instructions if not _over(i, request, now)]


def _over(instruction: object, request: Resource, now: datetime) -> bool:
    timing = instruction.get("timing") if isinstance(instruction, Mapping) else None
    repeat = timing.get("repeat") if isinstance(timing, Mapping) else None
    end = _bound_end(repeat, request) if isinstance(repeat, Mapping) else None
    return end is not None and end < now


def _bound_end(repeat: Mapping[str, object], request: Resource) -> datetime | None:
    if end := Resource(repeat).end("boundsPeriod"):
        # An order that ends before it begins says nothing of its end.
        return None if request.when is not None and end.end < request.when.start else end.end
    duration = repeat.get("boundsDuration")
    if isinstance(duration, Mapping) and request.when is not None:
        value, unit = number_of(duration.get("value")), str(duration.get("code") or duration.get("unit"))
        if value is not None and value >= 0 and unit in _HOURS:
            return hours_after(request.when.end, value * _HOURS[unit])
    return None
