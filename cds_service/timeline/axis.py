"""Time across the picture, and the answers along it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from itertools import groupby, pairwise
from typing import Final

from cds_service.timeline.model import Decided
from cds_service.timeline.scale import Across

NAME: Final = 20  # pixels that a heading takes
GAP: Final = 9
TOP: Final = 16  # where the grid begins, below the names of the ticks
_ANSWERS: Final = 24
_LEVELS: Final = ("critical", "warning", "info")
_NONE: Final = "none"
_ROOM_FOR_WORD: Final = 9.0  # per cent of the width


@dataclass(frozen=True, slots=True)
class Part:
    """Some lines of SVG, and how high they are in pixels."""

    svg: str
    height: float


def grid(at: Across, height: float) -> str:
    """A line for each tick, behind everything."""
    return "".join(
        f'<line class="{"day" if tick.hour == 0 else "grid"}{" w" if wide else ""}" x1="{at(tick):g}%"'
        f' x2="{at(tick):g}%" y1="{TOP}" y2="{height:g}"/>'
        for tick, wide in at.marks()
    )


def tick_names(at: Across) -> Part:
    """The day or the time of each tick."""
    names = (
        f'<text class="tick{_anchor(at(tick))}{" w" if wide else ""}" x="{at(tick):g}%" y="12">{_name(tick)}</text>'
        for tick, wide in at.marks()
    )
    return Part("".join(names), TOP + 4 - GAP)


def _name(tick: datetime) -> str:
    return f"{tick.day} {tick:%b}" if tick.hour == 0 else f"{tick:%H:%M}"


def _anchor(share: float) -> str:
    return " end" if share > 94 else "" if share < 6 else " mid"


def answers(decisions: Sequence[Decided], at: Across, end: datetime) -> Part:
    """One block for as long as the answer stayed the same."""
    blocks = list(_blocks(decisions, at, end))
    drawn = _brief(blocks) if at.is_brief else "".join(_block(*block, at) for block in blocks)
    return Part(f'<text class="name" y="12">{_asked(decisions)}</text>{drawn}', NAME + _ANSWERS)


def _asked(decisions: Sequence[Decided]) -> str:
    """The heading: between two moments that were asked the answer may have been another one."""
    apart = sorted((b.at - a.at).total_seconds() / 3600 for a, b in pairwise(decisions))
    if not apart:
        return "Answer"
    least, most = f"{apart[0]:.3g}", f"{apart[-1]:.3g}"
    return f"Answer, asked every {least} h" if least == most else f"Answer, asked every {least} to {most} h"


def _blocks(decisions: Sequence[Decided], at: Across, end: datetime) -> Iterator[tuple[Decided, float, float]]:
    """The first answer of each run, with where it begins and ends."""
    runs = [list(run) for _, run in groupby(decisions, key=lambda d: (d.decision, d.rule, d.indicator))]
    for index, run in enumerate(runs):
        until = runs[index + 1][0].at if index + 1 < len(runs) else end
        yield run[0], at(run[0].at), at(until)


def _level(decided: Decided) -> str:
    return decided.indicator if decided.indicator in _LEVELS else _NONE


def _word(decided: Decided) -> str:
    return escape(decided.decision or "no card")


def _block(first: Decided, left: float, right: float, at: Across) -> str:
    """A block of its own width: what does not fit is cut, and told by its title and the table."""
    said = f"{at.said(first.at)}: {first.decision or 'no card'}. {first.summary}".strip()
    return (
        f'<svg class="{_level(first)}" x="{left:g}%" y="{NAME}" width="{max(right - left, 0.6):.2f}%"'
        f' height="{_ANSWERS}"><title>{escape(said)}</title><rect class="answer" width="100%" height="100%"/>'
        f'<rect class="edge" width="3" height="100%"/><text x="7" y="16">{_word(first)}</text></svg>'
    )


def _brief(blocks: Sequence[tuple[Decided, float, float]]) -> str:
    """A line for each level, with a gap where another one is; words where there is room for them."""
    paths = []
    for level in (*_LEVELS, _NONE):
        moves = "".join(f"M{a:g} 12H{max(b, a + 0.4):g}" for d, a, b in blocks if _level(d) == level)
        paths.append(f'<path class="{level}" d="{moves}"/>' if moves else "")
    words: list[str] = []
    free = 0.0
    for first, left, right in blocks:
        if left >= free and right - left >= _ROOM_FOR_WORD:
            words.append(f'<text x="{left:g}%" dx="3" y="{NAME + 16}">{_word(first)}</text>')
            free = left + _ROOM_FOR_WORD
    box = f'class="runs" y="{NAME}" width="100%" height="{_ANSWERS}" viewBox="0 0 100 {_ANSWERS}"'
    return f'<svg {box} preserveAspectRatio="none">{"".join(paths)}</svg>{"".join(words)}'
