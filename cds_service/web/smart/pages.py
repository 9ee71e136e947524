"""The views of the SMART app: a launch from the EHR, the way back with a code, and the page.

Nothing of a launch is kept here. What must outlast the signing in is in a sealed cookie of that browser; the access
token lives for the one request that reads the chart, and is gone when the page is sent.
"""

from __future__ import annotations

import hashlib
import logging
import math
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol
from urllib.parse import urlsplit
from uuid import uuid4

from flask import Blueprint, Response, redirect, request
from werkzeug.wrappers import Response as AnyResponse

from cds_service.chart.client import Client
from cds_service.chart.server import TrustedServers
from cds_service.chart.visit import Limits, NotAnswered
from cds_service.contract import SERVICES
from cds_service.errors import CallError, SettingsError, StoreError
from cds_service.hook_call import HookCall
from cds_service.knowledge.model import Site
from cds_service.knowledge.sites import is_loopback
from cds_service.settings import Settings
from cds_service.store.store import Store
from cds_service.store.taken import Alone
from cds_service.web.front import ANSWER_BY
from cds_service.web.hooks import Answers
from cds_service.web.outcome import log_failure, refusal, wants_page
from cds_service.web.requests import seconds
from cds_service.web.smart import oauth, page
from cds_service.web.smart.link import LAUNCH
from cds_service.web.smart.oauth import AGAIN, Launched, NotLaunched, Pending

log = logging.getLogger(__name__)
BLUEPRINT: Final = "smart"
CALLBACK: Final = "/smart/callback"
_LIMITS: Final = Limits(total_s=1.8, response_bytes=256 * 1024, total_bytes=256 * 1024, lines=1, threads=8)
_REST_OF_PAGE_S: Final = 0.5  # the picture and the rules take longer than cards
_SERVICE: Final = next(service for service, hook in SERVICES.items() if hook == "patient-view")
_CODES: Final = {400: "invalid", 404: "not-found", 412: "required", 500: "exception", 502: "transient"}
_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_FAILED: Final = "The page could not be made. Do not read this as no contraindication. The failure was logged."


class Once(Protocol):
    """Remembers which launches came back."""

    def take(self, iss: str, jti: str, until: datetime, now: datetime) -> bool:
        """Whether it is the first time. Raises StoreError."""


