"""SMART App Launch 2, EHR launch: what is asked of an authorization server, and what of its answers is believed.

Nothing here opens a connection, reads a clock or knows Flask. What goes wrong is `NotLaunched`, in constant words.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote, urlencode

import msgspec
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

from cds_service.chart.server import Base, TrustedServers, base_of
from cds_service.chart.visit import Form
from cds_service.errors import CdsError
from cds_service.knowledge.sites import is_loopback

MOST_SECONDS: Final = 600
"""From a launch to its callback: time enough to sign in."""
CONFIGURATION: Final = "/.well-known/smart-configuration"
_LONGEST: Final = 4096
_TOKEN: Final = re.compile(r"[!-~]{1,16384}")
_CODE: Final = re.compile(r"[ -~]{1,4096}")  # RFC 6749, appendix A.11
_STATE: Final = re.compile(r"[A-Za-z0-9_-]{43}")
_ID: Final = re.compile(r"(?!\.+\Z)[A-Za-z0-9\-.]{1,64}")  # dots alone are an id, and in a path they climb
_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
AGAIN: Final = "Open this page again from the patient's chart."


class NotLaunched(CdsError):
    """The page cannot be shown; `str()` says why and what to do, in words that hold nothing of a request."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where the authorization server of a FHIR server is, and whether it knows the scopes of SMART 2 (`.rs`)."""

    authorize: str
    token: str
    scopes_2: bool


@dataclass(frozen=True, slots=True)
class Pending:
    """A launch whose user is away to sign in: at which FHIR server (`iss`), and where its code is good for a token."""

    state: str
    iss: str
    token: str


@dataclass(frozen=True, slots=True)
class Launched:
    """What an authorization server gave for a code. The access token shows in no `repr`."""

    patient_id: str
    encounter_id: str | None
    app_context: str
    seconds: int
    access_token: str = field(repr=False)

    @property
    def authorization(self) -> dict[str, Any]:
        """As a call of CDS Hooks would bring it."""
        return {"token_type": "Bearer", "access_token": self.access_token, "expires_in": self.seconds}


class Secrets:
    """What only this service can make: PKCE verifiers and the seal of pending launches. `key` is one of all workers."""

    def __init__(self, key: bytes) -> None:
        self._verifiers = hmac.digest(key, b"smart verifier", "sha256")
        self._seal = OctKey.import_key(hmac.digest(key, b"smart launch", "sha256"))

    def verifier(self, state: str) -> str:
        """The PKCE verifier of a launch (RFC 7636): it is never kept, and never leaves but for the token."""
        return _base64(hmac.digest(self._verifiers, state.encode(), "sha256"))

    def sealed(self, pending: Pending, now: float) -> str:
        """A pending launch as its browser keeps it; `now` in seconds since 1970."""
        claims = {"sub": pending.state, "iss": pending.iss, "token": pending.token, "exp": int(now) + MOST_SECONDS}
        return jwt.encode({"alg": "HS256"}, claims, self._seal, algorithms=["HS256"])

    def opened(self, cookie: str, state: str, now: float) -> Pending:
        """The launch that a browser began, where this is its state. Raises NotLaunched."""
        if not _STATE.fullmatch(state) or not cookie:
            raise NotLaunched(400, f"This browser began no such launch. {AGAIN}")
        try:
            claims = jwt.decode(cookie, self._seal, algorithms=["HS256"]).claims
        except (JoseError, ValueError):
            raise NotLaunched(400, f"This browser began no such launch. {AGAIN}") from None
        if not hmac.compare_digest(claims["sub"], state):
            raise NotLaunched(400, f"This browser began no such launch. {AGAIN}")
        if now >= claims["exp"]:
            raise NotLaunched(400, f"Signing in took too long. {AGAIN}")
        return Pending(claims["sub"], claims["iss"], claims["token"])


def new_state() -> str:
    """What nobody can guess, and a callback must bring back."""
    return secrets.token_urlsafe(32)


def cookie_name(state: str) -> str:
    """Each launch has its own cookie, so that two at once do not disturb each other."""
    return f"smart-{hashlib.sha256(state.encode()).hexdigest()[:16]}"


def trusted(iss: str, servers: TrustedServers) -> Base:
    """The FHIR server that a launch names, where the site trusts it. Raises NotLaunched; nothing is asked before."""
    base = servers.base(iss)
    if base is None or not _is_safe(base):
        raise NotLaunched(400, "This was opened for a FHIR server that this site does not trust.")
    return base


