"""One track of the picture: its heading, what was measured as lines, and its lanes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from itertools import groupby
from typing import Final
from zoneinfo import ZoneInfo

from cds_service.timeline.axis import NAME, Part
from cds_service.timeline.lanes import lane, title_of
from cds_service.timeline.model import Line, Series, Track
from cds_service.timeline.scale import Across, Down, down
from cds_service.timeline.words import number, unit_of

_PLOT: Final = 56  # pixels
_LANE: Final = 20
_MOST_DOTS: Final = 60  # measured values of a series, each a dot of its own; of more only the line is drawn
_COLUMNS: Final = 48  # of a brief line, each with its lowest and highest value


def strip(track: Track, at: Across) -> Part:
    """The whole track. A brief one tells no point by itself."""
    drawn = [series for series in track.series if series.kind in ("values", "steps")]
    scale = down(track, _PLOT)
    made = [_heading(track, at, drawn)]
    top = float(NAME)
    if scale is not None:
        plot = _plot(track, drawn, at, scale)
        made.append(f'<g transform="translate(0 {top:g})">{plot}</g>')
        top += _PLOT + 4
    for series in track.series:
        if series.kind in ("values", "steps") or not series.points:
            continue
        made.append(f'<g transform="translate(0 {top:g})">{lane(series, at)}</g>')
        top += _LANE
    return Part("".join(made), top)


def _heading(track: Track, at: Across, drawn: Sequence[Series]) -> str:
    unit = unit_of(track.unit)
    legend = ""
    if len(drawn) > 1:
        keys = zip(_CLASSES, _SIGNS, drawn, strict=False)
        legend = "".join(f'<tspan class="n-{css}"> {sign} {escape(each.title)}</tspan>' for css, sign, each in keys)
    unread = '<tspan class="soft"> · not all read</tspan>' if track.gaps else ""
    name = f'<text y="12"><tspan class="name">{escape(track.title)}</tspan>'
    name += f'<tspan class="soft"> {escape(unit)}</tspan>' if unit else ""
    return f"{name}{legend}{unread}</text>{_latest(drawn, at)}"


_CLASSES: Final = ("one", "two")
_SIGNS: Final = ("━", "╍")
_GRADE: Final = "{grade}"


def _latest(drawn: Sequence[Series], at: Across) -> str:
    """The newest measured value, at the right of the heading."""
    found = [p for series in drawn if series.kind == "values" for p in series.points]
    if not found:
        return ""
    last = max(found, key=lambda p: p.at)
    when = last.at.astimezone(ZoneInfo(at.zone or "UTC"))
    told = f"{last.bound}{number(float(last.value or 0))} on {when.day} {when:%b %H:%M}"
    return f'<text class="soft end" x="100%" y="12">{escape(told)}</text>'


def _plot(track: Track, drawn: Sequence[Series], at: Across, scale: Down) -> str:
    made = [_rulers(track, scale, at)]
    made += [_limit(line, scale) for line in track.lines]
    names = (_limit_name(line, scale) for line in track.lines)
    paths: list[str] = []
    dots: list[str] = []
    for css, series in zip(_CLASSES, drawn, strict=False):
        if series.kind == "steps":
            # Two grades that agree lie beside each other.
            beside = ' transform="translate(0 4)"' if paths else ""
            paths += [f'<path class="{css} step" d="{d}"{beside}/>' for d in _steps(series, at, scale)]
            dots += [] if at.is_brief else _told(series, at)
        else:
            paths += [f'<path class="{css}" d="{d}"/>' for d in _line(series, at, scale)]
            dots += _dots(series, at, scale)
    # The lines stretch with the width; their strokes and the dots beside them do not.
    box = f'viewBox="0 0 100 {_PLOT}" preserveAspectRatio="none" overflow="visible"'
    inner = f'<svg width="100%" height="{_PLOT}" {box}>'
    return "".join(made) + f"{inner}{''.join(paths)}</svg>" + "".join((*dots, *names))


def _rulers(track: Track, scale: Down, at: Across) -> str:
    ends = [scale.low, scale.high]
    if track.unit == _GRADE:
        ends = [float(grade) for grade in range(int(scale.low), int(scale.high) + 1)]
    ruled = () if at.is_brief else ends
    lines = (f'<line class="grid" x2="100%" y1="{scale(v):g}" y2="{scale(v):g}"/>' for v in ruled)
    shown = ends if track.unit != _GRADE else [v for v in ends if v]
    names = (f'<text class="tick" y="{_beside(scale(v), track):g}">{number(_round(v, scale))}</text>' for v in shown)
    return "".join((*lines, *names))


def _round(value: float, scale: Down) -> float:
    return value if scale.high - scale.low < 10 else round(value)


def _beside(y: float, track: Track | None = None) -> float:
    """Where a text stands that belongs to a height: on it where there are many, else above it, or below the top."""
    if track is not None and track.unit == _GRADE:
        return y + 4
    return y + 10 if y < 10 else y - 3


def _limit(line: Line, scale: Down) -> str:
    y = scale(line.value)
    return f'<line class="limit" x2="100%" y1="{y:g}" y2="{y:g}"/>'


def _limit_name(line: Line, scale: Down) -> str:
    """In front of what was measured: it stays readable where a line runs through it."""
    told = f"{line.title} {number(line.value)}"
    return f'<text class="limit-name end" x="100%" y="{_beside(scale(line.value)):g}">{escape(told)}</text>'


def _steps(series: Series, at: Across, scale: Down) -> Iterator[str]:
    """One path for as long as the value is known."""
    for known, run in groupby(series.points, key=lambda p: p.value is not None):
        if known:
            moves = [(at(p.at), at(p.until or p.at), scale(float(p.value or 0))) for p in run]
            yield "M" + "L".join(f"{left:g} {y:g}L{max(right, left + 0.3):g} {y:g}" for left, right, y in moves)


def _line(series: Series, at: Across, scale: Down) -> Iterator[str]:
    places = [(at(p.at), scale(float(p.value))) for p in series.points if p.value is not None]
    if at.is_brief:
        places = list(_thinned(places))
    if len(places) > 1:
        yield "M" + "L".join(f"{x:g} {y:g}" for x, y in places)


def _thinned(places: Sequence[tuple[float, float]]) -> Iterator[tuple[float, float]]:
    """The lowest and the highest of each narrow column, in their order."""
    for _, column in groupby(places, key=lambda place: int(place[0] * _COLUMNS / 100)):
        inside = list(column)
        kept = {inside.index(min(inside, key=lambda p: p[1])), inside.index(max(inside, key=lambda p: p[1]))}
        yield from (inside[index] for index in sorted(kept))


def _dots(series: Series, at: Across, scale: Down) -> Iterator[str]:
    few = len(series.points) <= (1 if at.is_brief else _MOST_DOTS)
    if at.is_brief and not few:
        return
    for point in series.points:
        if point.value is None:
            continue
        place = f'cx="{at(point.at)}%" cy="{scale(float(point.value)):g}"'
        if few:
            yield f'<circle class="dot" {place} r="3">{title_of(series, point, at)}</circle>'
        else:
            yield f'<circle fill-opacity="0" {place} r="5">{title_of(series, point, at)}</circle>'


def _told(series: Series, at: Across) -> Iterator[str]:
    """What a step says, where a pointer rests on it."""
    for point in series.points:
        left, right = at(point.at), at(point.until or point.at)
        size = f'x="{left}%" width="{max(right - left, 0.3):.2f}%" height="{_PLOT}" fill-opacity="0"'
        yield f"<rect {size}>{title_of(series, point, at)}</rect>"