class SmartPages:
    """The views of one service, for the FHIR servers of its site."""

    def __init__(self, service: Answers, settings: Settings, store: Store | None, key: bytes) -> None:
        """`key` is one of all workers. Raises SettingsError where nobody could be launched safely."""
        site = service.knowledge.site
        _require(settings, site)
        self._service = service
        self._settings = settings
        self._records = store
        self._once: Once = store or Alone()
        self._secrets = oauth.Secrets(key)
        self._client = Client(_LIMITS, away=service.away, asking=service.asking)
        self._servers = TrustedServers(site.id, site.fhir_servers)
        self._others = TrustedServers(site.id, site.authorization_servers, "authorizationServers")
        self._redirect = settings.public_url + CALLBACK
        self._style = page.style()
        self._etag = hashlib.sha256(self._style).hexdigest()[:20]

    def blueprint(self) -> Blueprint:
        """`GET /smart/launch`, `/smart/callback` and the styles."""
        pages = Blueprint(BLUEPRINT, __name__)
        pages.add_url_rule(LAUNCH, view_func=self.launch)
        pages.add_url_rule(CALLBACK, view_func=self.callback)
        pages.add_url_rule("/smart/style.css", view_func=self.style)
        return pages

    def launch(self) -> AnyResponse:
        """From the EHR: on to its authorization server."""
        try:
            return self._begun(_one("iss"), _one("launch"))
        except Exception as error:
            return self._refused(error)

    def callback(self) -> Response:
        """Back with a code: the page."""
        state = _one("state")
        try:
            response = Response(self._shown(state), headers=_HEADERS, mimetype="text/html")
        except Exception as error:
            response = self._refused(error)
        response.delete_cookie(oauth.cookie_name(state), path=self._cookie_path)
        return response

    def style(self) -> Response:
        """The styles of the page."""
        response = Response(self._style, headers={"X-Content-Type-Options": "nosniff"}, mimetype="text/css")
        response.headers["Cache-Control"] = "no-cache"
        response.set_etag(self._etag)
        response.make_conditional(request)
        return response

    def _begun(self, iss: str, launch: str) -> AnyResponse:
        self._require_voice()
        fhir = oauth.trusted(iss, self._servers)
        if not oauth.is_launch(launch):
            raise NotLaunched(400, f"The EHR named no launch. {AGAIN}")
        content = self._client.fetch(f"{iss.rstrip('/')}{oauth.CONFIGURATION}")
        where = oauth.endpoints(content, fhir, self._others)
        state = oauth.new_state()
        to = oauth.authorization_url(
            where,
            client_id=self._settings.smart_client_id,
            redirect=self._redirect,
            iss=iss,
            launch=launch,
            scope=oauth.scopes(self._read_types(), scopes_2=where.scopes_2),
            state=state,
            verifier=self._secrets.verifier(state),
        )
        response = redirect(to, 303)
        response.headers.update(_HEADERS)
        now = datetime.now(UTC).timestamp()
        response.set_cookie(
            oauth.cookie_name(state),
            self._secrets.sealed(Pending(state, iss, where.token), now),
            max_age=oauth.MOST_SECONDS,
            path=self._cookie_path,
            secure=self._settings.public_url.startswith("https:"),
            httponly=True,
            # A top-level way back from the EHR brings it; a request that another site makes does not.
            samesite="Lax",
        )
        return response

    def _require_voice(self) -> None:
        if self._service.knowledge.site.silences(_SERVICE):
            raise NotLaunched(404, "This service is silent at this site: nothing is shown.")

    def _read_types(self) -> list[str]:
        """The types of resource that a chart is read from."""
        program = self._service.program
        searched = (kind.resource for name, kind in program.queries.items() if name in program.searches)
        return [*dict.fromkeys(searched), "Medication"]

    def _shown(self, state: str) -> str:
        self._require_voice()
        now = datetime.now(UTC)
        pending = self._secrets.opened(request.cookies.get(oauth.cookie_name(state), ""), state, now.timestamp())
        oauth.trusted(pending.iss, self._servers)  # a site may have stopped to trust it meanwhile
        until = now + timedelta(seconds=oauth.MOST_SECONDS)
        if not self._once.take(BLUEPRINT, state, until, now):
            raise NotLaunched(400, f"This launch was used before. {AGAIN}")
        if "error" in request.args:
            raise NotLaunched(400, f"The EHR did not allow it. {AGAIN}")
        answer_by = request.environ.get(ANSWER_BY, math.inf)
        launched = self._launched(pending, _one("code"), answer_by)
        found = self._found(pending.iss, launched, now, answer_by - _REST_OF_PAGE_S)
        log.info("smart", extra={"told": {"then": found.then.state, "ms": round(seconds() * 1000, 1)}})
        if found.then.state == "another patient":
            log.error("smart: the launch named the record of another patient; nothing of it was shown")
        return page.page(found, self._settings.public_url)

    def _launched(self, pending: Pending, code: str, answer_by: float) -> Launched:
        verifier, client_id = self._secrets.verifier(pending.state), self._settings.smart_client_id
        form = oauth.code_form(code, self._redirect, verifier, client_id, self._settings.smart_client_secret)
        return oauth.launched(self._client.send(pending.token, form, answer_by))

    def _found(self, iss: str, launched: Launched, now: datetime, answer_by: float) -> page.Shown:
        """The chart is read as for a call of CDS Hooks that brings nothing but a server and a token for it."""
        call = HookCall(
            service_id=_SERVICE,
            hook=SERVICES[_SERVICE],
            hook_instance=str(uuid4()),
            user_id="",
            patient_id=launched.patient_id,
            encounter_id=launched.encounter_id,
            selections=(),
            draft_orders=(),
            prefetch={},
            fhir_server=iss,
            fhir_authorization=launched.authorization,
            evaluation_time=None,
            answer_by=answer_by,
        )
        question, chart = self._service.read(call, now)
        assert chart is not None  # a status is asked of every patient
        return page.shown(self._service.program, chart, question, now, launched.app_context, self._records)

    def _refused(self, error: Exception) -> Response:
        """A page for who asks for one, else an OperationOutcome."""
        told = _told(error)
        response = refusal(CallError(told.status, _CODES[told.status], str(told)))
        if wants_page():
            response.data = page.refusal(str(told), self._settings.public_url).encode()
            response.mimetype = "text/html"
        response.headers.update(_HEADERS)
        response.vary.add("Accept")
        return response

    @property
    def _cookie_path(self) -> str:
        return f"{urlsplit(self._settings.public_url).path}/smart"


def _told(error: Exception) -> NotLaunched:
    """What went wrong in words for who looks at the page; the log has why."""
    if isinstance(error, NotLaunched):
        log.warning("smart: %s", error)
        return error
    if isinstance(error, NotAnswered):
        log.warning("smart: %s", error)
        return NotLaunched(502, f"The EHR's server did not answer as it should. {AGAIN}")
    if isinstance(error, CallError):
        return NotLaunched(412, f"The patient could not be read from the EHR. {AGAIN}")
    log_failure(error)
    if isinstance(error, StoreError):
        return NotLaunched(502, f"The service cannot take launches now. {AGAIN}")
    return NotLaunched(500, _FAILED)


def _one(name: str) -> str:
    """A parameter that is there once; which of two counts is anybody's guess."""
    found = request.args.getlist(name)
    return found[0] if len(found) == 1 else ""


def _require(settings: Settings, site: Site) -> None:
    url = urlsplit(settings.public_url)
    if not settings.public_url or (url.scheme != "https" and not is_loopback(url.hostname or "")):
        raise SettingsError(
            "CDS_PUBLIC_URL: expected with CDS_SMART_CLIENT_ID the https address (http on loopback only) at which "
            "browsers reach this service: the EHR sends them back there"
        )
    if not site.fhir_servers:
        raise SettingsError(
            f"CDS_SMART_CLIENT_ID: site {site.id} trusts no FHIR server, so nobody could launch the page. Name them in "
            "the file of the site (fhirServers)"
        )
    if site.silences(_SERVICE):
        log.warning("CDS_SMART_CLIENT_ID: %s is silent at site %s, so the page tells nothing", _SERVICE, site.id)
