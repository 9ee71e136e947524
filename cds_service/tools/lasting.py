"""Making what lasts: imports, models and rules that live as long as the process."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def lasting() -> Iterator[None]:
    """Without garbage collection: it would walk all that is made here again and again, and find nothing to free. A
    quarter of a start went into that."""
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()
