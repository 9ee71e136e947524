"""How numbers, units and points of a timeline read, and the whole of it as a table."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from typing import Final

from cds_service.timeline.model import Point, Series, Timeline
from cds_service.timeline.scale import across

_UNITS: Final = {"Cel": "°C", "mm[Hg]": "mmHg", "/uL": "/µL", "1": ""}
_SHOWN_SOURCES: Final = 3


def unit_of(ucum: str) -> str:
    """A UCUM unit as people write it; an annotation such as {grade} is none."""
    return _UNITS.get(ucum, "" if ucum.startswith("{") else ucum)


def number(value: float) -> str:
    """`38.3`, `2,160`: tenths below a thousand, no more digits than a ward writes."""
    return f"{value:,.1f}".removesuffix(".0") if abs(value) < 1000 else f"{value:,.0f}"


def amount(point: Point) -> str:
    """The value of a point with its unit; yes and no in words; "" where there is none."""
    if point.value is None:
        return ""
    if isinstance(point.value, bool):
        return "yes" if point.value else "no"
    return f"{point.bound}{number(point.value)} {unit_of(point.unit)}".strip()


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: everything as text."""

    time: str
    track: str
    what: str
    value: str
    sources: str


def rows(timeline: Timeline) -> Iterator[Row]:
    """Everything that the picture shows, answers first, then track by track, each by time."""
    said = across(timeline).said
    for decided in timeline.decisions:
        yield Row(said(decided.at), "Answer", decided.decision or "no card", decided.summary, decided.rule)
    for track in timeline.tracks:
        for series in track.series:
            for point in series.points:
                time = said(point.at) + (f" to {said(point.until)}" if point.until else "")
                yield Row(time, track.title, series.title, _value(point, series), _sources(point))


def _value(point: Point, series: Series) -> str:
    told = amount(point)
    if series.kind in ("steps", "spans") and point.value is None:
        return point.text
    return ": ".join(filter(None, (told, point.text)))


def _sources(point: Point) -> str:
    more = len(point.sources) - _SHOWN_SOURCES
    return ", ".join(point.sources[:_SHOWN_SOURCES]) + (f" and {more} more" if more > 0 else "")


def table(timeline: Timeline) -> str:
    """The picture in words, as one HTML table."""
    head = "".join(f'<th scope="col">{name}</th>' for name in ("Time", "Track", "What", "Value", "From"))
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in (r.time, r.track, r.what, r.value, r.sources)) + "</tr>"
        for r in rows(timeline)
    )
    caption = f"What the timeline of patient {escape(timeline.patient_id)} shows"
    return f"<table><caption>{caption}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
