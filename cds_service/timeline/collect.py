"""A chart, hour by hour, as a Timeline: pure, without a clock. What it shows is `rules/timeline.yaml`.

Facts are those that a call at each hour would find; values and records are what the chart of the last hour holds, read
by the same functions and selections as those facts. Nothing here reads a chart in a way of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import pairwise

from cds_service.assess import NO_ORDER, Question, assess, cards
from cds_service.chart.chart import Chart
from cds_service.chart.resource import Resource
from cds_service.chart.units import Bounded, Converted
from cds_service.contract import EXPLANATION
from cds_service.facts.gather import Gatherer
from cds_service.facts.growth import result_of
from cds_service.facts.measured import all_values
from cds_service.facts.model import Fact, Facts, Reading
from cds_service.facts.select import Draw
from cds_service.facts.support import values_of
from cds_service.knowledge.model import CrsGrade, MeasuredIn, Newest, Quantity
from cds_service.knowledge.model import timeline as model
from cds_service.program import Program
from cds_service.timeline.model import Decided, Line, Point, Series, Timeline, Track


def collect(
    program: Program,
    chart: Chart,
    hours: Sequence[datetime],
    *,
    encounter_id: str | None = None,
    decisions: Sequence[Decided] = (),
) -> Timeline:
    """The course from the first to the last of `hours` (aware, ascending, at least one).

    `chart` holds all that is known at the last one; what was known at each earlier one follows from it. Raises
    ValueError for hours that do not ascend.
    """
    if not hours or any(a >= b for a, b in pairwise(hours)):
        raise ValueError("hours: expected at least one, each after the one before")
    picture = program.knowledge.timeline
    gatherer = program.select.once("timeline facts", lambda: _gatherer(program))
    found = [(hour, gatherer.gather(_reading(program, chart, encounter_id, hour))) for hour in hours]
    whole = _reading(program, chart, encounter_id, hours[-1])
    tracks = tuple(_track(program, track, found, whole) for track in picture.tracks)
    zone = program.knowledge.site.timezone
    return Timeline(chart.patient_id, hours[0], hours[-1], tracks, tuple(decisions), zone)


def decide_at(program: Program, chart: Chart, question: Question, hours: Iterable[datetime]) -> Iterator[Decided]:
    """What a call with this question would be answered at each hour."""
    for hour in hours:
        told = assess(program, chart.at(program.horizon(hour)), question, hour)
        yield decided(hour, cards(program, told, silent=program.silent)[1])


def decided(hour: datetime, shown: Sequence[dict[str, object]]) -> Decided:
    """What the cards of an answer say at an hour: the first one leads."""
    if not shown:
        return Decided(hour, "")
    first = shown[0]
    extension = first.get("extension")
    why = extension.get(EXPLANATION) if isinstance(extension, dict) else None
    told = why if isinstance(why, dict) else {}
    return Decided(
        hour,
        str(told.get("decision", "")) or str(first.get("indicator", "")),
        str(first.get("indicator", "")),
        str(first.get("summary", "")),
        str(told.get("rule", "")),
    )


def _reading(program: Program, chart: Chart, encounter_id: str | None, hour: datetime) -> Reading:
    then = chart.at(program.horizon(hour))
    return program.reading(then, NO_ORDER, program.no_order.drug, encounter_id, hour)


def _gatherer(program: Program) -> Gatherer:
    """What finds the facts that are shown, and those that the shown records are drawn with."""
    series = [s for track in program.knowledge.timeline.tracks for s in track.series]
    shown = [s.fact for s in series if s.fact]
    behind = (name for s in series for one in s.records for name in program.knowledge.catalogue.behind(one, "fact"))
    return Gatherer(program.select, dict.fromkeys((*shown, *behind)), [program.no_order.drug])


Hourly = Sequence[tuple[datetime, Facts]]


def _track(program: Program, given: model.Track, found: Hourly, whole: Reading) -> Track:
    series = tuple(_series(program, each, found, whole) for each in given.series)
    policies = program.knowledge.policies
    lines = tuple(Line(each.title, program.policies[each.at], policies[each.at].unit) for each in given.lines)
    gaps = whole.chart.gaps(_queries(program, given))
    return Track(given.title, series, lines, given.scale == "log", given.least, given.most, gaps)


def _queries(program: Program, given: model.Track) -> tuple[str, ...]:
    """What its series look at."""
    catalogue, vitals = program.knowledge.catalogue, program.select.only(CrsGrade)
    found: dict[str, None] = {}
    for series in given.series:
        found |= dict.fromkeys(catalogue.behind(series, "query"))
        for fact in filter(None, (series.fact, series.values)):
            found |= dict.fromkeys(catalogue.reads(fact))
        if series.vital and vitals is not None:
            found[vitals.vitals] = None
    return tuple(found)


def _series(program: Program, given: model.Series, found: Hourly, whole: Reading) -> Series:
    start, catalogue = found[0][0], program.knowledge.catalogue
    if given.fact:
        return _of_fact(given, catalogue.facts[given.fact].type == "boolean", catalogue.facts[given.fact].unit, found)
    if given.vital:
        computed = program.select.only(CrsGrade)
        assert computed is not None  # checked at load
        made = _vitals(given.title, computed, getattr(computed, given.vital), whole)
    elif given.values:
        source = catalogue.facts[given.values].source
        assert isinstance(source, Newest)  # checked at load
        made = _values(given.title, source.newest, whole)
    else:
        made = _records(program, given, whole, found[-1][1])
    points = sorted((p for p in made.points if _is_inside(p, start, whole)), key=lambda p: p.at)
    return replace(made, points=tuple(points))


def _is_inside(point: Point, start: datetime, whole: Reading) -> bool:
    return (point.until or point.at) >= start and point.at <= whole.horizon


# ---------------------------------------------------------------- facts


def _of_fact(given: model.Series, is_boolean: bool, unit: str, found: Hourly) -> Series:
    """A point for as long as a fact said the same."""
    points: list[Point] = []
    for (hour, facts), until in zip(found, (*(hour for hour, _ in found[1:]), found[-1][0]), strict=True):
        point = _point(facts[given.fact or ""], unit, hour, until)
        last = points[-1] if points else None
        if last is not None and _says_the_same(last, point):
            sources = tuple(dict.fromkeys((*last.sources, *point.sources)))
            points[-1] = replace(last, until=until, sources=sources)
        else:
            points.append(point)
    return Series(given.title, "spans" if is_boolean else "steps", unit, tuple(points))


def _says_the_same(last: Point, point: Point) -> bool:
    """The same value for the same reason; of what is not known the first reason stands for as long as that lasts."""
    return last.value == point.value and (point.value is None or last.text == point.text)


def _point(fact: Fact, unit: str, hour: datetime, until: datetime) -> Point:
    if fact.value is None:
        return Point(hour, None, unit, until, f"not known: {fact.why}", fact.sources)
    value = fact.value if isinstance(fact.value, bool) else float(fact.value)
    return Point(hour, value, unit, until, fact.text, fact.sources)


# ---------------------------------------------------------------- what was measured


def _vitals(title: str, given: CrsGrade, what: Quantity, whole: Reading) -> Series:
    vitals = [r for r in whole.chart.of(given.vitals) if whole.is_(given.final, r) and whole.past(r)]
    bad: list[str] = []
    unit = whole.units[what.analyte].analyte.unit
    points = tuple(Point(v.at, v.value, unit, sources=(v.ref,)) for v in values_of(vitals, what, whole, [], bad))
    return Series(title, "values", unit, points, tuple(bad))


def _values(title: str, measured: MeasuredIn, whole: Reading) -> Series:
    unit = whole.units[measured.analyte].analyte.unit
    points: list[Point] = []
    bad: list[str] = []
    for resource, value in all_values(measured, whole):
        assert resource.when is not None  # it is past
        at, sources = resource.when.start, (resource.ref,)
        if isinstance(value, Converted):
            text = f"converted from {value.written}" if value.written else ""
            points.append(Point(at, value.value, unit, text=text, sources=sources))
        elif isinstance(value, Bounded):
            points.append(_bounded(value, at, unit, sources))
        else:
            bad.append(f"{resource.ref}: {value}")
    return Series(title, "values", unit, tuple(points), tuple(bad))


def _bounded(value: Bounded, at: datetime, unit: str, sources: tuple[str, ...]) -> Point:
    if value.least is not None:
        return Point(at, value.least, unit, text=value.why, sources=sources, bound=">")
    return Point(at, value.most, unit, text=value.why, sources=sources, bound="<")


# ---------------------------------------------------------------- records


def _records(program: Program, given: model.Series, whole: Reading, known: Facts) -> Series:
    draws: Sequence[Draw] = program.select.once(
        ("timeline records", given), lambda: tuple(program.select.draw(each) for each in given.records)
    )
    points: dict[str, Point] = {}
    bad: list[str] = []
    for drawn in (draw(whole, known) for draw in draws):
        bad += drawn.unusable
        for record in drawn.found:
            if drawn.standings and id(record) not in drawn.standings:
                continue  # a report of a culture that is here itself
            if record.when is None:
                bad.append(f"{record.ref}: no usable time")
            else:
                points[record.ref] = _mark(given, record, drawn.standings.get(id(record), ""), whole)
    unit = whole.units[given.analyte].analyte.unit if given.analyte else ""
    return Series(given.title, "marks", unit, tuple(points.values()), tuple(dict.fromkeys(bad)))


def _mark(given: model.Series, record: Resource, standing: str, whole: Reading) -> Point:
    """A record at its time. One that took time lasts until it ended, or to the last hour while it is open."""
    assert record.when is not None
    open_ = record.type == "MedicationAdministration" and record.status == "in-progress"
    end = whole.now if open_ else record.when.end
    # A partial date is a time that is not known better, and no record that lasted.
    lasted = end > record.when.start and (open_ or any(name.endswith("Period") for name in record.raw))
    amount = _amount(given, record, whole)
    words = record.concept.label
    if standing:
        words = f"{words}: {result_of(record, standing, whole)} ({standing})"
    return Point(
        at=record.when.start,
        value=amount.value if amount else None,
        unit=amount.unit if amount else "",
        until=end if lasted else None,
        text=words,
        sources=(record.ref,),
        is_hollow=standing in given.hollow,
        label=standing,
    )


def _amount(given: model.Series, record: Resource, whole: Reading) -> Converted | None:
    """The amount that a record of a drug states; None where it states none that can be used."""
    if not given.analyte:
        return None
    for dosage in record.dosages:
        dose = dosage.get("dose")
        found = whole.units[given.analyte].convert(dose) if isinstance(dose, dict) else None
        if isinstance(found, Converted):
            return found
    return None
