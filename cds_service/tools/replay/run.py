"""Put every chart to the service and keep what it answered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from cds_service.contract import EXPLANATION
from cds_service.errors import CdsError
from cds_service.tools.replay.bundles import Chart, Problem, Source, read
from cds_service.tools.replay.calls import build_call
from cds_service.tools.replay.client import Client, ClientError, Reply
from cds_service.tools.replay.expected import NO_CARD, Expectation

_ROUTES = {"subcutaneous": "SC", "intravenous": "IV"}


@dataclass(frozen=True, slots=True)
class Result:
    """One patient, asked once."""

    chart: Chart
    hook: str
    at: datetime | None
    reply: Reply
    differences: tuple[str, ...] = ()

    @property
    def cards(self) -> list[dict[str, Any]]:
        """The cards of the answer; none where it failed."""
        found: list[dict[str, Any]] = self.reply.body["cards"] if not self.reply.error else []
        return found

    @property
    def decision(self) -> str:
        """The first card's decision, `no-card`, or `error`."""
        if self.reply.error:
            return "error"
        return str(explanation(self.cards[0]).get("decision", "?")) if self.cards else NO_CARD

    @property
    def indicator(self) -> str:
        """The first card's indicator, or nothing."""
        return str(self.cards[0].get("indicator", "")) if self.cards else ""

    @property
    def dose(self) -> str:
        """The first card's dose plan, such as `100 mg SC q12h`, or nothing."""
        return dose_text(explanation(self.cards[0]).get("dosePlan")) if self.cards else ""

    @property
    def evaluated_at(self) -> str:
        """When the service says that it evaluated."""
        return str(explanation(self.cards[0]).get("evaluatedAt", "")) if self.cards else ""


def explanation(card: Mapping[str, Any]) -> Mapping[str, Any]:
    """A card's explanation; empty where it has none."""
    extension = card.get("extension")
    found = extension.get(EXPLANATION) if isinstance(extension, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def dose_text(plan: Any) -> str:
    """A dose plan in one line: `100 mg SC q12h`; nothing where there is none."""
    if not isinstance(plan, Mapping):
        return ""
    route = str(plan.get("route", ""))
    parts = [_ROUTES.get(route.lower(), route)]
    if "doseMg" in plan:
        parts.insert(0, f"{plan['doseMg']:g} mg")
    if "intervalH" in plan:
        parts.append(f"q{plan['intervalH']:g}h")
    return " ".join(part for part in parts if part)


@dataclass(slots=True)
class Replay:
    """Asks one service about charts. `results` and `problems` grow as sources are replayed."""

    client: Client
    hook: str = "order-select"
    at: datetime | None = None
    expected: Mapping[str, Expectation] = field(default_factory=dict)
    results: list[Result] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    _services: dict[str, dict[str, Any]] = field(default_factory=dict)

    def discover(self) -> None:
        """Learn the services and their prefetch templates; raises ClientError."""
        for service in self.client.services():
            self._services.setdefault(str(service.get("hook")), service)

    def replay(self, source: Source) -> list[Result]:
        """Ask about every patient of one source."""
        before = len(self.results)
        for item in read(source):
            if isinstance(item, Problem):
                self.problems.append(item)
                continue
            try:
                self.results.append(self.ask(item))
            except CdsError as error:
                self.problems.append(Problem(f"{item.source}: Patient/{item.patient_id}", str(error)))
        return self.results[before:]

    def ask(self, chart: Chart) -> Result:
        """Ask about one patient. A patient's own expectation decides on hook and time before the run's."""
        wanted = self.expected.get(chart.patient_id, Expectation(""))
        hook, at = wanted.hook or self.hook, wanted.at or self.at
        service = self._service(hook)
        call = build_call(chart, hook=hook, templates=service.get("prefetch") or {}, at=at, withhold=wanted.withhold)
        result = Result(chart, hook, at, self.client.call(str(service["id"]), call))
        if chart.patient_id not in self.expected:
            return result
        return Result(chart, hook, at, result.reply, tuple(_differences(wanted, result)))

    def agreed(self) -> int:
        """How many of the expected patients were answered as expected."""
        differing = {result.chart.patient_id for result in self.results if result.differences}
        return len(self.expected) - len(differing) - len(self.missing())

    def missing(self) -> list[str]:
        """Patients that are expected and did not come."""
        seen = {result.chart.patient_id for result in self.results}
        return [patient_id for patient_id in self.expected if patient_id not in seen]

    def _service(self, hook: str) -> dict[str, Any]:
        if not self._services:
            self.discover()
        if hook not in self._services or "id" not in self._services[hook]:
            there = ", ".join(self._services) or "none"
            raise ClientError(f"the service's discovery has no entry for hook {hook}; there are: {there}")
        return self._services[hook]


def _differences(wanted: Expectation, found: Result) -> list[str]:
    pairs = (
        ("decision", wanted.decision, found.decision),
        ("indicator", wanted.indicator, found.indicator),
        ("dose", wanted.dose, found.dose),
    )
    return [
        f"{name}: expected {expected or 'none'}, found {actual or 'none'}"
        for name, expected, actual in pairs
        if expected is not None and expected != actual
    ]
