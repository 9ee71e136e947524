"""The one thread of a process that keeps answers: whoever gives advice hands them in, and never waits."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from threading import Condition, Thread
from typing import Final, Generic, TypeVar

from cds_service.errors import StoreError

log = logging.getLogger(__name__)
T = TypeVar("T")
_BATCH: Final = 200
_RETRY_SECONDS: Final = 1.0
_IDLE_SECONDS: Final = 10.0
_CLOSE_SECONDS: Final = 5.0
_LOOK_AGAIN_SECONDS: Final = 1.0
_GATHER_SECONDS: Final = 0.15
"""How long the first of a batch waits for others: a batch costs about as much as one. It lies in a file meanwhile."""


class Writer(Generic[T]):
    """A bounded queue, and the thread that empties it; the thread ends when there is nothing to do.

    `known`: it was tried. `down`: the store is known not to take anything now. `lost` counts what there was no room
    for, and what the store refused for good.
    """

    def __init__(
        self,
        keep: Callable[[Sequence[T]], None],
        most: int,
        retry: float = _RETRY_SECONDS,
        done: Callable[[int], None] = lambda number: None,
        lost: Callable[[int], None] = lambda number: None,
    ) -> None:
        """`keep` keeps all of a batch or none of it, and raises StoreError where it is to be tried again.

        It is handed an empty batch too, to tell whether it could. A batch may come twice, where it was kept and
        nobody was told so. `done` is told of how many that were handed in first nothing is to be done any more;
        `lost` of how many will never be kept.
        """
        self._full = min(_BATCH, most)
        self._keep, self._most, self._retry, self._done, self._told_lost = keep, most, retry, done, lost
        self._queue: deque[T] = deque()
        self._changed = Condition()
        self._thread: Thread | None = None
        self._closing = self._looking = self._rested = self._hurried = False
        self._looked = -_LOOK_AGAIN_SECONDS
        self.known = False
        self.down = False
        self.lost = 0

    def start(self) -> None:
        """Find out whether the store can be used, before anything is handed in."""
        with self._changed:
            self._wake()

    def look(self, seconds: float) -> None:
        """Find that out again, and wait for it, for so long at most; not more than once in a while."""
        with self._changed:
            if time.monotonic() - self._looked >= _LOOK_AGAIN_SECONDS:
                self._looked, self._looking = time.monotonic(), True
                self._wake()
            self._changed.wait_for(lambda: not self._looking, seconds)

    def hurry(self, seconds: float) -> None:
        """Keep now what was handed in, and wait for it, for so long at most: somebody asks about it."""
        with self._changed:
            if self._queue and not self.down:
                self._hurried = True
                self._changed.notify_all()
                self._changed.wait_for(lambda: not self._queue or self.down, seconds)

    def lose(self, number: int) -> None:
        """Count what will never be kept."""
        self.lost += number
        self._told_lost(number)

    def doubt(self, reason: object) -> None:
        """Somebody else found that the store cannot be used: look when it can be used again."""
        with self._changed:
            self._fail(reason)
            self._wake()

    def put(self, entry: T) -> bool:
        """Hand one in; returns at once: whether there is room for it."""
        with self._changed:
            if len(self._queue) >= self._most:
                self.lose(1)
                return False
            self._queue.append(entry)
            # Between the first of a batch and a full one the writer has nothing to do: it is let sleep.
            if self._thread is None or len(self._queue) in (1, self._full):
                self._wake()
            return True

    def close(self, seconds: float = _CLOSE_SECONDS) -> int:
        """Keep what is left, for so long at most: how many are left then."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
            thread = self._thread
        if thread is not None:
            thread.join(seconds)
        return len(self._queue)

    def _wake(self) -> None:
        self._rested = False
        if self._thread is None:
            self._thread = Thread(target=self._run, name="store-writer", daemon=True)
            self._thread.start()
        self._changed.notify_all()

    def _run(self) -> None:
        batch: list[T] | None = []
        while batch is not None:
            kept = self._try(batch)
            if kept:
                self._done(len(batch))
            with self._changed:
                self.known = True
                if not batch:
                    self._looking = False
                    self._changed.notify_all()
                if kept:
                    for _ in batch:
                        self._queue.popleft()
                    if not self._queue:
                        self._hurried = False
                        self._changed.notify_all()
                elif self._changed.wait_for(lambda: self._closing, self._retry):
                    self._thread = None
                    return
            batch = self._next()

    def _next(self) -> list[T] | None:
        """What is to be kept next: nothing while it is only to be seen whether the store is up again. None: the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._closing or self._looking or self.down, _IDLE_SECONDS)
            if self.down and not self._queue and not self._looking:
                self._changed.wait_for(lambda: self._closing or self._looking, self._retry)
            if self._looking:
                return []
            if not self._queue and (self._closing or not self.down):
                if not self._rested and not self._closing:
                    # Once more before the end: what a process left that was still dying at the first look.
                    self._rested = True
                    return []
                self._thread = None
                return None
            self._changed.wait_for(
                lambda: len(self._queue) >= self._full or self._closing or self._looking or self._hurried,
                _GATHER_SECONDS,
            )
            return [self._queue[place] for place in range(min(len(self._queue), _BATCH))]

    def _gathered(self) -> bool:
        return len(self._queue) >= self._full or self._closing or self._looking or self._hurried

    def _try(self, batch: Sequence[T]) -> bool:
        """Whether a batch is done with: kept, but for what the store refuses for good."""
        try:
            self._keep(batch)
        except StoreError as error:
            self._fail(error)
            return False
        except Exception as error:  # one bad entry must not keep the others from being recorded
            if len(batch) > 1:
                return all(self._try([entry]) for entry in batch)
            if not batch or not self._try([]):  # it is not the entry
                self._fail(type(error).__name__)
                return False
            log.error("store: an answer cannot be recorded: %s", type(error).__name__)
            self.lose(len(batch))
            return True
        if self.down:
            log.warning("store is up again")
        self.down = False
        return True

    def _fail(self, reason: object) -> None:
        if not self.down:
            log.error("store is down, answers wait to be recorded: %s", reason)
        self.down = True
