"""One program and the reader of its charts as a service: what `web` asks, a call in, an assessment and cards out."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from functools import cached_property
from typing import Any, Protocol

from cds_service.advice.model import Advice, Assessment
from cds_service.advice.silence import touches
from cds_service.assess import Question, assess, cards, drafts_intake, question_of, unread
from cds_service.chart import validation
from cds_service.chart.chart import Chart
from cds_service.chart.client import Client
from cds_service.chart.intake import Intake
from cds_service.chart.read import ReadCache
from cds_service.chart.reader import Reader
from cds_service.chart.server import TrustedServers
from cds_service.chart.source import Source
from cds_service.chart.visit import Asking
from cds_service.contract import CDS_HOOKS_VERSION, HOOK_VERSIONS, SERVICES
from cds_service.engine.canaries import Canary, canaries
from cds_service.errors import CallError
from cds_service.hook_call import HookCall
from cds_service.knowledge import Knowledge
from cds_service.program import Program, compile_program

_log = logging.getLogger(__name__)
CACHE_BYTES = 64 * 1024 * 1024  # of memory in each worker: about 8 MiB of JSON
DESCRIPTION = (
    "Draft content, not reviewed by clinicians: advises on anakinra for the toxicity of CAR-T cell therapy, "
    "with the rule, the facts and the chart resources behind each card."
)
USE = (
    "FHIR R4 resources only. Essential prefetch keys: {keys}. Where one of them is neither sent nor readable from a "
    "FHIR server that this site trusts, the answer is insufficient-data (patient: 412), or a hard stop that was found. "
    "What else is missing is named on the cards."
)
SILENT = "Silent at this site: every call is evaluated and recorded, and no card is shown. "
_TITLES = {
    "order-select": "Anakinra for CAR-T toxicity: while an order is selected",
    "order-sign": "Anakinra for CAR-T toxicity: before an order is signed",
    "patient-view": "CAR-T toxicity: where the patient stands, when the chart is opened",
}


class Timed(Protocol):
    """Holds while a step of a call is taken; `began`, by `perf_counter`, where that was before."""

    def __call__(self, step: str, began: float | None = None) -> AbstractContextManager[None]: ...


def _untimed(step: str, began: float | None = None) -> AbstractContextManager[None]:
    """Nobody asks."""
    return nullcontext()


class Service:
    """Safe to call from several threads. `disagreements` counts answers that were not evaluated, or not in one way;
    `timed` holds while each step of a call is taken, `away` while a call waits for another server."""

    def __init__(self, program: Program, cache: ReadCache | None = None, client: Client | None = None) -> None:
        site = program.knowledge.site
        self.program = program
        cache = cache or ReadCache(CACHE_BYTES)
        client = client or Client()
        self.away = client.away
        self._client = client
        source = Source(TrustedServers(site.id, site.fhir_servers), client, cache)
        self.reader = Reader(program.queries, program.searches, program.not_kept, source, cache)
        self.disagreements = 0
        self.timed: Timed = _untimed

    @classmethod
    def start(cls, knowledge: Knowledge, cache: ReadCache | None = None) -> Service:
        """A service that has done its slow work: knowledge compiled, models imported, rules engine warm.

        `cache` remembers parsed charts; without one, it has its own. Raises KnowledgeError.
        """
        service = cls(compile_program(knowledge), cache)
        validation.warm()
        service.warm()
        return service

    @property
    def asking(self) -> Asking:
        """Holds while one request is at a FHIR server."""
        return self._client.asking

    @asking.setter
    def asking(self, asking: Asking) -> None:
        self._client.asking = asking

    @property
    def knowledge(self) -> Knowledge:
        """What the program was compiled from."""
        return self.program.knowledge

    def warm(self) -> None:
        """Prepare this process's rules engine; call it again after a fork. Raises where the engine cannot run."""
        self.program.warm()

    @cached_property
    def _canaries(self) -> Mapping[str, tuple[Canary, ...]]:
        return canaries(self.knowledge)

    def troubles(self) -> list[str]:
        """Why nobody should be sent here now, one line each: rules whose canaries do not sing, value sets that are not
        what was recorded. Tries both evaluators of this process; some milliseconds for all rules."""
        dead = self.program.engine.dead(self._canaries)
        return [*(f"rule {each.rule}: {each.trouble}" for each in dead), *self.knowledge.unrecorded]

    def discovery(self) -> list[dict[str, Any]]:
        """The service entries of CDS Hooks discovery."""
        return [
            {
                "hook": hook,
                "hookVersion": HOOK_VERSIONS[hook],
                "version": CDS_HOOKS_VERSION,
                "id": name,
                "title": _TITLES[hook],
                "description": (SILENT if self.knowledge.site.silences(name) else "") + DESCRIPTION,
                "usageRequirements": self.usage_requirements(),
                "prefetch": self.program.templates_of(hook),
            }
            for name, hook in SERVICES.items()
        ]

    def usage_requirements(self) -> str:
        """What an EHR has to send: the essential keys among those that this site's EHR keeps."""
        asked = {n: q for n, q in self.knowledge.catalogue.queries.items() if n in self.program.templates}
        always = [name for name, query in asked.items() if query.essential]
        sometimes = [
            f"{name} (where {query.essential_where})" for name, query in asked.items() if query.essential_where
        ]
        return USE.format(keys=", ".join((*always, *sometimes)))

    def read(self, call: HookCall, now: datetime) -> tuple[Question, Chart | None]:
        """What a call asks, and the chart to answer from; None where none of its orders is ours.

        Raises CallError(412) where the patient is unobtainable.
        """
        reader = self.reader.of(call)
        question = question_of(self.program, call, reader.medications())
        if not question.kinds:
            return question, None
        chart = reader.chart(self.program.wanted(question.hook, question.kinds), now)
        if chart.patient() is None:
            message = (
                "The Patient resource of context.patientId could not be read: send it in prefetch (key patient), "
                "or let the service read it from a FHIR server that it trusts."
            )
            raise CallError(412, "required", message)
        # A call that chooses its time is answered from what was known then.
        return question, chart if call.evaluation_time is None else chart.at(self.program.horizon(now))

    def assess(self, call: HookCall, now: datetime) -> Assessment | None:
        """What is found for a call; None where none of its orders is ours. Raises CallError(412)."""
        try:
            with self.timed("read"):
                question, chart = self.read(call, now)
        except CallError:
            raise
        except Exception as error:
            return unread(self.program, call, now, error)
        if chart is None:
            return None
        with self.timed("assess"):
            return assess(self.program, chart, question, now, call.assumed)

    def cards(
        self,
        assessment: Assessment | None,
        public_url: str = "",
        since: datetime | None = None,
        silent: Collection[str] = frozenset(),
        reminded: Collection[str] = frozenset(),
    ) -> list[dict[str, Any]]:
        """The cards of an assessment; see `assess.cards`."""
        if assessment is None:
            return []
        told, made = cards(self.program, assessment, public_url, since, silent, reminded)
        if told.failed:
            self.disagreements += 1
            _log.error("not evaluated: %s", "; ".join(f"{o.kind}: {o.trouble}" for o in told.orders if o.trouble))
        return made

    def advice(
        self,
        service_id: str,
        assessment: Assessment | None,
        public_url: str = "",
        since: datetime | None = None,
        reminded: Collection[str] = frozenset(),
    ) -> Advice:
        """What a service shows of an assessment, and what it would show were nothing silent."""
        site, silent = self.knowledge.site, self.program.silent
        if site.silences(service_id):
            whole = self.cards(assessment, public_url)
            return Advice([], "site" if site.silent else "service", tuple(whole)) if whole else Advice([])
        shown = self.cards(assessment, public_url, since, silent, reminded)
        if assessment is None or not touches(assessment.answers, silent):
            return Advice(shown)
        return Advice(shown, "rules", tuple(cards(self.program, assessment, public_url)[1]))

    def drafts_intake(self, call: HookCall) -> Intake:
        """What nothing recognised of the orders of a call that is none of ours."""
        return drafts_intake(self.program, call.draft_orders)

    def answer(self, call: HookCall, now: datetime) -> dict[str, Any]:
        """The CDS Hooks response to a call. Raises CallError(412)."""
        return {"cards": self.advice(call.service_id, self.assess(call, now)).cards}
