"""FHIR dates and times as intervals on the UTC time line.

A partial date is an interval, not a point: "2026-03" may mean any moment of that month, so whoever compares it
has to say which end is meant. A date-time without a zone is no FHIR dateTime and is refused, not guessed. Charts write
"not known" as 0001-01-01, which is no time either, and "for ever" as 9999-12-31: what would pass the last moment stays
at it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

YEARS = range(1850, 2200)  # nothing in a patient's chart began before, nothing is recorded of after
LAST = datetime.max.replace(microsecond=0, tzinfo=UTC)
_SHAPE = re.compile(
    r"^(?P<year>\d{4})(-(?P<month>\d{2})(-(?P<day>\d{2})"
    r"(T\d{2}:\d{2}(:\d{2}(\.\d+)?)?(?P<zone>Z|[+-]\d{2}:\d{2}))?)?)?$",
    re.ASCII,
)


_A_MINUTE: Final = timedelta(minutes=1)
# Characters: more than any time has, and with the number remembered the bound of the memory (16 MiB).
_LONGEST: Final = 48


@dataclass(frozen=True, slots=True, order=True)
class When:
    """From `start` (included) to `end` (included), both aware and in UTC."""

    start: datetime
    end: datetime

    def hours_before(self, now: datetime) -> float:
        """Hours from the start of this interval to `now`; negative where it lies in the future."""
        return (now - self.start).total_seconds() / 3600


def clock(moment: datetime, zone: str) -> str:
    """A time of day as a ward's clock shows it, with its zone: "14:05 UTC". `zone` is an IANA name, "" is UTC."""
    local = moment.astimezone(ZoneInfo(zone or "UTC"))
    return f"{local:%H:%M} {local.tzname()}"


def ago(hours: float) -> str:
    """ "22 h ago", "7.5 h ago": as exact as a reader can use."""
    return f"{round(hours, 1):g} h ago"


def said(when: When, zone: str) -> str:
    """A time as a reader wants it: "2026-03-04 14:05 UTC", or the date alone where no more was written."""
    if when.end - when.start > _A_MINUTE:
        return f"{when.start:%Y-%m-%d}"
    return f"{when.start.astimezone(ZoneInfo(zone or 'UTC')):%Y-%m-%d} {clock(when.start, zone)}"


def parse_when(text: str) -> When | None:
    """A FHIR date, dateTime or instant as an interval; None where it is none of these (or names no zone)."""
    return _remembered(text) if len(text) <= _LONGEST else None


@lru_cache(maxsize=32768)
def _remembered(text: str) -> When | None:
    found = _SHAPE.match(text)
    if found is None or int(found["year"]) < YEARS.start:
        return None
    try:
        if found["zone"] is None:
            return _partial(found)
        moment = datetime.fromisoformat(text).astimezone(UTC)
    except ValueError:
        return None
    except OverflowError:  # the last hours of 9999, west of Greenwich
        moment = LAST
    return When(moment, moment)


def _partial(found: re.Match[str]) -> When:
    year, month, day = int(found["year"]), found["month"], found["day"]
    start = datetime(year, int(month or 1), int(day or 1), tzinfo=UTC)
    if year == LAST.year and (month is None or (start.month == 12 and (day is None or start.day == 31))):
        return When(start, LAST)
    if day is not None:
        following = start + timedelta(days=1)
    elif month is not None:
        following = (start.replace(day=1) + timedelta(days=32)).replace(day=1)
    else:
        following = start.replace(year=year + 1)
    return When(start, following - timedelta(seconds=1))


def hours_after(moment: datetime, hours: float) -> datetime:
    """The moment so many hours later, or the last one that there is."""
    try:
        return moment + timedelta(hours=hours)
    except (OverflowError, ValueError):  # a number that is no duration, or a date that no calendar has
        return LAST


def hours_between(earlier: datetime, later: datetime) -> float:
    """Hours from `earlier` to `later`."""
    return (later - earlier).total_seconds() / 3600
