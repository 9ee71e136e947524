"""The lanes of a track: what was so from hour to hour as bars, and what was given as marks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from html import escape
from itertools import pairwise
from typing import Final

from cds_service.timeline.model import Point, Series
from cds_service.timeline.scale import Across
from cds_service.timeline.words import amount

_ROOM_FOR_LABEL: Final = 16.0  # per cent that a label takes on a phone
_ROOM_ON_WIDE: Final = 4.0
_LEAST: Final = 0.6  # per cent of the width: whatever lasted is seen
_BOX: Final = 'width="100%" height="20" viewBox="0 0 100 20" preserveAspectRatio="none" overflow="visible"'


def lane(series: Series, at: Across) -> str:
    """One series of spans or marks, 20 pixels high."""
    if at.is_brief:
        return _brief(series, at)
    return _spans(series, at) if series.kind == "spans" else _marks(series, at)


def _lasts(point: Point) -> bool:
    return point.until is not None and point.until - point.at > timedelta(minutes=1)


def _brief(series: Series, at: Across) -> str:
    """The same in one path for each look."""
    moves: dict[str, list[str]] = {}
    words = ""
    for point, following in _pairs(series.points):
        if series.kind == "spans" and point.value is False:
            continue
        x, lasts = at(point.at), series.kind == "spans" or _lasts(point)
        wide = max(at(point.until or point.at) - x, _LEAST) if lasts else 0.0
        css = ("" if point.value else "unknown") if series.kind == "spans" else "hollow" if point.is_hollow else ""
        moves.setdefault(css, []).append(f"M{x:g} 10h{wide:g}")
        if series.kind == "spans" and point.value and wide > _ROOM_FOR_LABEL:
            words += f'<text class="soft" x="{x:g}%" dx="4" y="14">{escape(point.text or series.title)}</text>'
        if series.kind == "marks" and not lasts:
            words += _label(point, x, at(following.at) if following else 100.0, at)
    kind = "lasting" if series.kind == "spans" else "points"
    paths = "".join(f'<path class="one {css}" d="{"".join(d)}"/>' for css, d in moves.items())
    return f'<svg class="{kind}" {_BOX}>{paths}</svg>{words}'


def _spans(series: Series, at: Across) -> str:
    made: list[str] = []
    for point in series.points:
        if point.value is False:
            continue
        left, right = at(point.at), at(point.until or point.at)
        css = "bar" if point.value else "unknown"
        name = point.text or series.title if point.value else "not known"
        made.append(
            f'<svg x="{left}%" y="2" width="{max(right - left, _LEAST):.2f}%" height="16">{title_of(series, point, at)}'
            f'<rect class="{css}" width="100%" height="100%" rx="3"/>'
            f'<text class="soft" x="6" y="12">{escape(name)}</text></svg>'
        )
    return "".join(made)


def _pairs(points: Sequence[Point]) -> Iterator[tuple[Point, Point | None]]:
    """Each point with the one that follows it."""
    yield from pairwise(points)
    if points:
        yield points[-1], None


def _marks(series: Series, at: Across) -> str:
    made: list[str] = []
    for point, following in _pairs(series.points):
        x, css = at(point.at), "mark hollow" if point.is_hollow else "mark"
        title = title_of(series, point, at)
        if _lasts(point):
            wide = max(at(point.until or point.at) - x, _LEAST)
            made.append(f'<rect class="{css}" x="{x}%" y="7" width="{wide:.2f}%" height="6" rx="3">{title}</rect>')
        else:
            made.append(f'<circle class="{css}" cx="{x}%" cy="10" r="4">{title}</circle>')
            made.append(_label(point, x, at(following.at) if following else 100.0, at))
    return "".join(made)


def _label(point: Point, x: float, next_x: float, at: Across) -> str:
    """Beside its mark where there is room, on a narrow screen only where there is much; left of it at the right end."""
    text = amount(point) or point.label
    if not text:
        return ""
    if x > 88:
        if at.is_brief:
            return ""
        return f'<text class="soft end w" x="{x}%" dx="-8" y="14">{escape(text)}</text>' if next_x == 100.0 else ""
    if next_x - x < _ROOM_ON_WIDE:
        return ""
    wide = "" if next_x - x >= _ROOM_FOR_LABEL else " w"
    if wide and at.is_brief:
        return ""
    return f'<text class="soft{wide}" x="{x}%" dx="8" y="14">{escape(text)}</text>'


def title_of(series: Series, point: Point, at: Across) -> str:
    """What a pointer that rests on a point is told."""
    lasted = f" to {at.said(point.until)}" if point.until else ""
    told = ", ".join(filter(None, (amount(point), point.text)))
    return f"<title>{escape(f'{at.said(point.at)}{lasted}: {series.title} {told}'.strip())}</title>"
