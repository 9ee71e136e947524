"""Members of an envelope, each proven or refused in words that say where it stands and what was expected."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Final

from cds_service.errors import CallError

UUID: Final = re.compile(r"(urn:uuid:)?[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_YEARS: Final = range(1900, 2200)  # beyond, windows before and after a moment leave the calendar
_INSTANT: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})", re.IGNORECASE
)


def wrong(path: str, expected: str, present: bool) -> CallError:
    """The refusal of a member that is not as expected, or not there."""
    if present:
        return CallError(400, "invalid", f"{path}: expected {expected}")
    return CallError(400, "required", f"{path}: missing; expected {expected}")


def text(value: object, pattern: re.Pattern[str], path: str, expected: str) -> str:
    """A string of this pattern. Raises CallError(400)."""
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise wrong(path, expected, value is not None)
    return value


def moment(value: object, path: str) -> datetime:
    """An RFC 3339 time with zone. Raises CallError(400)."""
    expected = "an RFC 3339 time with zone, such as 2026-01-31T08:00:00Z"
    written = text(value, _INSTANT, path, expected)
    try:
        found = datetime.fromisoformat(written.upper())
    except ValueError:
        raise wrong(path, expected, True) from None
    if found.year not in _YEARS:
        raise wrong(path, f"{expected}, from {_YEARS[0]} to {_YEARS[-1]}", True)
    return found
