"""The WSGI application: loads the knowledge, starts the service, and opens its pages."""

from __future__ import annotations

import logging
import os

from flask import Flask

from cds_service import settings as settings_module
from cds_service.settings import Settings
from cds_service.web import catalogue, cors, fhir, health, outcome
from cds_service.web.hooks import Answers, HookPages

log = logging.getLogger(__name__)


def create_app(settings: Settings | None = None, service: Answers | None = None) -> Flask:
    """An application ready to answer: from the environment, or with the settings and service handed in.

    Raises SettingsError or KnowledgeError where it could not answer safely.
    """
    settings = settings or settings_module.from_environ(os.environ)
    for problem in settings.unknown:
        log.warning("%s", problem)
    service = service or start_service(settings)
    site = service.knowledge.site
    origins = cors.allowlist(settings.cors_origins, "CDS_CORS_ORIGINS")
    origins |= cors.allowlist(site.cors_origins, f"site {site.id}: corsOrigins")
    metrics = health.Metrics()
    pages = HookPages(service, metrics, settings)

    app = Flask("cds_service", static_folder=None)
    outcome.install(app)
    cors.install(app, origins)
    app.register_blueprint(pages.blueprint())
    app.register_blueprint(catalogue.CataloguePages(service.knowledge).blueprint())
    app.register_blueprint(fhir.FhirPages(service.knowledge, settings.public_url).blueprint())
    app.register_blueprint(health.blueprint(metrics, service.knowledge.digest, site.id))
    return app


def start_service(settings: Settings) -> Answers:
    """Load the knowledge of the settings' site and compile it."""
    from cds_service import knowledge
    from cds_service.service import Service

    return Service.start(knowledge.load(settings.knowledge, settings.site))