def endpoints(content: bytes, fhir: Base, others: TrustedServers) -> Endpoints:
    """What a FHIR server says of its authorization server, which stands at its own origin or is one of the site's
    `others`. Raises NotLaunched."""
    told = _object(content)
    if "S256" not in _texts(told, "code_challenge_methods_supported"):
        raise NotLaunched(502, "The authorization server of this EHR does not offer PKCE with S256.")
    found = [told.get(name) for name in ("authorization_endpoint", "token_endpoint")]
    for url in found:
        if not isinstance(url, str) or not _is_one_of(url, fhir, others):
            raise NotLaunched(502, "This EHR names an authorization server that this site does not trust.")
    scopes_2 = "permission-v2" in _texts(told, "capabilities")
    return Endpoints(str(found[0]), str(found[1]), scopes_2)


def authorization_url(
    where: Endpoints, *, client_id: str, redirect: str, iss: str, launch: str, scope: str, state: str, verifier: str
) -> str:
    """Where the browser is sent to sign in."""
    asked = {
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": redirect,
        "launch": launch,
        "scope": scope,
        "state": state,
        "aud": iss,
        "code_challenge": _base64(hashlib.sha256(verifier.encode()).digest()),
        "code_challenge_method": "S256",
    }
    return f"{where.authorize}?{urlencode(asked)}"


def scopes(resources: Iterable[str], *, scopes_2: bool) -> str:
    """The launch, and leave to read these types of resource of its patient."""
    ending = "rs" if scopes_2 else "read"
    return " ".join(("launch", *(f"patient/{each}.{ending}" for each in dict.fromkeys(resources))))


def is_launch(launch: str) -> bool:
    """Whether an EHR's name of a launch is one that can be sent on."""
    return 0 < len(launch) <= _LONGEST and launch.isprintable()


def code_form(code: str, redirect: str, verifier: str, client_id: str, secret: str) -> Form:
    """What a code is sent with, to be given a token. Raises NotLaunched."""
    if not _CODE.fullmatch(code):
        raise NotLaunched(400, f"The EHR sent no code. {AGAIN}")
    asked = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": redirect,
        "code_verifier": verifier,
        "client_id": client_id,
    }
    if not secret:
        return Form(urlencode(asked).encode())
    told = f"{quote(client_id, safe='')}:{quote(secret, safe='')}"  # RFC 6749, section 2.3.1
    return Form(urlencode(asked).encode(), f"Basic {base64.b64encode(told.encode()).decode()}")


def launched(content: bytes) -> Launched:
    """What a token response says. Raises NotLaunched."""
    told = _object(content)
    token, kind = told.get("access_token"), told.get("token_type")
    usable = isinstance(token, str) and _TOKEN.fullmatch(token)
    if not usable or not isinstance(kind, str) or kind.lower() != "bearer":
        raise NotLaunched(502, f"The authorization server gave no token that can be used. {AGAIN}")
    seconds = told.get("expires_in", 1)
    if isinstance(seconds, bool) or not isinstance(seconds, int) or seconds <= 0:
        raise NotLaunched(502, f"The authorization server gave a token that has ended. {AGAIN}")
    patient, encounter, context = (told.get(name) for name in ("patient", "encounter", "appContext"))
    if not isinstance(patient, str) or not _ID.fullmatch(patient):
        raise NotLaunched(400, f"The EHR named no patient. {AGAIN}")
    return Launched(
        patient_id=patient,
        encounter_id=encounter if isinstance(encounter, str) and _ID.fullmatch(encounter) else None,
        app_context=context.lower() if isinstance(context, str) and _UUID.fullmatch(context) else "",
        seconds=seconds,
        access_token=str(token),
    )


def _is_one_of(url: str, fhir: Base, others: TrustedServers) -> bool:
    place = base_of(url)
    own = place is not None and place.origin == fhir.origin
    return place is not None and _is_safe(place) and (own or others.base(url) is not None)


def _is_safe(base: Base) -> bool:
    """Whether a token may travel there."""
    return base.scheme == "https" or is_loopback(base.host)


def _object(content: bytes) -> Mapping[str, Any]:
    try:
        found = msgspec.json.decode(content)
    except (msgspec.DecodeError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise NotLaunched(502, f"An answer of the EHR could not be read. {AGAIN}")
    return found


def _texts(told: Mapping[str, Any], name: str) -> list[Any]:
    found = told.get(name)
    return found if isinstance(found, list) else []


def _base64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
