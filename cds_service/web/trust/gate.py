"""Lets only calls of trusted CDS clients through: calls and feedback need a token, discovery and the rest do not."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from flask import g, request

from cds_service.chart.client import Client as Fetcher
from cds_service.chart.visit import Asking, Limits, NotAnswered, unwatched
from cds_service.errors import CallError, SettingsError, StoreError
from cds_service.knowledge.model import Issuer, Site
from cds_service.knowledge.sites import is_loopback
from cds_service.web.address import called_url
from cds_service.web.trust import GUARDED
from cds_service.web.trust.keys import ClientKeys, Read, from_file
from cds_service.web.trust.tokens import ALGORITHMS, MAX_LIFE, Client, NotTrusted, bearer, judged, refuse

log = logging.getLogger(__name__)
_LIMITS = Limits(total_s=1.5, response_bytes=256 * 1024, total_bytes=256 * 1024, lines=1, threads=2)


class Once(Protocol):
    """Remembers which tokens were used, for all workers and after a restart."""

    def take(self, iss: str, jti: str, until: datetime, now: datetime) -> bool:
        """Whether this token is used for the first time; it is remembered until `until`. Raises StoreError.

        Advice does not wait for the store: while that is down, it is what this worker remembers.
        """


class Gate:
    """Judges the token of each call to a service of a site."""

    def __init__(self, site: Site, once: Once | None, public_url: str, asking: Asking = unwatched) -> None:
        """`asking` holds while keys are asked for.

        Raises SettingsError where nobody could be let in, or a token could not be told from its copy."""
        if once is None:
            raise SettingsError("CDS_JWT: required needs CDS_STORE=on: without it a token could be used again")
        if not site.issuers:
            raise SettingsError(
                f"CDS_JWT: required, but site {site.id} names no issuers, so nobody could call. Name them in the file "
                "of the site (issuers: [{iss, jwks}]); or set CDS_JWT=off where something before this service checks "
                "who calls"
            )
        self._once = once
        self._public_url = public_url
        if not public_url:
            log.warning("CDS_PUBLIC_URL: empty, so that only tokens made for a loopback address are taken")
        self._clients = {issuer.iss: _client(issuer) for issuer in site.issuers}
        fetcher = Fetcher(_LIMITS, asking=asking)
        self._keys = {issuer.iss: ClientKeys(issuer.iss, _reader(issuer, fetcher)) for issuer in site.issuers}

    def guard(self) -> None:
        """Before a request is read: a call or feedback needs a token. Raises CallError(401), always the same."""
        if request.method == "POST" and request.blueprint in GUARDED:
            self._admit()

    def _admit(self) -> None:
        base = self._public_url or called_url()
        audience = base + request.path
        try:
            # Whoever calls writes the Host header: beyond this machine, it could be that of another service.
            if not self._public_url and not is_loopback(urlsplit(base).hostname or ""):
                raise NotTrusted("the Host header names no loopback address, and CDS_PUBLIC_URL is empty")
            # Two of them may be joined by whoever stands between: which one counts is then anybody's guess.
            headers = request.headers.getlist("Authorization")
            found = bearer(headers[0] if len(headers) == 1 else None)
            now = datetime.now(UTC)
            token = judged(found, self._clients, audience, now.timestamp(), self._verify)
            if not self._once.take(token.iss, token.jti, datetime.fromtimestamp(token.until, UTC), now):
                raise NotTrusted("jti was used before")
        except StoreError as error:
            log.error("no token can be taken: %s", error)
            raise CallError(503, "transient", "The service cannot admit callers now; try again in a moment.") from None
        except NotTrusted as error:
            log.warning("not trusted: %s", error)
            refuse()
        g.token = token

    def _verify(self, token: str, iss: str, key_id: str, algorithm: str) -> bool:
        return self._keys[iss].holds(token, key_id, algorithm)


def _client(issuer: Issuer) -> Client:
    jku = issuer.jwks if "://" in issuer.jwks else ""
    return Client(issuer.iss, jku, issuer.algorithms or ALGORITHMS, issuer.max_life or MAX_LIFE)


def _reader(issuer: Issuer, fetcher: Fetcher) -> Read:
    if "://" not in issuer.jwks:
        return from_file(Path(issuer.jwks))

    def read() -> bytes:
        try:
            return fetcher.fetch(issuer.jwks)
        except NotAnswered as error:
            raise OSError(str(error)) from None

    return read
