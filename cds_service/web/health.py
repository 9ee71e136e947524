"""Whether the process lives, whether it may be asked, and what it counted; nothing here tells of a patient."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from threading import Lock, Thread
from typing import Any, Final

from flask import Blueprint, Response
from prometheus_client.core import GaugeMetricFamily

from cds_service import __version__
from cds_service.firing import Watch, samples
from cds_service.knowledge.model import Site
from cds_service.store.store import Store
from cds_service.web.metrics import CONTENT_TYPE, Metrics
from cds_service.web.outcome import answer

log = logging.getLogger(__name__)
_TRY_AGAIN_SECONDS: Final = 10.0


def silent_here(site: Site) -> dict[str, Any]:
    """What is silent at a site, so that nobody takes an empty answer for a working one; empty where nothing is."""
    told = {"site": site.silent, "services": list(site.silent_services), "rules": list(site.silent_rules)}
    return {name: value for name, value in told.items() if value}


class Readiness:
    """Whether this process may be asked: its canaries are tried at start, and again where that was a while ago."""

    def __init__(self, troubles: Callable[[], list[str]]) -> None:
        self._troubles = troubles
        self._lock = Lock()
        self._found: list[str] = []
        self._tried = -_TRY_AGAIN_SECONDS
        # Behind the start: who asks before they are tried waits for them.
        Thread(target=self.troubles, name="canaries", daemon=True).start()

    def troubles(self) -> list[str]:
        """One line each; empty where it may be asked. What is new is logged."""
        with self._lock:
            if time.monotonic() - self._tried >= _TRY_AGAIN_SECONDS:
                before, self._found = self._found, self._troubles()
                self._tried = time.monotonic()
                for line in self._found:
                    if line not in before:
                        log.error("not ready: %s", line)
            return self._found


def gauges(
    digest: str, site: Site, readiness: Readiness, store: Store | None, watch: Watch | None
) -> Callable[[], Iterator[GaugeMetricFamily]]:
    """What holds now, as whoever is asked sees it: what is served, whether it may be asked, and firing rates."""

    def found() -> Iterator[GaugeMetricFamily]:
        info = GaugeMetricFamily("anakinra_cds_info", "What is served: 1.", labels=["version", "knowledge", "site"])
        info.add_metric([__version__, digest, site.id], 1)
        yield info
        yield GaugeMetricFamily("anakinra_cds_troubles", "Why it is not ready: how many.", len(readiness.troubles()))
        if store is not None:
            yield GaugeMetricFamily("anakinra_cds_store_up", "Whether answers are recorded.", store.look() == "up")
        if watch is not None:
            about = "Rules that fire more (1) or less often (-1) in the last week than in the four before; 0: as often."
            rates = GaugeMetricFamily("anakinra_cds_firing_rate_change", about, labels=["rule"])
            for labels, value in samples(watch.found(datetime.now(UTC))):
                rates.add_metric([labels["rule"]], value)
            yield rates

    return found


def blueprint(
    metrics: Metrics, readiness: Readiness, digest: str, site: Site, store: Store | None, watch: Watch | None
) -> Blueprint:
    """`/health`, `/ready` and `/metrics` of a process whose knowledge is loaded."""
    pages = Blueprint("health", __name__)
    silence, now = silent_here(site), gauges(digest, site, readiness, store, watch)

    def health() -> Response:
        return answer({"status": "alive", "version": __version__})

    def ready() -> Response:
        # Advice is given without the store too, and says so: what cannot be recorded is no reason to ask elsewhere.
        kept = "off" if store is None else store.look()
        told: dict[str, Any] = {"version": __version__, "knowledge": digest, "site": site.id, "store": kept}
        if silence:
            told["silent"] = silence
        if troubles := readiness.troubles():
            return answer({"status": "not ready", **told, "troubles": troubles}, 503)
        return answer({"status": "ready", **told})

    def counters() -> Response:
        return Response(metrics.text(now), content_type=CONTENT_TYPE)

    pages.add_url_rule("/health", view_func=health)
    pages.add_url_rule("/ready", view_func=ready)
    pages.add_url_rule("/metrics", view_func=counters)
    return pages
