"""Discovery and hook calls: from HTTP to the service and back, with one log line a call."""

from __future__ import annotations

import hashlib
import logging
import math
import secrets
from collections.abc import Callable, Collection, Mapping, Set
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Protocol

from flask import Blueprint, Response, g, request

from cds_service.advice.model import Advice, Assessment
from cds_service.assess import Question
from cds_service.chart.chart import Chart
from cds_service.chart.client import Away
from cds_service.chart.intake import Intake
from cds_service.chart.visit import Asking
from cds_service.errors import CallError
from cds_service.hook_call import HookCall
from cds_service.knowledge import Knowledge
from cds_service.program import Program
from cds_service.record import entry, unrecorded
from cds_service.service import Timed
from cds_service.settings import Settings
from cds_service.store.store import Store
from cds_service.web.address import called_url
from cds_service.web.body import body_of
from cds_service.web.door import read_call
from cds_service.web.front import ANSWER_BY
from cds_service.web.metrics import Metrics, explanation
from cds_service.web.outcome import answer, log_failure
from cds_service.web.repeats import Reminders, Repeats
from cds_service.web.requests import began, seconds
from cds_service.web.smart.link import linked

log = logging.getLogger(__name__)


class Answers(Protocol):
    """What the web layer needs of `Service`."""

    @property
    def program(self) -> Program:
        """What is asked."""

    @property
    def knowledge(self) -> Knowledge:
        """What the program was compiled from."""

    def discovery(self) -> list[dict[str, Any]]:
        """The CDS Hooks service entries, in order."""

    def troubles(self) -> list[str]:
        """Why nobody should be sent here now; empty where all is well."""

    def read(self, call: HookCall, now: datetime) -> tuple[Question, Chart | None]:
        """What is asked, and the chart; None where none of the orders is ours. Raises CallError(412)."""

    def assess(self, call: HookCall, now: datetime) -> Assessment | None:
        """What is found; None where none of the orders is ours. Raises CallError(412) without a patient."""

    def advice(
        self,
        service_id: str,
        assessment: Assessment | None,
        public_url: str = "",
        since: datetime | None = None,
        reminded: Collection[str] = frozenset(),
    ) -> Advice:
        """The cards, and what silence holds back of them; said briefly where the whole was shown at `since`. Rules that
        `reminded` of the same not long ago have no card."""

    away: Away
    """Holds while a call waits for another server."""

    timed: Timed
    """Holds while each step of a call is taken."""

    asking: Asking
    """Holds while one request is at a FHIR server."""

    def drafts_intake(self, call: HookCall) -> Intake:
        """What nothing recognised of the orders of a call that is none of ours."""


class HookPages:
    """The views of one service."""

    def __init__(self, service: Answers, metrics: Metrics, settings: Settings, store: Store | None = None) -> None:
        """Without a store, nothing is recorded."""
        self._service = service
        self._store = store
        self._metrics = metrics
        self._settings = settings
        entries = service.discovery()
        self._discovery = {"services": entries}
        self._hooks: Mapping[str, str] = {entry["id"]: entry["hook"] for entry in entries}
        self._hashed = _keyed_hash()
        self._reminders = Reminders(service.program.windows)
        self._repeats = Repeats(service.program.quiet_repeat) if settings.quiet_repeats else None

    @property
    def services(self) -> Set[str]:
        """The ids of the services."""
        return self._hooks.keys()

    def blueprint(self) -> Blueprint:
        """`GET /cds-services` and `POST /cds-services/<id>`."""
        pages = Blueprint("hooks", __name__)
        pages.add_url_rule("/cds-services", view_func=self.discover, methods=["GET"])
        pages.add_url_rule("/cds-services/<service_id>", view_func=self.call, methods=["POST"])
        pages.after_request(self._finish)
        return pages

    def discover(self) -> Response:
        """The list of services."""
        return answer(self._discovery)

    def call(self, service_id: str) -> Response:
        """The cards for one call."""
        hook = self._hooks.get(service_id)
        if hook is None:
            raise CallError(
                404, "not-found", "url: no such service; GET /cds-services lists the services and their ids"
            )
        timed = self._service.timed
        with timed("envelope", began()):
            body = body_of(self._settings.max_body_bytes)
            call = read_call(service_id, hook, body, allow_evaluation_time=self._settings.allow_evaluation_time)
            call = replace(call, answer_by=request.environ.get(ANSWER_BY, math.inf))
        g.call = call
        now = call.evaluation_time or datetime.now(UTC)
        assessment = self._service.assess(call, now)
        with timed("word"):
            since = self._repeats.shown_at(call, assessment) if self._repeats and assessment else None
            reminded = self._reminders.given(call, assessment) if assessment else frozenset()
            address = self._settings.public_url or called_url()
            advice = self._service.advice(service_id, assessment, address, since, reminded)
        g.cards, record = advice.cards, ""
        if self._store is not None:
            with timed("record"):
                g.cards, record = self._record(self._store, call, assessment, advice)
        if self._settings.smart_client_id and g.cards:
            g.cards = linked(g.cards, address, record)
        self._metrics.answered(g.cards, advice.held_back)
        if assessment is not None:
            self._metrics.assessed(assessment)
        return answer({"cards": g.cards})

    def _record(
        self, store: Store, call: HookCall, assessment: Assessment | None, advice: Advice
    ) -> tuple[list[dict[str, Any]], str]:
        """Hand an answer to the store, without waiting; the cards, which say so where it may not be recorded, and the
        id of the record ("" then)."""
        cards = advice.cards
        try:
            tenant = g.token.tenant if "token" in g else ""
            digest_only = self._service.knowledge.site.audit_facts == "digest"
            intake = assessment.intake if assessment else self._service.drafts_intake(call)
            now = datetime.now(UTC)
            told = entry(call, assessment, advice, intake, now, tenant=tenant, digest_only=digest_only)
            record = told.id if store.record(told) else ""
        except Exception as error:  # advice is given whatever happens to its record
            store.lose()
            log_failure(error)
            record = ""
        return (cards if record or not cards else unrecorded(cards)), record

    def _finish(self, response: Response) -> Response:
        """Count and log a finished call, answered or refused; ids only as hashes that no other process can make. For a
        trace, what is of nobody stays in `g.told`."""
        # Not by the view: who is refused before it, for want of a token, made a call too.
        service_id = (request.view_args or {}).get("service_id", "")
        if service_id not in self._hooks:
            return response
        response.headers["Cache-Control"] = "no-store"
        cards = g.get("cards", [])
        self._metrics.count(service_id, response.status_code, seconds())
        call: HookCall | None = g.get("call")
        g.told = {
            "service": service_id,
            "hook": self._hooks[service_id],
            "status": response.status_code,
            "ms": round(seconds() * 1000, 1),
            "decisions": [_decided(card) for card in cards],
        }
        hashed = {
            "instance": self._hashed(call.hook_instance) if call else None,
            "patient": self._hashed(call.patient_id) if call else None,
        }
        log.info("call", extra={"told": g.told | hashed})
        return response


def _decided(card: Mapping[str, Any]) -> str:
    """What a card decides, by which rule."""
    told = explanation(card)
    return f"{told.get('decision', 'none')} {told.get('rule', '')}".strip()


def _keyed_hash() -> Callable[[str], str]:
    key = secrets.token_bytes(32)

    def hashed(text: str) -> str:
        return hashlib.blake2b(text.encode(), key=key, digest_size=8).hexdigest()

    return hashed
