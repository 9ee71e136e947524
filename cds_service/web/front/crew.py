"""Threads that are started when they are needed and never awaited: one that hangs does not keep the process."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Generic, TypeVar

T = TypeVar("T")


class Crew(Generic[T]):
    """Does `work` on what is put; as many threads as there ever was work at once."""

    def __init__(self, work: Callable[[T], None]) -> None:
        self._work = work
        self._queue: SimpleQueue[T] = SimpleQueue()
        self._idle = threading.Semaphore(0)

    def put(self, item: T) -> None:
        """Have it worked on at once."""
        self._queue.put(item)
        if not self._idle.acquire(blocking=False):
            threading.Thread(target=self._run, name="call", daemon=True).start()

    def _run(self) -> None:
        while True:
            self._work(self._queue.get())
            self._idle.release()
