"""Making what lasts: imports, models and rules that live as long as the process."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def lasting() -> Iterator[None]:
    """Without garbage collection, then and later: it would walk all that is made here again and again, and find
    nothing to free. A third of a start went into that. What no collection touches also stays shared with workers."""
    before = gc.isenabled()
    gc.disable()
    try:
        yield
        gc.freeze()  # before collecting begins again: the first collection would walk everything once more
    finally:
        if before:
            gc.enable()
