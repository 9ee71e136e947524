"""The one way through the house: a checked call in, a CDS Hooks response out.

chart -> facts -> engine -> decision -> cards. Knowledge is loaded once and handed in; so is `now`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from cds_service.chart import validation
from cds_service.chart.chart import Chart, Enough, QueryKind, medications_sent, open_chart
from cds_service.chart.client import Client
from cds_service.chart.read import Medications, Read, ReadCache
from cds_service.chart.server import TrustedServers
from cds_service.chart.source import Asked, Source
from cds_service.chart.units import UnitTable
from cds_service.chart.vocabulary import matchers
from cds_service.decision.decide import decide
from cds_service.engine import Engine, Findings
from cds_service.errors import CallError
from cds_service.facts.gather import Gatherer
from cds_service.facts.model import Fact, Reading
from cds_service.facts.order import OrderInHand, order_in_hand
from cds_service.hook_call import HookCall
from cds_service.knowledge import Knowledge, about
from cds_service.knowledge.model import RuleDefinition
from cds_service.knowledge.placeholders import facts_of
from cds_service.prefetch import filled, templates
from cds_service.rendering.cards import OWN_CARD, Renderer, in_order
from cds_service.rendering.templates import FOOTER

Step = Callable[[str], None]

_log = logging.getLogger(__name__)
CACHE_BYTES = 16 * 1024 * 1024  # of JSON; as objects about six times that, in each worker
_HOURS = {"min": 1 / 60, "h": 1.0, "d": 24.0}
DESCRIPTION = (
    "Draft content, not reviewed by clinicians: advises on anakinra for the toxicity of CAR-T cell therapy, "
    "with the rule, the facts and the chart resources behind each card."
)
SERVICES: Mapping[str, tuple[str, str]] = {
    "anakinra-order-select": ("order-select", "Anakinra for CAR-T toxicity: while an order is selected"),
    "anakinra-order-sign": ("order-sign", "Anakinra for CAR-T toxicity: before an order is signed"),
}
# What every evaluation looks at, whichever rules run: the decision computes doses from them.
_ALWAYS = ("child", "weight", "age")


@dataclass(frozen=True, slots=True)
class Examination:
    """What was found for one call: the chart as it was read, every fact, and what became of each rule, in order."""

    reading: Reading
    facts: Mapping[str, Fact]
    findings: Findings
    rules: tuple[RuleDefinition, ...]


class Service:
    """Everything compiled at start; `answer` is safe to call from several threads."""

    def __init__(self, knowledge: Knowledge) -> None:
        """Compile all knowledge; raises KnowledgeError where it does not hold together."""
        self.knowledge = knowledge
        self._terms = matchers(knowledge.value_sets)
        self._units = {name: UnitTable(analyte) for name, analyte in knowledge.analytes.items()}
        self._policies = {name: float(p.value) for name, p in knowledge.policies.items()}
        self._windows = {n: float(p.value) * _HOURS[p.unit] for n, p in knowledge.policies.items() if p.unit in _HOURS}
        self._queries = {
            name: QueryKind(query.resource, self._windows[query.window] if query.window else None)
            for name, query in knowledge.catalogue.queries.items()
        }
        self._cache = ReadCache(CACHE_BYTES)
        not_kept = {n for n, q in knowledge.catalogue.queries.items() if q.resource in knowledge.site.not_kept}
        self._not_kept = dict.fromkeys(not_kept, b"null")
        self._templates = {name: text for name, text in templates(knowledge).items() if name not in not_kept}
        trusted = TrustedServers(knowledge.site.id, knowledge.site.fhir_servers)
        self._source = Source(trusted, Client(), self._cache)
        self._engine = Engine(knowledge)
        self._renderer = Renderer(knowledge)
        self._gatherers = {
            (hook, kind): Gatherer(knowledge.catalogue, _needed(self._engine.rules(hook, kind), knowledge))
            for hook, _ in SERVICES.values()
            for kind in knowledge.orders.kinds
        }
        self.disagreements = 0

    @classmethod
    def start(cls, knowledge: Knowledge) -> Service:
        """A service that has done its slow work: models imported, rules engine warm."""
        service = cls(knowledge)
        validation.warm()
        service.warm()
        return service

    def warm(self) -> None:
        """Prepare this process's rules engine; call it again after a fork. Raises where the engine cannot run."""
        self._engine.warm()

    def discovery(self) -> list[dict[str, Any]]:
        """The service entries of CDS Hooks discovery."""
        return [
            {
                "hook": hook,
                "id": name,
                "title": title,
                "description": DESCRIPTION,
                "usageRequirements": "FHIR R4 resources only.",
                "prefetch": self._templates,
            }
            for name, (hook, title) in SERVICES.items()
        ]

    def answer(self, call: HookCall, now: datetime, step: Step | None = None) -> dict[str, Any]:
        """The cards for a call. Raises CallError(412) where the patient is unobtainable.

        Every selected kind of order is answered; cards that two kinds have in common are shown once.
        """
        mark = step or _no_step
        cards: list[dict[str, Any]] = []
        for seen in self.examinations(call, now, mark):
            decision = decide(self.knowledge, seen.rules, seen.findings, seen.reading, seen.facts)
            mark("decision")
            said = {card["source"]["topic"]["code"] for card in cards}
            rendered = self._renderer.cards(decision, seen.findings, seen.reading, seen.facts, call.public_url)
            cards += [card for card in rendered if card["source"]["topic"]["code"] not in said]
            mark("cards")
        return {"cards": in_order(cards)}

    def brief(self, cards: list[dict[str, Any]], since: datetime) -> list[dict[str, Any]]:
        """The cards of an answer that was shown whole at `since`, said briefly."""
        return self._renderer.brief(cards, since.astimezone(UTC).strftime("%H:%M"))

    def examine(self, call: HookCall, now: datetime) -> Examination | None:
        """What is found for the most important kind of order; None where the selected order is none of ours."""
        return next(self.examinations(call, now), None)

    def examinations(self, call: HookCall, now: datetime, step: Step | None = None) -> Iterator[Examination]:
        """Everything that is found before anything is decided, for each kind of order that is selected."""
        mark = step or _no_step
        asked = self._source.of(call)
        order = self._order(call, asked)
        chart = self._chart(call, order, now, asked) if order.kinds else None
        mark("chart")
        for kind in order.kinds if chart is not None else ():
            assert chart is not None
            reading = self._reading(chart, replace(order, kind=kind), call, now)
            facts = self._gatherers[call.hook, kind].gather(reading)
            mark("facts")
            findings = self._engine.run(call.hook, kind, _values(facts))
            self._count_disagreement(findings.failure, findings.disagreements)
            mark("engine")
            yield Examination(reading, facts, findings, self._engine.rules(call.hook, kind))

    def _order(self, call: HookCall, asked: Asked) -> OrderInHand:
        drugs = asked.drugs_of(call.draft_orders, call.draft_urls, lambda: self._medications(call))
        selections = call.selections if call.hook == "order-select" else None
        orders, amounts = self.knowledge.orders, self._units["drug-amount"]
        return order_in_hand(call.draft_orders, selections, orders, self._terms, amounts, drugs)

    def _medications(self, call: HookCall) -> Medications:
        return medications_sent(call.prefetch, call.patient_id, self._queries, self._cache)

    def _chart(self, call: HookCall, order: OrderInHand, now: datetime, asked: Asked) -> Chart:
        """The chart from prefetch; from the FHIR server that the call offers, what is needed and open there."""
        wanted = {name for kind in order.kinds for name in self._gatherers[call.hook, kind].queries}
        needed = [name for name in self._templates if name in wanted]

        def second(lacking: Mapping[str, Read], enough: Enough) -> Mapping[str, Read]:
            searches = filled({name: self._templates[name] for name in needed}, call.patient_id)
            return asked.complete(searches, lacking, enough)

        prefetch = {**self._not_kept, **call.prefetch}
        chart = open_chart(prefetch, call.patient_id, self._queries, self._cache, now, second)
        _require_patient(chart)
        return chart

    def _reading(self, chart: Chart, order: OrderInHand, call: HookCall, now: datetime) -> Reading:
        return Reading(
            chart=chart,
            order=order,
            orders=self.knowledge.orders,
            now=now,
            horizon=now + timedelta(hours=self._windows["clock-tolerance"]),
            encounter_id=call.encounter_id,
            terms=self._terms,
            policies=self._policies,
            windows=self._windows,
            units=self._units,
            site=self.knowledge.site,
            one_click=self.knowledge.one_click(about(self.knowledge, order.kind)),
        )

    def _count_disagreement(self, failure: str, disagreements: tuple[str, ...]) -> None:
        if failure or disagreements:
            self.disagreements += 1
            _log.error("evaluators disagree or failed: %s %s", failure, ", ".join(disagreements))


