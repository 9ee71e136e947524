"""Sends spans to the collector behind the calls. No call ever waits for it, and what it does not take is counted.

Make it after a fork: its threads do not live on in a child.
"""

from __future__ import annotations

import atexit
import logging
import os
from collections.abc import Callable, Sequence
from threading import Event, Lock, Thread
from typing import Final

from opentelemetry.sdk.environment_variables import OTEL_BSP_MAX_QUEUE_SIZE
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

log = logging.getLogger(__name__)
_MOST: Final = 2048
_CLOSE_SECONDS: Final = 2.0
"""Records come first, and a process that is told to stop has ten seconds for all."""


class Sending(SpanProcessor):
    """Batches of ended spans on their way to `exporter`; `lost` is told of how many will never arrive."""

    def __init__(self, exporter: SpanExporter, lost: Callable[[int], None]) -> None:
        """The size of batches and how long they gather are those of OTEL_BSP_*. Raises ValueError."""
        self._most = int(os.environ.get(OTEL_BSP_MAX_QUEUE_SIZE) or _MOST)
        self._lost = lost
        self._lock = Lock()
        self._waiting = 0
        self._failing = self._overflowed = False
        self._batches = BatchSpanProcessor(_Taken(exporter, self), max_queue_size=self._most)
        self._end = Event()
        # At the end of a process no thread can be started any more, and the SDK takes half a minute to give up.
        self._closer = Thread(target=self._close, name="spans-closer", daemon=True)
        self._closer.start()
        atexit.register(self.shutdown)

    def on_end(self, span: ReadableSpan) -> None:
        """Take an ended span, if there is room."""
        if span.context is None or not span.context.trace_flags.sampled:
            return
        with self._lock:
            room = self._waiting < self._most
            self._waiting += room
        if room:
            self._batches.on_end(span)
        else:
            self._no_room()

    def begun(self, number: int) -> None:
        """So many wait no longer: they are on their way."""
        with self._lock:
            self._waiting -= number

    def told(self, number: int, *, taken: bool) -> None:
        """What became of spans: a line where that changes, and not one for each."""
        if not taken:
            self._lost(number)
        with self._lock:
            changed, self._failing = self._failing == taken, not taken
        if changed and taken:
            log.warning("spans are taken again")
        elif changed:
            log.warning("spans are lost, and counted: the collector of OTEL_EXPORTER_OTLP_ENDPOINT takes none")

    def shutdown(self) -> None:
        """Send what is left, for so long at most."""
        atexit.unregister(self.shutdown)
        self._end.set()
        self._closer.join(_CLOSE_SECONDS)
        if self._closer.is_alive():
            log.warning("spans were left at the end: the collector does not take them")

    def _no_room(self) -> None:
        """Said once: under load it would be said again after each batch."""
        self._lost(1)
        with self._lock:
            first, self._overflowed = not self._overflowed, True
        if first:
            log.warning("spans are lost, and counted: more than OTEL_BSP_MAX_QUEUE_SIZE (%d) wait", self._most)

    def _close(self) -> None:
        self._end.wait()
        self._batches.shutdown()  # type: ignore[no-untyped-call]


class _Taken(SpanExporter):
    """An exporter of whose success and failure `sending` is told."""

    def __init__(self, exporter: SpanExporter, sending: Sending) -> None:
        self._exporter = exporter
        self._sending = sending

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self._sending.begun(len(spans))
        try:
            result = self._exporter.export(spans)
        except Exception as error:  # whatever it stumbles over, these spans are lost, and the next may not be
            log.warning("spans could not be sent: %s", type(error).__name__)
            result = SpanExportResult.FAILURE
        self._sending.told(len(spans), taken=result is SpanExportResult.SUCCESS)
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()
