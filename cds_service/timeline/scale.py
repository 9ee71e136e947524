"""Where a time or a value lies in the picture: across in per cent, since a picture fits every width; down in pixels."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from cds_service.timeline.model import Timeline, Track

_LEFT, _WIDTH = 1.5, 97.0  # per cent: a mark at either end stays whole
_FEW, _MANY = 4, 12  # ticks on a phone, and on a wide screen
_STEPS = (1, 2, 3, 6, 12, 24, 48, 168, 336, 720)  # hours between two ticks


@dataclass(frozen=True, slots=True)
class Across:
    """From a moment to per cent of the width; `is_brief` in tenths, and with the fewest ticks."""

    start: datetime
    end: datetime
    zone: str
    is_brief: bool = False

    def __call__(self, moment: datetime) -> float:
        """Per cent; what lies outside is drawn at the edge."""
        whole = max((self.end - self.start).total_seconds(), 1.0)
        share = (moment - self.start).total_seconds() / whole
        return round(_LEFT + _WIDTH * min(max(share, 0.0), 1.0), 1 if self.is_brief else 2)

    def marks(self) -> Iterator[tuple[datetime, bool]]:
        """The moments that the axis marks, and whether only where there is width for many."""
        few = set(self.ticks(_FEW))
        for tick in sorted(few if self.is_brief else {*few, *self.ticks(_MANY)}):
            yield tick, tick not in few

    def ticks(self, most: int) -> Iterator[datetime]:
        """At most so many round moments of the ward's clock, the earliest first."""
        zone = ZoneInfo(self.zone or "UTC")
        hours = (self.end - self.start).total_seconds() / 3600
        step = next((s for s in _STEPS if hours / s <= most), _STEPS[-1])
        midnight = self.start.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
        moment = midnight
        while moment <= self.end:
            if moment >= self.start:
                yield moment
            # Wall-clock arithmetic: a day with a change of the clock still ends at midnight.
            moment += timedelta(hours=step)

    def said(self, moment: datetime) -> str:
        """A moment in full: `2026-03-04 14:05`."""
        return f"{moment.astimezone(ZoneInfo(self.zone or 'UTC')):%Y-%m-%d %H:%M}"


def across(timeline: Timeline, *, brief: bool = False) -> Across:
    """The time axis of a timeline."""
    return Across(timeline.start, timeline.end, timeline.zone, brief)


@dataclass(frozen=True, slots=True)
class Down:
    """From a value to pixels below the top of a plot of some height."""

    low: float
    high: float
    height: float
    is_log: bool

    def __call__(self, value: float) -> float:
        """Pixels from the top; what lies outside is drawn at the edge."""
        low, high, at = self.low, self.high, value
        if self.is_log:
            low, high, at = math.log(low), math.log(high), math.log(max(value, low))
        share = (at - low) / (high - low)
        return round(self.height * (1 - min(max(share, 0.0), 1.0)), 1)


def down(track: Track, height: float) -> Down | None:
    """The scale of a track's numbers and thresholds; None where it has no numbers."""
    found = [
        float(point.value)
        for series in track.series
        if series.kind in ("values", "steps")
        for point in series.points
        if point.value is not None
    ]
    if not found:
        return None
    values = [*found, *(line.value for line in track.lines)]
    low = min(values) if track.least is None else track.least
    high = max(values) if track.most is None else track.most
    if track.is_log:
        low, high = max(low, 1e-6), max(high, 2e-6)
        low, high = 10 ** math.floor(math.log10(low)), 10 ** math.ceil(math.log10(high))
        return Down(low, high if high > low else low * 10, height, is_log=True)
    room = (high - low) * 0.08 or 1.0
    low = low if track.least is not None else low - room
    high = high if track.most is not None else high + room
    return Down(low, high if high > low else low + 1.0, height, is_log=False)