def _no_step(_: str) -> None:
    """Nothing is being measured."""


def _needed(rules: tuple[RuleDefinition, ...], knowledge: Knowledge) -> set[str]:
    """Facts that the rules compare, that their cards print, and that every decision needs."""
    conditions = [c for r in rules for c in (*r.when, *r.unless, *(c for option in r.any for c in option))]
    shown = {r.card for r in rules if r.card} | OWN_CARD | {FOOTER}
    printed = (facts_of(knowledge.cards[name]) for name in shown if name in knowledge.cards)
    dosed = [k.dosing for k in knowledge.orders.kinds.values() if k.dosing]
    running = (name for d in dosed for name in (d.active, d.active_daily_dose))
    timed = (r.finding.until.fact for r in rules if r.finding.until)
    return {c.fact for c in conditions if c.fact}.union(_ALWAYS, running, timed, *printed)


def _values(facts: Mapping[str, Fact]) -> dict[str, bool | int | float | str]:
    return {name: fact.value for name, fact in facts.items() if fact.value is not None}


def _require_patient(chart: Chart) -> None:
    if chart.patient() is None:
        message = (
            "The Patient resource of context.patientId could not be read: send it in prefetch (key patient), "
            "or let the service read it from a FHIR server that it trusts."
        )
        raise CallError(412, "required", message)
