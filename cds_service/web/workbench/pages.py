"""The views of the workbench: its page and files, the example patients, and calls that are answered with their reasons.

A call here is one of CDS Hooks, proven at the same door, within the same limits. It differs in this: it may choose its
time and assume values of facts, no FHIR server is read for it, and nothing of it is recorded or counted. Nobody was
advised on a patient: a record of it would say so, and would change what is known of how often rules fire.
"""

from __future__ import annotations

import hashlib
import logging
import math
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Final

from flask import Blueprint, Response, redirect, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from cds_service import __version__
from cds_service.contract import SERVICES
from cds_service.errors import CallError
from cds_service.explaining import order_text
from cds_service.hook_call import HookCall
from cds_service.knowledge import Knowledge
from cds_service.settings import Settings
from cds_service.timeline.collect import collect, decide_at
from cds_service.timeline.draw import STYLE, draw
from cds_service.timeline.model import Decided
from cds_service.web.address import called_url
from cds_service.web.body import body_of
from cds_service.web.door import read_call
from cds_service.web.front import ANSWER_BY
from cds_service.web.health import silent_here
from cds_service.web.hooks import Answers
from cds_service.web.members import moment
from cds_service.web.outcome import answer
from cds_service.web.requests import seconds
from cds_service.web.workbench.examples import Offered, offered

log = logging.getLogger(__name__)
BLUEPRINT: Final = "workbench"
STATIC: Final = Path(__file__).parent / "static"
_PAGE: Final = "index.html"
_FILE: Final = re.compile(rb'"workbench/(?=[^"]+\.\w+")')  # where the page names one of its files
_KEPT_SECONDS: Final = 31_536_000  # a year: what changes has another name
_MOST_HOURS: Final = 92 * 24
_MOST_POINTS: Final = 240  # hours whose facts are found for one picture: half a millisecond each
_MOST_ANSWERS: Final = 64  # of them with an answer: five milliseconds each, and fewer where time is short
_TO_DRAW_SECONDS: Final = 1.5
_MEDIA_TYPES: Final = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".svg": "image/svg+xml",
    "": "text/plain",
}  # of every file that there is
# Nothing from elsewhere, nothing written into the page, and no text becomes markup but through DOMPurify.
POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types dompurify",
    )
)
_HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class WorkbenchPages:
    """The views for one service."""

    def __init__(self, service: Answers, settings: Settings) -> None:
        self._service = service
        self._settings = settings
        self._files = dict(_files())
        self._edition = _edition(self._files)
        # Under the name of their edition a browser keeps the files; the page alone is asked for at each visit.
        self._page = _FILE.sub(f'"workbench/{self._edition}/'.encode(), self._files.pop(_PAGE))
        # Where callers need tokens, a browser has none to send its feedback with.
        self._feedback = settings.store and settings.jwt != "required"

    def blueprint(self) -> Blueprint:
        """`GET /workbench` and below; `POST /workbench/cds-services/<id>`."""
        pages = Blueprint(BLUEPRINT, __name__)
        pages.add_url_rule("/workbench", view_func=self.index)
        pages.add_url_rule("/workbench/", "slash", _to_index)
        pages.add_url_rule("/workbench/<edition>/<path:name>", view_func=self.file)
        pages.add_url_rule("/workbench/config", view_func=self.config)
        pages.add_url_rule("/workbench/patients/<patient_id>", view_func=self.patient)
        pages.add_url_rule("/workbench/cds-services/<service_id>", view_func=self.call, methods=["POST"])
        pages.add_url_rule("/workbench/timeline/<service_id>", view_func=self.timeline, methods=["POST"])
        return pages

    def index(self) -> Response:
        """The page."""
        response = _sent(self._page, _PAGE)
        response.headers["Cache-Control"] = "no-cache"
        response.set_etag(self._edition)
        response.make_conditional(request)
        return response

    def file(self, edition: str, name: str) -> Response:
        """A file that the page loads, of the edition that this service has."""
        body = self._files.get(name)
        if body is None or edition != self._edition:
            raise CallError(404, "not-found", "url: no such file of the workbench")
        response = _sent(body, name)
        response.headers["Cache-Control"] = f"public, max-age={_KEPT_SECONDS}, immutable"
        return response

    def config(self) -> Response:
        """What the page must know of this service: what may be ordered, which patients there are, what is silent."""
        knowledge = self._service.knowledge
        told = {
            "version": __version__,
            "knowledge": knowledge.digest,
            "site": {"id": knowledge.site.id, "region": knowledge.site.region},
            "silent": silent_here(knowledge.site),
            "feedback": self._feedback,
            "services": self._service.discovery(),
            "orders": orderable(knowledge),
            "patients": [each.told for each in _patients().values()],
        }
        response = answer(told)
        response.headers["Cache-Control"] = "no-cache"
        return response

    def patient(self, patient_id: str) -> Response:
        """The bundle of an example patient."""
        found = _patients().get(patient_id)
        if found is None:
            raise CallError(404, "not-found", "url: no such example patient; GET /workbench/config lists them")
        return Response(found.bundle, headers={"Cache-Control": "no-cache"}, mimetype="application/fhir+json")

    def call(self, service_id: str) -> Response:
        """The cards for one call as its client would get them, and what became of every criterion of every rule."""
        call = self._call(service_id)
        assessment = self._service.assess(call, call.evaluation_time or datetime.now(UTC))
        address = self._settings.public_url or called_url()
        advice = self._service.advice(service_id, assessment, address)
        told: dict[str, Any] = {
            "cards": advice.cards,
            "orders": [order_text(seen, self._service.program) for seen in (assessment.orders if assessment else ())],
        }
        if advice.silent:
            told |= {"silent": advice.silent, "heldBack": advice.held_back}
        log.info("workbench", extra={"told": {"service": service_id, "ms": round(seconds() * 1000, 1)}})
        response = answer(told)
        response.headers["Cache-Control"] = "no-store"
        return response

    def timeline(self, service_id: str) -> Response:
        """The course of a patient as a picture, from `since` to the time of the call, with what would be answered."""
        call = self._call(service_id)
        end = call.evaluation_time or datetime.now(UTC)
        hours = _hours(moment(request.args.get("since"), "since"), end)
        question, chart = self._service.read(call, end)
        if chart is None:
            return Response(status=204)
        program = self._service.program
        course = collect(program, chart, hours, encounter_id=call.encounter_id)
        decisions: list[Decided] = []
        for each in decide_at(program, chart, question, _coarse_first(hours)):
            decisions.append(each)
            if time.monotonic() > call.answer_by - _TO_DRAW_SECONDS:
                break
        decisions.sort(key=lambda decided: decided.at)
        drawn = draw(replace(course, decisions=tuple(decisions)), styled=False)
        return Response(drawn, headers={"Cache-Control": "no-store"}, mimetype="image/svg+xml")

    def _call(self, service_id: str) -> HookCall:
        """The call that is sent. Raises CallError(400)."""
        if service_id not in SERVICES:
            raise CallError(404, "not-found", "url: no such service; GET /cds-services lists the services")
        call = read_call(
            service_id,
            SERVICES[service_id],
            body_of(self._settings.max_body_bytes),
            allow_evaluation_time=True,
            assumable=self._service.knowledge.catalogue.facts,
        )
        until = request.environ.get(ANSWER_BY, math.inf)
        return replace(call, answer_by=until, fhir_server=None, fhir_authorization=None)


