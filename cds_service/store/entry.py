"""What is handed in to be kept: cards that were shown, and what clinicians did with them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class ShownCard:
    """One card of an answer. `kind` is the kind of order that it is about; `leads` marks the first card."""

    uuid: str
    rule: str
    version: str
    decision: str
    indicator: str
    kind: str
    leads: bool


@dataclass(frozen=True, slots=True)
class Caller:
    """Who called, as far as the call says it, without naming a person: `role` is the type of the user."""

    tenant: str = ""
    location: str = ""
    role: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """One answer, `at` when it was given.

    `names` are what must not be kept as it is (the patient, the user, the encounter), by kind. `found` is what the
    answer rests on and says; of each of its `orders` the member `facts` may be kept as a digest only.
    """

    id: str
    at: datetime
    service: str
    caller: Caller
    cards: tuple[ShownCard, ...]
    names: Mapping[str, str] = field(default_factory=dict, repr=False)
    found: Mapping[str, Any] = field(default_factory=dict, repr=False)
    digest_only: bool = False


@dataclass(frozen=True, slots=True)
class Feedback:
    """One item of feedback; texts that were not sent are empty."""

    card: str
    outcome: str
    at: datetime
    accepted: tuple[str, ...] = ()
    reason_system: str = ""
    reason_code: str = ""
    reason_display: str = ""
    comment: str = ""


def written(moment: datetime) -> str:
    """A moment as it is kept: UTC to the microsecond, so that texts sort as times do."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
