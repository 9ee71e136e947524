"""Admission: how many calls a worker has in work and in wait, and what becomes of those for which there is no room.

Nothing here looks at a clock or touches a socket. `Turns` is the only part that several threads use.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

T = TypeVar("T")
_SMOOTHED: Final = 8
"""How many turns the pace remembers, about."""


def _nobody() -> None:
    """Wakes nobody."""


class Turns:
    """How many calls are away: they wait for a FHIR server, and leave the processor to others."""

    def __init__(self) -> None:
        self.away = 0
        self.wake: Callable[[], None] = _nobody
        """Called where one goes: another may begin."""
        self._lock = threading.Lock()

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """For a call that waits for something else than the processor."""
        self._count(1)
        self.wake()
        try:
            yield
        finally:
            self._count(-1)

    def _count(self, more: int) -> None:
        with self._lock:
            self.away += more


@dataclass(slots=True)
class Lane(Generic[T]):
    """Calls of one kind: `slots` of them are in work at a time, `room` more may wait, each `patience` seconds.

    Who would have to expect more than half of that is refused at once: to be refused after a wait is worst of all.
    """

    slots: int
    room: int
    patience: float
    turns: Turns
    pace: float = 0.0
    """Seconds from one turn to the next while somebody waited, smoothed; 0.0 before that was seen."""
    _since: float | None = None
    """When the last turn was given, where somebody has waited ever since."""
    working: dict[T, float] = field(default_factory=dict)
    """When the answer to each must be given."""
    waiting: deque[tuple[T, float]] = field(default_factory=deque)
    """Those who wait, in order, and until when."""

    def offer(self, call: T, now: float) -> bool:
        """Whether there is room for a call. It is begun by `begin`."""
        expected = (len(self.waiting) + 1) * self.pace
        if len(self.waiting) >= self.room or (self.waiting and expected > self.patience / 2):
            return False
        self.waiting.append((call, now + self.patience))
        return True

    def begin(self, now: float) -> T | None:
        """The next call that may be begun now; the caller adds it to `working`."""
        if not self.waiting or not self._free:
            return None
        call, _ = self.waiting.popleft()
        if self._since is not None:
            self.pace += (now - self._since - self.pace) / _SMOOTHED
        self._since = now if self.waiting else None
        return call

    def impatient(self, now: float) -> list[T]:
        """Those who have waited too long, taken out."""
        found = []
        while self.waiting and self.waiting[0][1] <= now:
            found.append(self.waiting.popleft()[0])
        return found

    def overdue(self, now: float) -> list[T]:
        """Those in work whose answer must be given now, taken out: whoever comes next need not wait for them."""
        found = [call for call, due in self.working.items() if due <= now]
        for call in found:
            del self.working[call]
        return found

    @property
    def _free(self) -> bool:
        return len(self.working) - self.turns.away < self.slots
