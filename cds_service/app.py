"""The WSGI application: loads the knowledge, starts the service, and opens its pages."""

from __future__ import annotations

import json
import logging
import os
import secrets
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from flask import Blueprint, Flask

from cds_service import settings as settings_module
from cds_service.errors import SettingsError
from cds_service.firing import Watch
from cds_service.knowledge import Knowledge
from cds_service.settings import Settings
from cds_service.store.place import place
from cds_service.store.store import Store
from cds_service.web import catalogue, cors, entry, fhir, health, marks, openapi, outcome, requests
from cds_service.web.built import BuiltFolder
from cds_service.web.feedback import FeedbackPages
from cds_service.web.health import silent_here
from cds_service.web.hooks import Answers, HookPages
from cds_service.web.metrics import Metrics
from cds_service.web.rates import RateLimit, Rates, rates

if TYPE_CHECKING:
    from cds_service.chart.client import Away
    from cds_service.program import Program
    from cds_service.web.traces.spans import Tracing

log = logging.getLogger(__name__)


def create_app(
    settings: Settings | None = None,
    service: Answers | None = None,
    awaited: Path | None = None,
    metrics: Metrics | None = None,
    limit: Rates | None = None,
    launch_key: bytes = b"",
) -> Flask:
    """An application ready to answer: from the environment, or with the settings and service handed in.

    `awaited` is a folder in which the pages are being built, where no setting names a built one. `metrics` are those
    that several processes share, `limit` is what all of them count in; without it, this application counts alone.
    `launch_key` seals SMART launches: one of all processes, where CDS_AUDIT_KEY is empty.
    Raises SettingsError or KnowledgeError where it could not answer safely.
    """
    settings = settings or settings_module.from_environ(os.environ)
    for problem in settings.unknown:
        log.warning("%s", problem)
    service = service or start_service(settings)
    site = service.knowledge.site
    origins = cors.allowlist(settings.cors_origins, "CDS_CORS_ORIGINS")
    origins |= cors.allowlist(site.cors_origins, f"site {site.id}: corsOrigins")
    metrics = metrics or Metrics()
    app = Flask("cds_service", static_folder=None)
    _watch(app, service, metrics, settings)
    built = BuiltFolder(settings.pages or awaited, service.knowledge.digest, site.id)
    if settings.pages is not None:
        built.require()
    store = (
        Store(place(settings.data, settings.database_url), settings.audit_key, metrics.lost) if settings.store else None
    )
    watch = Watch(store.records, service.program.asked) if store is not None else None
    pages = HookPages(service, metrics, settings, store)

    requests.install(app)
    outcome.install(app)
    cors.install(app)
    marks.install(app, (cors.marker(origins), fhir.mark, requests.mark))
    if settings.jwt == "required":
        # Imported here: where nobody is asked for a token, nothing is loaded that could check one.
        from cds_service.web.trust.gate import Gate

        app.before_request(Gate(site, store, settings.public_url, service.asking).guard)
    if limit := limit or rates(settings.calls_per_minute):
        app.before_request(RateLimit(limit, everybody=settings.calls_per_minute is not None).guard)
    app.register_blueprint(pages.blueprint())
    if store is not None:
        store.start()
        app.register_blueprint(FeedbackPages(pages.services, store, metrics, settings).blueprint())
    app.register_blueprint(catalogue.CataloguePages(built).blueprint())
    app.register_blueprint(fhir.FhirPages(built, settings.public_url).blueprint())
    if settings.workbench:
        # Imported here: where it is off, nothing of it is there.
        from cds_service.web.workbench.pages import WorkbenchPages

        app.register_blueprint(WorkbenchPages(service, settings).blueprint())
    if settings.smart_client_id:
        app.register_blueprint(_smart(service, settings, store, launch_key))
    app.register_blueprint(entry.blueprint(settings.public_url, workbench=settings.workbench))
    served = openapi.Served(
        store=store is not None,
        tokens=settings.jwt == "required",
        workbench=settings.workbench,
        smart=bool(settings.smart_client_id),
    )
    app.register_blueprint(openapi.blueprint(served, settings.public_url))
    app.register_blueprint(
        health.blueprint(metrics, health.Readiness(service.troubles), service.knowledge.digest, site, store, watch)
    )
    return app


def _watch(app: Flask, service: Answers, metrics: Metrics, settings: Settings) -> None:
    """Have the steps of each call timed, and traced where that is on."""
    service.timed = metrics.step
    if settings.tracing:
        tracing = tracer()(service.knowledge, metrics.step, metrics.spans_lost)
        service.timed, service.asking = tracing.step, tracing.asking
        tracing.install(app)


def tracer() -> type[Tracing]:
    """What traces, imported where it is asked for: where it is off, nothing of it is there. Raises SettingsError."""
    try:
        from cds_service.web.traces.spans import Tracing
    except ModuleNotFoundError as error:
        raise SettingsError("CDS_TRACING: on needs the extra otel: pip install 'anakinra-cds[otel]'") from error
    return Tracing


def _smart(service: Answers, settings: Settings, store: Store | None, launch_key: bytes) -> Blueprint:
    # Imported here: where it is off, nothing is loaded that could sign in anywhere.
    from cds_service.web.smart.pages import SmartPages

    key = settings.audit_key.encode() or launch_key or secrets.token_bytes(32)
    return SmartPages(service, settings, store, key).blueprint()


def prepare() -> None:
    """Import what answers calls and build the FHIR models, once for all workers that are forked later."""
    from cds_service import service  # noqa: F401
    from cds_service.chart import validation

    validation.warm()


def compiled(settings: Settings, loaded: Knowledge) -> Program:
    """The program that all workers share. No engine is started: that is each worker's own."""
    from cds_service.program import compile_program

    if settings.max_body_bytes < (needed := loaded.catalogue.call_bytes()):
        log.warning(
            "CDS_MAX_BODY_BYTES: %d is less than a call with a full prefetch may have (%d): it would be refused",
            settings.max_body_bytes,
            needed,
        )
    if silence := silent_here(loaded.site):
        log.warning("silent: %s; what is silent is evaluated and recorded, and not shown", json.dumps(silence))
    return compile_program(loaded)


def start_service(settings: Settings, program: Program | None = None, away: Away = nullcontext) -> Answers:
    """One worker's service of a program; without one, of the settings' site. `away`: see `Client`."""
    from cds_service import knowledge
    from cds_service.chart.client import Client
    from cds_service.service import Service

    if program is None:
        prepare()
        program = compiled(settings, knowledge.load(settings.knowledge, settings.site))
    service = Service(program, client=Client(away=away))
    service.warm()
    return service
