"""Reads and judges the token of a call (CDS Hooks, "Trusting CDS clients"): a JWT that the client signed for one URL.

Nothing of a token is believed before its signature holds, but its issuer and the name of its key, which are looked up
in the site's own list. The algorithm is that of our list; a key or a URL in the token is never used.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NoReturn

import msgspec

from cds_service.errors import CallError
from cds_service.web.strict_json import parse

ALGORITHMS: Final = ("ES384", "RS384")
"""What CDS Hooks recommends; a site may name ES256 and RS256 for a client that has no other."""
LEEWAY: Final = 30.0
"""Seconds that clocks may differ."""
MAX_LIFE: Final = 300
"""Seconds between `iat` and `exp`, unless the site allows an issuer more."""
_LONGEST: Final = 8 * 1024
_LONGEST_NAME: Final = 512
_COMPACT: Final = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.[A-Za-z0-9_-]+")
_BEARER: Final = re.compile(r"bearer +(\S+)", re.IGNORECASE)


class NotTrusted(Exception):
    """A token that does not admit its bearer; `str()` says why in constant words, for our log alone."""


@dataclass(frozen=True, slots=True)
class Client:
    """A CDS client that the site trusts. `jku` is the one address of its keys; "" where a file holds them."""

    iss: str
    jku: str
    algorithms: tuple[str, ...] = ALGORITHMS
    max_life: int = MAX_LIFE


@dataclass(frozen=True, slots=True)
class Token:
    """A token whose signature and claims hold. `until`: when it ends for us, in seconds since 1970."""

    iss: str
    jti: str
    until: float
    tenant: str = ""


# Whether a signature holds: (token, issuer, key id, algorithm).
Verify = Callable[[str, str, str, str], bool]


def refuse() -> NoReturn:
    """The one refusal, whatever was wrong: it tells nobody what to try next."""
    raise CallError(401, "login", "Authorization: expected a valid token of a client that this service trusts")


def bearer(header: str | None) -> str:
    """The token of an Authorization header. Raises NotTrusted."""
    found = _BEARER.fullmatch(header or "")
    if found is None or len(found[1]) > _LONGEST:
        raise NotTrusted("no bearer token")
    return found[1]


def judged(token: str, clients: Mapping[str, Client], audience: str, now: float, verify: Verify) -> Token:
    """The token, where `clients` has its issuer, its signature holds, and it is meant for `audience` now.

    `now` in seconds since 1970. Raises NotTrusted.
    """
    parts = _COMPACT.fullmatch(token)
    if parts is None:
        raise NotTrusted("not a signed token in compact form")
    header, claims = _object(parts[1], "header"), _object(parts[2], "claims")
    client = clients.get(_text(claims, "iss"))
    if client is None:
        raise NotTrusted("iss is not one of the site's issuers")
    algorithm, key_id = _header(header, client)
    if not verify(token, client.iss, key_id, algorithm):
        raise NotTrusted("no such key, or the signature does not hold")
    return _claims(claims, client, audience, now)


def decoded(encoded: str) -> bytes:
    """The bytes of base64url without padding (RFC 7515, section 2). Raises ValueError."""
    return base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))


def _header(header: Mapping[str, Any], client: Client) -> tuple[str, str]:
    algorithm = next((known for known in client.algorithms if known == header.get("alg")), "")
    if not algorithm:
        raise NotTrusted("alg is not one that this issuer may use")
    if _text(header, "typ").upper() != "JWT":
        raise NotTrusted("typ is not JWT")
    # What a token says must be understood, or changes how it is read, is not understood here.
    if "crit" in header or "b64" in header:
        raise NotTrusted("an extension of the header")
    if client.jku and header.get("jku", client.jku) != client.jku:
        raise NotTrusted("jku is not the issuer's")
    return algorithm, _text(header, "kid")


def _claims(claims: Mapping[str, Any], client: Client, audience: str, now: float) -> Token:
    meant = claims.get("aud")
    if audience not in (meant if isinstance(meant, list) else [meant]):
        raise NotTrusted("aud is not the address that was called")
    issued, ends = _moment(claims, "iat"), _moment(claims, "exp")
    if not issued - LEEWAY <= now < ends + LEEWAY or ends <= issued:
        raise NotTrusted("not yet, or no longer, valid")
    if "nbf" in claims and now < _moment(claims, "nbf") - LEEWAY:
        raise NotTrusted("not yet valid")
    if ends - issued > client.max_life:
        raise NotTrusted("lives longer than this issuer's tokens may")
    tenant = claims.get("tenant", "")
    told = tenant if isinstance(tenant, str) and tenant.isprintable() and len(tenant) <= _LONGEST_NAME else ""
    return Token(client.iss, _text(claims, "jti"), ends + LEEWAY, told)


def _object(encoded: str, what: str) -> dict[str, Any]:
    try:
        found = parse(msgspec.Raw(decoded(encoded)), what)
    except (ValueError, CallError):
        found = None
    if not isinstance(found, dict):
        raise NotTrusted(f"the {what} cannot be read")
    return found


def _text(members: Mapping[str, Any], name: str) -> str:
    value = members.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= _LONGEST_NAME:
        raise NotTrusted(f"{name} is missing, or no text")
    return value


def _moment(claims: Mapping[str, Any], name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e11:
        raise NotTrusted(f"{name} is missing, or no time")
    return float(value)
