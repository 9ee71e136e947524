"""A Timeline as one SVG: no script, nothing from elsewhere, no width of its own.

Across everything stands in per cent and down in pixels, so that text keeps its size from a phone to a ward monitor and
on paper. Where a page must not hold styles inside its body (a strict Content-Security-Policy), draw without them and
serve STYLE with the page's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from html import escape
from textwrap import wrap
from typing import Final

from cds_service.timeline.axis import GAP, TOP, Part, answers, grid, tick_names
from cds_service.timeline.model import Timeline, Track
from cds_service.timeline.scale import Across, across
from cds_service.timeline.strips import strip
from cds_service.timeline.style import STYLE

__all__ = ["STYLE", "draw"]
_LINE: Final = 58  # characters that a phone shows beside each other


def draw(timeline: Timeline, *, now: datetime | None = None, styled: bool = True, brief: bool = False) -> str:
    """The picture. `now` is marked with a line of class `now`. `brief` draws fewer points of long series and tells none
    of them by itself, for a page of many pictures."""
    at = across(timeline, brief=brief)
    parts: list[Part] = [tick_names(at)]
    if timeline.decisions:
        parts.append(answers(timeline.decisions, at, timeline.end))
    parts += [strip(track, at) for track in timeline.tracks if not track.is_empty]
    if empty := [track for track in timeline.tracks if track.is_empty]:
        parts.append(_nothing(empty))
    height = sum(part.height + GAP for part in parts)
    body: list[str] = []
    top = 0.0
    for part in parts:
        body.append(f'<g transform="translate(0 {top:g})">{part.svg}</g>')
        top += part.height + GAP
    cursor = f'<line class="now" x1="{at(now)}%" x2="{at(now)}%" y1="{TOP}" y2="{height:g}"/>' if now else ""
    key = "".join(c if c.isalnum() else "-" for c in timeline.patient_id)
    title = f"Course of patient {escape(timeline.patient_id)}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="tl" width="100%" height="{height:g}" role="img"'
        f' aria-labelledby="tl-{key} tl-{key}-d" data-start="{timeline.start.isoformat()}"'
        f' data-end="{timeline.end.isoformat()}"><title id="tl-{key}">{title}</title>'
        f'<desc id="tl-{key}-d">{escape(_described(timeline, at))}</desc>'
        + (f"<style>{STYLE}</style>" if styled else "")
        + grid(at, height)
        + "".join(body)
        + f"{cursor}</svg>"
    )


def _described(timeline: Timeline, at: Across) -> str:
    shown = [track.title for track in timeline.tracks if not track.is_empty]
    span = f"From {at.said(timeline.start)} to {at.said(timeline.end)} {timeline.zone or 'UTC'}."
    last = timeline.decisions[-1] if timeline.decisions else None
    answer = f" Last answer: {last.decision or 'no card'}. {last.summary}." if last else ""
    return f"{span}{answer} Shown: {', '.join(shown) or 'nothing'}. A gap in a line: not known."


def _nothing(tracks: Sequence[Track]) -> Part:
    """The tracks without anything to show, by name: those that were read whole, and those that were not. What is
    recorded in words or codes that nobody understood is not found either."""
    groups = (
        ("Nothing found", [track.title for track in tracks if not track.gaps]),
        ("Not all read, nothing found", [track.title for track in tracks if track.gaps]),
    )
    lines = [line for words, names in groups if names for line in wrap(f"{words}: {', '.join(names)}", _LINE)]
    made = (f'<text class="soft" y="{12 + 16 * index}">{escape(line)}</text>' for index, line in enumerate(lines))
    return Part("".join(made), 16.0 * len(lines))
