"""Lets workers share connections: who has more open than another leaves the next to it, for a moment.

All workers wait at one socket, and the kernel wakes the same one first each time. A socket for each worker would share
too, but what waits at that of a worker that hangs would be lost.
"""

from __future__ import annotations

import mmap
import struct
from typing import Final

_NONE: Final = 0xFFFFFFFF
_COUNT: Final = struct.Struct("=I")


class Loads:
    """The number of open connections of each worker, in memory that all share. Each writes only its own."""

    def __init__(self, slots: int) -> None:
        self._memory = mmap.mmap(-1, slots * _COUNT.size)
        self._slots = slots
        for slot in range(slots):
            self.tell(slot, _NONE)

    def tell(self, slot: int, connections: int) -> None:
        """Say how many a worker has."""
        _COUNT.pack_into(self._memory, slot * _COUNT.size, connections)

    def leave(self, slot: int) -> None:
        """A worker is gone."""
        self.tell(slot, _NONE)

    def others_have_less(self, slot: int) -> bool:
        """Whether another worker has fewer than this one: among many, so many fewer that it is worth a wait."""
        counts: list[int] = [count for (count,) in _COUNT.iter_unpack(self._memory[: self._slots * _COUNT.size])]
        least = min(counts)
        return counts[slot] > least + least // 4
