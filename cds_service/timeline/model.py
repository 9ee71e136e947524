"""What a timeline holds. Every point names its time, value, unit and the resources behind it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Kind = Literal["steps", "spans", "values", "marks"]


@dataclass(frozen=True, slots=True)
class Point:
    """One value from `at` on, until `until` where it lasted (None: a moment).

    `value` is None where a fact was not known (`text` says why), and where a record states no amount. `text` is what a
    person should read beside the value, and may be chart text; `label` is what fits beside a mark. `sources` are
    `Type/id`. `is_hollow`: drawn as an outline. A `bound` is a value of which only this least (">") or most ("<") is
    known.
    """

    at: datetime
    value: float | bool | None
    unit: str = ""
    until: datetime | None = None
    text: str = ""
    sources: tuple[str, ...] = ()
    is_hollow: bool = False
    bound: Literal[">", "<", ""] = ""
    label: str = ""


@dataclass(frozen=True, slots=True)
class Series:
    """Points of one kind, by time. `steps`: a number that holds until it changes; `spans`: yes, no or not known, as it
    was from hour to hour; `values`: what was measured; `marks`: records. `unusable` has a line for each one left out.
    """

    title: str
    kind: Kind
    unit: str
    points: tuple[Point, ...]
    unusable: tuple[str, ...] = ()


def _is_drawn(kind: Kind, point: Point) -> bool:
    """What is not known is drawn where the question is yes or no; of a number it is a gap."""
    return kind == "marks" or (point.value is not False if kind == "spans" else point.value is not None)


@dataclass(frozen=True, slots=True)
class Line:
    """A threshold across a track, with the value of the site."""

    title: str
    value: float
    unit: str


@dataclass(frozen=True, slots=True)
class Track:
    """One strip of the picture. `least` and `most`: ends of its scale that hold whatever the values are. `gaps`: why
    what it shows may not be all that there is."""

    title: str
    series: tuple[Series, ...]
    lines: tuple[Line, ...] = ()
    is_log: bool = False
    least: float | None = None
    most: float | None = None
    gaps: tuple[str, ...] = ()

    @property
    def unit(self) -> str:
        """The unit of its numbers; "" where it has none."""
        return next((series.unit for series in self.series if series.unit), "")

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to draw: no record, no value, and a clear no to each question."""
        return not any(_is_drawn(series.kind, point) for series in self.series for point in series.points)


@dataclass(frozen=True, slots=True)
class Decided:
    """What an answer said at an hour: of its first card; a decision "" is an answer without a card."""

    at: datetime
    decision: str
    indicator: str = ""
    summary: str = ""
    rule: str = ""


@dataclass(frozen=True, slots=True)
class Timeline:
    """The course of one patient from `start` to `end`; `zone` is the IANA name of the ward's clock ("" is UTC)."""

    patient_id: str
    start: datetime
    end: datetime
    tracks: tuple[Track, ...]
    decisions: tuple[Decided, ...] = ()
    zone: str = ""
