"""What became of cards, as a page of pictures: each bar stands in a row of a table that says the same in numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

from cds_service.tools.catalogue.render import alone

Row = Mapping[str, Any]
WIDTH: Final = 1000  # units of a drawing, which is stretched to the width of its cell
HEIGHT: Final = 40
_MOST_BARS: Final = 120
_WEEK: Final = 7


@dataclass(frozen=True, slots=True)
class Bar:
    """One rectangle: `kind` is what it counts and how it is coloured, `says` its words."""

    x: float
    y: float
    width: float
    height: float
    kind: str
    says: str


@dataclass(frozen=True, slots=True)
class Line:
    """One row: its numbers, and its drawing."""

    of: Row
    bars: Sequence[Bar]


def page(rules: Sequence[Row], reasons: Sequence[Row], days: Sequence[Row], strangers: int) -> str:
    """HTML of what `feedback report` counts."""
    spans = _spans(days)
    shown = sum(row["shown"] for row in rules)
    answered = sum(row["accepted"] + row["overridden"] for row in rules)
    told = {
        "shown": shown,
        "answered": answered,
        "accepted": sum(row["accepted"] for row in rules),
        "strangers": strangers,
        "rules": [Line(row, _shares(row, max(r["shown"] for r in rules))) for row in rules],
        "reasons": [Line(row, _share(row, reasons)) for row in reasons],
        "times": [Line({"rule": rule, **_totals(rows)}, _course(rows, spans)) for rule, rows in _by_rule(days).items()],
        "spans": spans,
        "width": WIDTH,
        "height": HEIGHT,
    }
    return alone("outcomes", "What became of the cards", told)


def _shares(row: Row, most: int) -> list[Bar]:
    """Accepted, overridden and unanswered, one after the other; as long as cards were shown."""
    unanswered = row["shown"] - row["accepted"] - row["overridden"]
    counts = {"accepted": row["accepted"], "overridden": row["overridden"], "unanswered": unanswered}
    bars, x = [], 0.0
    for kind, count in counts.items():
        width = WIDTH * count / most
        if count:
            bars.append(Bar(round(x, 1), 0, round(width, 1), HEIGHT, kind, f"{count} {kind}"))
        x += width
    return bars


def _share(row: Row, reasons: Sequence[Row]) -> list[Bar]:
    width = WIDTH * row["times"] / max(each["times"] for each in reasons)
    return [Bar(0, 0, round(width, 1), HEIGHT, "overridden", f"{row['times']} times")]


# ---------------------------------------------------------------- over time


@dataclass(frozen=True, slots=True)
class Span:
    """The days that one bar stands for."""

    first: date
    last: date

    def __str__(self) -> str:
        return f"{self.first}" if self.first == self.last else f"{self.first} to {self.last}"


def _spans(days: Sequence[Row]) -> list[Span]:
    """All days from the first to the last, also those without a card; weeks where these were too many bars."""
    found = [date.fromisoformat(row["day"]) for row in days]
    if not found:
        return []
    first, last = min(found), max(found)
    step = 1 if (last - first).days < _MOST_BARS else _WEEK
    starts = [first + timedelta(days=n) for n in range(0, (last - first).days + 1, step)]
    return [Span(start, min(last, start + timedelta(days=step - 1))) for start in starts]


def _by_rule(days: Iterable[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in days:
        found.setdefault(row["rule"], []).append(row)
    return found


def _totals(rows: Sequence[Row]) -> dict[str, int]:
    return {name: sum(row[name] for row in rows) for name in ("shown", "accepted", "overridden")}


def _course(rows: Sequence[Row], spans: Sequence[Span]) -> list[Bar]:
    """A bar for each span: as high as cards were shown, each part in its own colour; against the rule's own highest."""
    counts = [_totals([r for r in rows if span.first <= date.fromisoformat(r["day"]) <= span.last]) for span in spans]
    most, wide = max(count["shown"] for count in counts), WIDTH / len(spans)
    bars = []
    for number, (span, count) in enumerate(zip(spans, counts, strict=True)):
        parts = {kind: count[kind] for kind in ("accepted", "overridden")}
        parts["unanswered"] = count["shown"] - sum(parts.values())
        bottom = float(HEIGHT)
        for kind, of in parts.items():
            height = HEIGHT * of / most
            bottom -= height
            if of:
                x, width = round(wide * number, 1), round(wide * 0.9, 1)
                bars.append(Bar(x, abs(round(bottom, 1)), width, round(height, 1), kind, f"{span}: {of} {kind}"))
    return bars