def _hours(since: datetime, end: datetime) -> list[datetime]:
    """The hours from `since` to `end`, at most so many that a picture takes no longer than an answer may."""
    whole = int((end - since).total_seconds() // 3600)
    if not 0 < whole <= _MOST_HOURS:
        raise CallError(400, "invalid", f"since: expected a time from 1 to {_MOST_HOURS} hours before that of the call")
    step = math.ceil(whole / _MOST_POINTS)
    return [end - timedelta(hours=back) for back in range(whole, -1, -step)]


def _coarse_first(hours: Sequence[datetime]) -> Iterator[datetime]:
    """At most `_MOST_ANSWERS` of the hours, each gap halved after the other: wherever it ends, they are spread."""
    chosen = hours[:: math.ceil(len(hours) / _MOST_ANSWERS)]
    step = 1 << (len(chosen) - 1).bit_length()
    told: set[int] = set()
    while step:
        for place in range(0, len(chosen), step):
            if place not in told:
                told.add(place)
                yield chosen[place]
        step //= 2


def orderable(knowledge: Knowledge) -> list[dict[str, Any]]:
    """What an order may be of: each drug that is dosed and each other kind of order that a code names."""
    orders, found = knowledge.orders, []
    for name, kind in orders.kinds.items():
        codes = (code for of in kind.value_sets for code in knowledge.value_sets[of].codes)
        coding = kind.dosing.medication if kind.dosing else next(codes, None)
        if coding is None:
            continue
        drug = orders.drugs.get(name)
        routes = [orders.routes[route] for route in drug.routes] if drug else []
        found.append(
            {
                "id": name,
                "title": kind.title,
                "coding": _coding(coding),
                "routes": [{"short": route.short, "coding": _coding(route)} for route in routes],
            }
        )
    return found


def _coding(of: Any) -> Mapping[str, str]:
    return {"system": of.system, "code": of.code, "display": of.display}


@cache
def _patients() -> Mapping[str, Offered]:
    return offered()


def _files() -> Iterator[tuple[str, bytes]]:
    """The page and all that it loads, by the path below /workbench."""
    yield "timeline.css", STYLE.encode()
    for path in STATIC.rglob("*"):
        if path.is_file():
            yield path.relative_to(STATIC).as_posix(), path.read_bytes()


def _edition(files: Mapping[str, bytes]) -> str:
    """A name that changes with any of the files."""
    told = hashlib.sha256()
    for name in sorted(files):
        told.update(hashlib.sha256(name.encode()).digest() + hashlib.sha256(files[name]).digest())
    return told.hexdigest()[:20]


def _sent(body: bytes, name: str) -> Response:
    return Response(body, headers=_HEADERS, mimetype=_MEDIA_TYPES[Path(name).suffix])


def _to_index() -> AnyResponse:
    return redirect(url_for("workbench.index"), 308)
