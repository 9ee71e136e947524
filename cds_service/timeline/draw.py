"""A Timeline as one SVG: no script, nothing from elsewhere, no width of its own.

Across everything stands in per cent and down in pixels, so that text keeps its size from a phone to a ward monitor and
on paper. Colours are custom properties of STYLE, for light, dark and print. Where a page must not hold styles inside
its body (a strict Content-Security-Policy), draw without them and serve STYLE with the page's own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from html import escape
from itertools import groupby, pairwise
from typing import Final
from zoneinfo import ZoneInfo

from cds_service.timeline.model import Decided, Line, Point, Series, Timeline, Track
from cds_service.timeline.scale import Across, Down, across, down
from cds_service.timeline.words import amount, number, unit_of

STYLE: Final = """
.tl{--tl-ink:#1b1f24;--tl-soft:#59616b;--tl-grid:#e3e6ea;--tl-day:#b9c0c8;--tl-one:#0a5aa8;--tl-two:#b0480a;
--tl-bar:#bcd7f2;--tl-limit:#7d5c0c;--tl-critical:#a3161e;--tl-warning:#8a5a00;--tl-info:#0a5aa8;--tl-page:#fff;
display:block;overflow:visible;color:var(--tl-ink);font:12px system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
@media (prefers-color-scheme:dark){.tl{--tl-ink:#e8eaed;--tl-soft:#a8b0ba;--tl-grid:#2b313a;--tl-day:#4d5661;
--tl-one:#8ec2ff;--tl-two:#ffb071;--tl-bar:#24466b;--tl-limit:#d9b45a;--tl-critical:#ff9a9a;--tl-warning:#ffcf70;
--tl-info:#8ec2ff;--tl-page:#14171b}}
@media print{.tl{--tl-ink:#000;--tl-soft:#444;--tl-grid:#ddd;--tl-day:#999;--tl-one:#0a4a8a;--tl-two:#9a3c00;
--tl-bar:#cfe2f5;--tl-limit:#6b5010;--tl-critical:#8d0f17;--tl-warning:#6b4600;--tl-info:#0a4a8a;--tl-page:#fff;
break-inside:avoid;print-color-adjust:exact}}
.tl text{fill:var(--tl-ink)}
.tl .soft,.tl .tick{fill:var(--tl-soft);font-size:11px}
.tl .name{font-weight:600}
.tl .tick,.tl .limit-name{paint-order:stroke;stroke:var(--tl-page);stroke-width:3px}
.tl .grid{stroke:var(--tl-grid)}
.tl .day{stroke:var(--tl-day)}
.tl .end{text-anchor:end}
.tl .mid{text-anchor:middle}
.tl .limit{stroke:var(--tl-limit);stroke-dasharray:5 4}
.tl .limit-name{fill:var(--tl-limit);font-size:11px}
.tl path{fill:none;stroke-width:2;vector-effect:non-scaling-stroke;stroke-linejoin:round}
.tl path.step{stroke-width:3}
.tl .one{stroke:var(--tl-one)}
.tl .two{stroke:var(--tl-two);stroke-dasharray:6 3}
.tl .n-one{fill:var(--tl-one)}
.tl .n-two{fill:var(--tl-two)}
.tl circle.dot{fill:var(--tl-one)}
.tl .mark{fill:var(--tl-one);stroke:var(--tl-one);stroke-width:2}
.tl .mark.hollow{fill:var(--tl-page)}
.tl .bar{fill:var(--tl-bar)}
.tl .unknown{fill:none;stroke:var(--tl-soft);stroke-dasharray:2 4}
.tl .answer{fill:currentColor;fill-opacity:.16}
.tl .edge{fill:currentColor}
.tl .critical{color:var(--tl-critical)}
.tl .warning{color:var(--tl-warning)}
.tl .info{color:var(--tl-info)}
.tl .none{color:var(--tl-day)}
.tl .now{stroke:var(--tl-ink);stroke-width:1.5}
@media (max-width:640px){.tl .w{display:none}}
"""
_PLOT, _LANE, _NAME, _GAP = 56, 20, 17, 9  # pixels
_AXIS, _ANSWERS = 20, 24
_MOST_DOTS = 60  # measured values of a series, each a dot of its own; of more only the line is drawn
_ROOM_FOR_LABEL = 16.0  # per cent that a label takes on a phone
_ROOM_ON_WIDE = 4.0
_BRIEF_COLUMNS = 120


@dataclass(frozen=True, slots=True)
class _Part:
    """Some lines of SVG, and how high they are."""

    svg: str
    height: float


def draw(timeline: Timeline, *, now: datetime | None = None, styled: bool = True, brief: bool = False) -> str:
    """The picture. `now` is marked with a line of class `now`. `brief` draws fewer points of long series and tells none
    of them by itself, for a page of many pictures."""
    at = across(timeline)
    parts: list[_Part] = [_axis_names(at)]
    if timeline.decisions:
        parts.append(_answers(timeline.decisions, at, timeline.end))
    parts += [_track(track, at, brief) for track in timeline.tracks if not track.is_empty]
    if empty := [track for track in timeline.tracks if track.is_empty]:
        parts.append(_nothing(empty))
    height = sum(part.height + _GAP for part in parts)
    body: list[str] = []
    top = 0.0
    for part in parts:
        body.append(f'<g transform="translate(0 {top:g})">{part.svg}</g>')
        top += part.height + _GAP
    cursor = ""
    if now is not None:
        cursor = f'<line class="now" x1="{at(now)}%" x2="{at(now)}%" y1="{_AXIS - 4}" y2="{height:g}"/>'
    key = "".join(c if c.isalnum() else "-" for c in timeline.patient_id)
    title = f"Course of patient {escape(timeline.patient_id)}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="tl" width="100%" height="{height:g}" role="img"'
        f' aria-labelledby="tl-{key} tl-{key}-d" data-start="{timeline.start.isoformat()}"'
        f' data-end="{timeline.end.isoformat()}"><title id="tl-{key}">{title}</title>'
        f'<desc id="tl-{key}-d">{escape(_described(timeline, at))}</desc>'
        + (f"<style>{STYLE}</style>" if styled else "")
        + _grid(at, height)
        + "".join(body)
        + f"{cursor}</svg>"
    )


def _described(timeline: Timeline, at: Across) -> str:
    shown = [track.title for track in timeline.tracks if not track.is_empty]
    span = f"From {at.said(timeline.start)} to {at.said(timeline.end)} {timeline.zone or 'UTC'}."
    last = timeline.decisions[-1] if timeline.decisions else None
    answer = f" Last answer: {last.decision or 'no card'}. {last.summary}." if last else ""
    return f"{span}{answer} Shown: {', '.join(shown) or 'nothing'}. A gap in a line: not known."


# ---------------------------------------------------------------- time


def _grid(at: Across, height: float) -> str:
    narrow = set(at.ticks(4))
    return "".join(
        f'<line class="{"day" if tick.hour == 0 else "grid"}{"" if tick in narrow else " w"}" x1="{at(tick)}%"'
        f' x2="{at(tick)}%" y1="{_AXIS - 4}" y2="{height:g}"/>'
        for tick in sorted({*narrow, *at.ticks(12)})
    )


def _axis_names(at: Across) -> _Part:
    narrow = set(at.ticks(4))
    names = (
        f'<text class="tick{_anchor(at(tick))}{"" if tick in narrow else " w"}" x="{at(tick)}%" y="12">'
        f"{_name(tick)}</text>"
        for tick in sorted({*narrow, *at.ticks(12)})
    )
    return _Part("".join(names), _AXIS - _GAP)


def _name(tick: datetime) -> str:
    return f"{tick.day} {tick:%b}" if tick.hour == 0 else f"{tick:%H:%M}"


def _anchor(share: float) -> str:
    return " end" if share > 94 else "" if share < 6 else " mid"


# ---------------------------------------------------------------- answers


def _answers(decisions: Sequence[Decided], at: Across, end: datetime) -> _Part:
    """One block for as long as the answer stayed the same."""
    runs = [list(run) for _, run in groupby(decisions, key=lambda d: (d.decision, d.rule, d.indicator))]
    made = ['<text class="name" y="12">Answer</text>']
    for index, run in enumerate(runs):
        first, until = run[0], runs[index + 1][0].at if index + 1 < len(runs) else end
        left, right = at(first.at), at(until)
        level = first.indicator if first.indicator in ("critical", "warning", "info") else "none"
        said = f"{at.said(first.at)}: {first.decision or 'no card'}. {first.summary}".strip()
        # A block of its own width: what does not fit is cut, and told by the title and the table.
        made.append(
            f'<svg class="{level}" x="{left}%" y="{_NAME}" width="{max(right - left, 0.6):.2f}%" height="{_ANSWERS}">'
            f'<title>{escape(said)}</title><rect class="answer" width="100%" height="100%"/>'
            f'<rect class="edge" width="3" height="100%"/>'
            f'<text x="7" y="16">{escape(first.decision or "no card")}</text></svg>'
        )
    return _Part("".join(made), _NAME + _ANSWERS)


# ---------------------------------------------------------------- tracks


def _track(track: Track, at: Across, brief: bool) -> _Part:
    drawn = [series for series in track.series if series.kind in ("values", "steps")]
    scale = down(track, _PLOT)
    made = [_heading(track, at, drawn)]
    top = float(_NAME)
    if scale is not None:
        plot = _plot(track, drawn, at, scale, brief)
        made.append(f'<g transform="translate(0 {top:g})">{plot}</g>')
        top += _PLOT + 4
    for series in track.series:
        if series.kind in ("values", "steps") or not series.points:
            continue
        lane = _spans(series, at) if series.kind == "spans" else _marks(series, at)
        made.append(f'<g transform="translate(0 {top:g})">{lane}</g>')
        top += _LANE
    return _Part("".join(made), top)


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


def _plot(track: Track, drawn: Sequence[Series], at: Across, scale: Down, brief: bool) -> str:
    made = [_rulers(track, scale)]
    made += [_limit(line, scale) for line in track.lines]
    paths: list[str] = []
    dots: list[str] = []
    for css, series in zip(_CLASSES, drawn, strict=False):
        if series.kind == "steps":
            # Two grades that agree lie beside each other.
            beside = ' transform="translate(0 4)"' if paths else ""
            paths += [f'<path class="{css} step" d="{d}"{beside}/>' for d in _steps(series, at, scale)]
            dots += [] if brief else _told(series, at)
        else:
            paths += [f'<path class="{css}" d="{d}"/>' for d in _line(series, at, scale, brief)]
            dots += _dots(series, at, scale, brief)
    # The lines stretch with the width; their strokes and the dots beside them do not.
    box = f'viewBox="0 0 100 {_PLOT}" preserveAspectRatio="none" overflow="visible"'
    inner = f'<svg width="100%" height="{_PLOT}" {box}>'
    return "".join(made) + f"{inner}{''.join(paths)}</svg>" + "".join(dots)


def _rulers(track: Track, scale: Down) -> str:
    ends = [scale.low, scale.high]
    if track.unit == _GRADE:
        ends = [float(grade) for grade in range(int(scale.low), int(scale.high) + 1)]
    lines = (f'<line class="grid" x2="100%" y1="{scale(v):g}" y2="{scale(v):g}"/>' for v in ends)
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
    told = f"{line.title} {number(line.value)}"
    return (
        f'<line class="limit" x2="100%" y1="{y:g}" y2="{y:g}"/>'
        f'<text class="limit-name end" x="100%" y="{_beside(y):g}">{escape(told)}</text>'
    )


def _steps(series: Series, at: Across, scale: Down) -> Iterator[str]:
    """One path for as long as the value is known."""
    for known, run in groupby(series.points, key=lambda p: p.value is not None):
        if known:
            moves = [(at(p.at), at(p.until or p.at), scale(float(p.value or 0))) for p in run]
            yield "M" + "L".join(f"{left:g} {y:g}L{max(right, left + 0.3):g} {y:g}" for left, right, y in moves)


def _line(series: Series, at: Across, scale: Down, brief: bool) -> Iterator[str]:
    places = [(at(p.at), scale(float(p.value))) for p in series.points if p.value is not None]
    if brief:
        places = list(_thinned(places))
    if len(places) > 1:
        yield "M" + "L".join(f"{x:g} {y:g}" for x, y in places)


def _thinned(places: Sequence[tuple[float, float]]) -> Iterator[tuple[float, float]]:
    """The lowest and the highest of each narrow column, in their order."""
    for _, column in groupby(places, key=lambda place: int(place[0] * _BRIEF_COLUMNS / 100)):
        inside = list(column)
        kept = {inside.index(min(inside, key=lambda p: p[1])), inside.index(max(inside, key=lambda p: p[1]))}
        yield from (inside[index] for index in sorted(kept))


def _dots(series: Series, at: Across, scale: Down, brief: bool) -> Iterator[str]:
    few = len(series.points) <= (1 if brief else _MOST_DOTS)
    for point in series.points:
        if point.value is None:
            continue
        place = f'cx="{at(point.at)}%" cy="{scale(float(point.value)):g}"'
        if few:
            yield f'<circle class="dot" {place} r="3">{_title(series, point, at)}</circle>'
        elif not brief:
            yield f'<circle fill-opacity="0" {place} r="5">{_title(series, point, at)}</circle>'


def _told(series: Series, at: Across) -> Iterator[str]:
    """What a step says, where a pointer rests on it."""
    for point in series.points:
        left, right = at(point.at), at(point.until or point.at)
        size = f'x="{left}%" width="{max(right - left, 0.3):.2f}%" height="{_PLOT}" fill-opacity="0"'
        yield f"<rect {size}>{_title(series, point, at)}</rect>"


def _spans(series: Series, at: Across) -> str:
    made: list[str] = []
    for point in series.points:
        if point.value is False:
            continue
        left, right = at(point.at), at(point.until or point.at)
        css = "bar" if point.value else "unknown"
        name = point.text or series.title if point.value else "not known"
        made.append(
            f'<svg x="{left}%" y="2" width="{max(right - left, 0.6):.2f}%" height="16">{_title(series, point, at)}'
            f'<rect class="{css}" width="100%" height="100%" rx="3"/>'
            f'<text class="soft" x="6" y="12">{escape(name)}</text></svg>'
        )
    return "".join(made)


def _marks(series: Series, at: Across) -> str:
    made: list[str] = []
    points = series.points
    for point, following in [*pairwise(points), *(((points[-1], None),) if points else ())]:
        x, css = at(point.at), "mark hollow" if point.is_hollow else "mark"
        title = _title(series, point, at)
        if point.until is not None and point.until - point.at > timedelta(minutes=1):
            wide = max(at(point.until) - x, 0.6)
            made.append(f'<rect class="{css}" x="{x}%" y="7" width="{wide:.2f}%" height="6" rx="3">{title}</rect>')
        else:
            made.append(f'<circle class="{css}" cx="{x}%" cy="10" r="4">{title}</circle>')
            made.append(_label(point, x, at(following.at) if following else 100.0))
    return "".join(made)


def _label(point: Point, x: float, next_x: float) -> str:
    """Beside its mark where there is room, on a narrow screen only where there is much; left of it at the right end."""
    text = amount(point) or point.label
    if not text:
        return ""
    if x > 88:
        return f'<text class="soft end w" x="{x}%" dx="-8" y="14">{escape(text)}</text>' if next_x == 100.0 else ""
    if next_x - x < _ROOM_ON_WIDE:
        return ""
    wide = "" if next_x - x >= _ROOM_FOR_LABEL else " w"
    return f'<text class="soft{wide}" x="{x}%" dx="8" y="14">{escape(text)}</text>'


def _nothing(tracks: Sequence[Track]) -> _Part:
    """The tracks without anything to show, by name: those that were read whole, and those that were not."""
    read = [track.title for track in tracks if not track.gaps]
    unread = [track.title for track in tracks if track.gaps]
    lines = [f"Nothing recorded: {', '.join(read)}"] if read else []
    lines += [f"Not all read, nothing found: {', '.join(unread)}"] if unread else []
    made = (f'<text class="soft" y="{12 + 16 * index}">{escape(line)}</text>' for index, line in enumerate(lines))
    return _Part("".join(made), 16.0 * len(lines))


def _title(series: Series, point: Point, at: Across) -> str:
    lasted = f" to {at.said(point.until)}" if point.until else ""
    told = ", ".join(filter(None, (amount(point), point.text)))
    return f"<title>{escape(f'{at.said(point.at)}{lasted}: {series.title} {told}'.strip())}</title>"
