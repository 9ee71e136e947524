"""This service in this process, with all that it found: what became of every rule, and of every criterion."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from cds_service.advice.model import Assessment
from cds_service.assess import values_of
from cds_service.contract import SERVICES
from cds_service.errors import CallError
from cds_service.knowledge import load
from cds_service.program import Program, compile_program
from cds_service.service import Service
from cds_service.settings import from_environ
from cds_service.tools.replay.client import Reply
from cds_service.web.door import read_call

# Cards link to pages of the service that made them; here nobody follows the links.
_ADDRESS: Final = "https://replay.invalid"
Outcomes = dict[str, bool | None]
# Rule id -> how often it fired, stayed silent, was unknown; then, criterion by criterion, how often that held, did not
# hold, was unknown: three numbers each, in the order of its file.
Tally = dict[str, list[int]]


class OurClient:
    """Calls the service itself, without HTTP. `last` is what was found for the last call.

    Without a site, or without a folder with rules/ and cards/, those of the environment. Raises CdsError.
    """

    def __init__(self, site: str | None = None, root: Path | None = None) -> None:
        settings = from_environ(os.environ)
        program = compile_program(load(root or settings.knowledge, site or settings.site))
        program.warm()
        self.service = Service(program)
        self.last: Assessment | None = None

    @property
    def program(self) -> Program:
        """The compiled knowledge that answers."""
        return self.service.program

    @property
    def name(self) -> str:
        """Which knowledge, at which site."""
        return self.program.id

    def services(self) -> list[dict[str, Any]]:
        """The entries of its discovery."""
        return self.service.discovery()

    def call(self, service_id: str, request: Mapping[str, Any]) -> Reply:
        """One request, evaluated at the time that it asks for."""
        self.last = None
        started = time.perf_counter()
        try:
            call = read_call(service_id, SERVICES[service_id], json.dumps(request).encode(), allow_evaluation_time=True)
            self.last = self.service.assess(call, call.evaluation_time or datetime.now(UTC))
            body = {"cards": self.service.advice(service_id, self.last, _ADDRESS).cards}
        except CallError as error:
            return Reply(error.status, None, _since(started), f"HTTP {error.status}: {error.diagnostics}")
        return Reply(200, body, _since(started))

    def outcomes(self) -> Outcomes:
        """What became of each rule at the last call, in order of evaluation; on several occasions the first counts."""
        found: Outcomes = {}
        for order in self.last.orders if self.last else ():
            for rule, outcome in order.findings.outcomes.items():
                found.setdefault(rule, outcome.truth)
        return found

    def tally(self, counts: Tally) -> None:
        """Add what became of each rule and criterion at the last call. One of `unless` holds where it is absent."""
        engine = self.program.engine
        for order in self.last.orders if self.last else ():
            outcomes = order.findings.outcomes
            rules = [rule for rule in order.rules if rule.id in outcomes]
            truths = engine.truths(rules, values_of(order.facts), outcomes)
            for rule in rules:
                unless = len(truths[rule.id]) - len(rule.unless)
                met = [
                    truth if truth is None or place < unless else not truth
                    for place, truth in enumerate(truths[rule.id])
                ]
                mine = counts.setdefault(rule.id, [0] * 3 * (len(met) + 1))
                for place, truth in enumerate((outcomes[rule.id].truth, *met)):
                    mine[3 * place + (2 if truth is None else 0 if truth else 1)] += 1


def _since(started: float) -> float:
    return (time.perf_counter() - started) * 1000
