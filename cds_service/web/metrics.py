"""What is counted for Prometheus: calls, cards, rules, time, and how charts came in. Nothing here tells of a patient.

Every label is a word of our own (a rule, a query, a decision, a status), never text of a request, so that there are as
many series as the knowledge has rules, and no more. Workers of one service count in files of a shared folder, one of
each kind a place: who answers `/metrics` adds them up, and who takes the place of a worker that died counts on where
it stopped, so that no sum ever falls and no file is left over.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any, Final

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Histogram, Metric, values
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from cds_service.advice.model import Assessment
from cds_service.contract import EXPLANATION, UNEVALUATED

CONTENT_TYPE: Final = CONTENT_TYPE_PLAIN_0_0_4
FOLDER: Final = "PROMETHEUS_MULTIPROC_DIR"
"""Where the library looks for the shared folder."""
_CALL: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0)
_STEP: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 4.0)
_OUTCOME: Final = {True: "fired", False: "silent", None: "unknown"}
_STRENGTH: Final = {False: 0, None: 1, True: 2}

prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]


class Metrics:
    """The counters of this process, safe under threads. With a folder, those of all processes that share it."""

    def __init__(self, folder: Path | None = None, place: int = 0) -> None:
        """`place`: which of the processes of the folder this one is; no two that live have the same."""
        self._folder = folder
        if folder is not None:
            os.environ[FOLDER] = str(folder)
            # For all that is counted in this process from now on: it belongs to one server.
            values.ValueClass = values.MultiProcessValue(lambda: place)  # type: ignore[no-untyped-call]
        self._registry = CollectorRegistry()
        self._calls = self._counter("calls", "Calls by service and HTTP status.", "service", "status")
        self._cards = self._counter("cards", "Cards by decision.", "decision")
        self._held_back = self._counter(
            "silent_cards",
            "Cards that were held back because the site, the service or their rule is silent, by decision.",
            "decision",
        )
        self._disagreements = self._counter(
            "disagreements", "Answers in which the two evaluators disagreed or an evaluation failed."
        )
        self._rules = self._counter(
            "rule_outcomes", "Calls by what became of a rule: fired, silent, unknown.", "rule", "outcome"
        )
        self._differing = self._counter("rule_disagreements", "Calls in which the evaluators differ on a rule.", "rule")
        self._shown = self._counter("rule_shown", "Cards by the rule that they are of.", "rule")
        self._told = self._counter("rule_feedback", "Items of feedback on cards of a rule.", "rule", "outcome")
        self._feedback = self._counter(
            "feedback", "Items of feedback by outcome, and whether their card is known.", "service", "outcome", "card"
        )
        self._prefetch = self._counter(
            "prefetch", "Prefetch keys by how they came: sent, empty, missing, failed, truncated.", "query", "state"
        )
        self._fetched = self._counter("fetched", "Queries that a FHIR server made whole.", "query")
        self._unrecognised = self._counter(
            "unrecognised", "Codes and units that nothing recognised, by what they came with.", "query"
        )
        self._unrecorded = self._counter("unrecorded", "Answers that were never recorded.")
        self._seconds = self._histogram("call_seconds", "Time from a call's headers to its answer.", _CALL, "service")
        self._steps = self._histogram("step_seconds", "Time of each step of a call.", _STEP, "step")
        self._spans_lost = self._counter("spans_lost", "Spans of traces that no collector has taken.")
        self._refused = self._counter("refused", "Requests that never reached the application, or too late.", "why")
        self._of_rule: dict[tuple[str, bool | None], Counter] = {}

    def _counter(self, name: str, told: str, *labels: str) -> Counter:
        return Counter(f"anakinra_cds_{name}", told, labels, registry=self._registry)

    def _histogram(self, name: str, told: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(f"anakinra_cds_{name}", told, labels, registry=self._registry, buckets=buckets)

    def count(self, service_id: str, status: int, seconds: float) -> None:
        """One finished call; `service_id` must be one of our own, never text from a request."""
        self._calls.labels(service_id, str(status)).inc()
        self._seconds.labels(service_id).observe(seconds)

    def refused(self, why: str) -> None:
        """A request that a worker refused in place of the application; `why` is a word of the worker's."""
        self._refused.labels(why).inc()

    @contextmanager
    def step(self, step: str, began: float | None = None) -> Iterator[None]:
        """Holds while one step of a call is taken; `began`, by `perf_counter`, where that was before."""
        began = perf_counter() if began is None else began
        try:
            yield
        finally:
            self._steps.labels(step).observe(perf_counter() - began)

    def answered(self, cards: Iterable[Mapping[str, Any]], held_back: Iterable[Mapping[str, Any]] = ()) -> None:
        """The cards of an answer. `held_back`: the whole answer, where not all of it was shown."""
        told, silent = ([explanation(card) for card in part] for part in (cards, held_back))
        shown = {each.get("rule") for each in told}
        for each in told:
            self._cards.labels(each.get("decision", "none")).inc()
            self._shown.labels(each.get("rule", "none")).inc()
        for each in silent:
            if each.get("rule") not in shown:
                self._held_back.labels(each.get("decision", "none")).inc()
        if any(each.get("rule") == UNEVALUATED for each in (*told, *silent)):
            self._disagreements.inc()

    def assessed(self, assessment: Assessment) -> None:
        """What became of each rule that a call asked, once a call, and how its chart came in."""
        found: dict[str, bool | None] = {}
        for order in assessment.orders:
            for rule, outcome in order.findings.outcomes.items():
                found[rule] = max(outcome.truth, found.get(rule, False), key=_STRENGTH.__getitem__)
            for rule in order.findings.disagreements:
                self._differing.labels(rule).inc()
        for each in found.items():
            counter = self._of_rule.get(each)
            if counter is None:  # looking a counter up by its labels costs more than counting
                counter = self._of_rule[each] = self._rules.labels(each[0], _OUTCOME[each[1]])
            counter.inc()
        intake = assessment.intake
        for query, state in intake.sent.items():
            self._prefetch.labels(query, state).inc()
        for query in intake.fetched:
            self._fetched.labels(query).inc()
        for what, number in intake.unmapped:
            self._unrecognised.labels(what.source.partition(" ")[0]).inc(number)

    def feedback(self, service_id: str, outcome: str, rule: str | None) -> None:
        """One item of feedback that is kept, on a card of `rule`; None where the card is not known."""
        self._feedback.labels(service_id, outcome, "known" if rule is not None else "unknown").inc()
        if rule is not None:
            self._told.labels(rule, outcome).inc()

    def lost(self, answers: int) -> None:
        """Answers that will never be recorded."""
        self._unrecorded.inc(answers)

    def spans_lost(self, number: int) -> None:
        """Spans that will never be anywhere."""
        self._spans_lost.inc(number)

    def text(self, *others: Callable[[], Iterable[Metric]]) -> bytes:
        """All counters in the Prometheus text format, with the metrics that `others` make now."""
        registry = self._registry
        if self._folder is not None:
            registry = CollectorRegistry()
            MultiProcessCollector(registry, str(self._folder))  # type: ignore[no-untyped-call]
        told = [generate_latest(registry)]
        for collect in others:
            beside = CollectorRegistry()
            beside.register(_Made(collect))
            told.append(generate_latest(beside))
        return b"".join(told)


class _Made(Collector):
    """Metrics that are made when they are asked for."""

    def __init__(self, made: Callable[[], Iterable[Metric]]) -> None:
        self._made = made

    def collect(self) -> Iterable[Metric]:
        """As `generate_latest` asks."""
        return self._made()


def explanation(card: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a card says of itself to machines; empty where it says nothing."""
    found: Mapping[str, Any] = card.get("extension", {}).get(EXPLANATION, {})
    return found
