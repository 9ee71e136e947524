"""Whether the process lives, whether it may be asked, and how often it answered; nothing here tells of a patient."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from threading import Lock
from typing import Any, Final

from flask import Blueprint, Response

from cds_service import __version__
from cds_service.contract import EXPLANATION, UNEVALUATED
from cds_service.firing import Watch, samples
from cds_service.knowledge.model import Site
from cds_service.store.store import Store
from cds_service.web.outcome import answer

_HELP: Final = {
    "calls": "Calls by service and HTTP status.",
    "cards": "Cards by decision.",
    "disagreements": "Answers in which the two evaluators disagreed or an evaluation failed.",
    "feedback": "Items of feedback by outcome, and whether their card is known.",
    "silent_cards": "Cards that were held back because the site, the service or their rule is silent, by decision.",
    "unrecorded": "Answers that were never recorded.",
}


class Metrics:
    """Counters of this process (one of several workers), safe under threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._counts: Counter[tuple[str, str]] = Counter({("disagreements", ""): 0})

    def count(
        self,
        service_id: str,
        status: int,
        cards: Iterable[Mapping[str, Any]],
        held_back: Iterable[Mapping[str, Any]] = (),
    ) -> None:
        """One finished call; `service_id` must be one of our own, never text from a request. `held_back`: the whole
        answer, where not all of it was shown."""
        told, silent = ([explanation(card) for card in part] for part in (cards, held_back))
        with self._lock:
            self._counts["calls", f'{{service="{service_id}",status="{status}"}}'] += 1
            for each in told:
                self._counts["cards", f'{{decision="{each.get("decision", "none")}"}}'] += 1
            for each in silent:
                if all(each.get("rule") != shown.get("rule") for shown in told):
                    self._counts["silent_cards", f'{{decision="{each.get("decision", "none")}"}}'] += 1
            if any(each.get("rule") == UNEVALUATED for each in (*told, *silent)):
                self._counts["disagreements", ""] += 1

    def count_feedback(self, service_id: str, outcome: str, *, known: bool) -> None:
        """One item of feedback that is kept; `known`: whether it is about a card that was recorded."""
        labels = f'{{service="{service_id}",outcome="{outcome}",card="{"known" if known else "unknown"}"}}'
        with self._lock:
            self._counts["feedback", labels] += 1

    def text(self, unrecorded: int = 0) -> str:
        """All counters in the Prometheus text format."""
        with self._lock:
            counts = sorted({**self._counts, ("unrecorded", ""): unrecorded}.items())
        lines: list[str] = []
        for name, told in _HELP.items():
            metric = f"anakinra_cds_{name}_total"
            lines += [f"# HELP {metric} {told}", f"# TYPE {metric} counter"]
            lines += [f"{metric}{labels} {value}" for (kind, labels), value in counts if kind == name]
        return "\n".join(lines) + "\n"


def explanation(card: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a card says of itself to machines; empty where it says nothing."""
    found: Mapping[str, Any] = card.get("extension", {}).get(EXPLANATION, {})
    return found


def silent_here(site: Site) -> dict[str, Any]:
    """What is silent at a site, so that nobody takes an empty answer for a working one; empty where nothing is."""
    told = {"site": site.silent, "services": list(site.silent_services), "rules": list(site.silent_rules)}
    return {name: value for name, value in told.items() if value}


def firing(watch: Watch) -> str:
    """The gauge of rules whose firing rate changed, in the Prometheus text format."""
    metric = "anakinra_cds_firing_rate_change"
    told = samples(watch.found(datetime.now(UTC)))
    lines = [f'{metric}{{rule="{labels["rule"]}"}} {value:g}' for labels, value in told]
    about = "Rules that fire more often (1) or less often (-1) in the last week than in the four before; 0: as often."
    return "\n".join([f"# HELP {metric} {about}", f"# TYPE {metric} gauge", *lines]) + "\n"


def blueprint(metrics: Metrics, digest: str, site: Site, store: Store | None, watch: Watch | None) -> Blueprint:
    """`/health`, `/ready` and `/metrics` of a process whose knowledge is loaded and whose canaries have passed.

    There is no such process otherwise: without them it does not start.
    """
    pages = Blueprint("health", __name__)
    silence = silent_here(site)

    def health() -> Response:
        return answer({"status": "alive", "version": __version__})

    def ready() -> Response:
        # Advice is given without the store too, and says so: what cannot be recorded is no reason to ask elsewhere.
        kept = "off" if store is None else "down" if store.down else "up"
        told = {"status": "ready", "version": __version__, "knowledge": digest, "site": site.id, "store": kept}
        return answer({**told, "silent": silence} if silence else told)

    def counters() -> Response:
        unrecorded = store.lost if store else 0
        text = metrics.text(unrecorded) + (firing(watch) if watch else "")
        return Response(text, content_type="text/plain; version=0.0.4; charset=utf-8")

    pages.add_url_rule("/health", view_func=health)
    pages.add_url_rule("/ready", view_func=ready)
    pages.add_url_rule("/metrics", view_func=counters)
    return pages
