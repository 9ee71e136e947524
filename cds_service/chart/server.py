"""Which FHIR servers a site trusts, and which URLs belong to the one that a call names.

Trust is by exact origin (scheme, host, port) and by base path. Nothing else in a URL is believed: a URL with a user
name, a query, a fragment, or characters that two parsers may read differently belongs to no server.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import SplitResult, unquote, urljoin, urlsplit

from cds_service.errors import KnowledgeError

_PORTS: Final = {"http": 80, "https": 443}
# Visible ASCII without the backslash, which browsers and servers take for a slash. 8 KB: what servers accept.
_PLAIN: Final = re.compile(r"[!-\[\]-~]{1,8192}")
_ID: Final = re.compile(r"[A-Za-z0-9\-.]{1,64}")
NOT_TRUSTED: Final = "FHIR server: not trusted by this site"


@dataclass(frozen=True, slots=True)
class Base:
    """A FHIR base URL: its origin, and its path without a slash at the end."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def origin(self) -> tuple[str, str, int]:
        """Scheme, host and port."""
        return self.scheme, self.host, self.port

    @property
    def netloc(self) -> str:
        """Host and port as the Host header has them: IPv6 in brackets, the scheme's own port left out."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    def holds(self, other: Base) -> bool:
        """Whether the other base has this origin and lies at this path or below."""
        return self.origin == other.origin and _below(other.path, self.path)


@dataclass(frozen=True, slots=True)
class Server:
    """The FHIR server of one call, and the call's access token for it. The token shows in no `repr`."""

    base: Base
    token: str = field(repr=False)

    def target(self, search: str) -> str:
        """The request target (path and query) of `Type/id` or `Type?...`, relative to the base."""
        return f"{self.base.path}/{search}"

    def page(self, link: str, here: str) -> str | None:
        """The request target of a `next` link found at target `here`; None where it leaves this server's base."""
        if not _PLAIN.fullmatch(link):
            return None
        try:
            parts = urlsplit(urljoin(f"{self.base.scheme}://{self.base.netloc}{here}", link))
        except ValueError:
            return None
        base = _base_of(parts)
        if base is None or not self.base.holds(base):
            return None
        return f"{parts.path}?{parts.query}" if parts.query else parts.path

    def own_id(self, kind: str, reference: str) -> str:
        """The id in a reference to a resource of this server, relative or with its base; "" for any other reference."""
        place, _, found = unversioned(reference).rpartition("/")
        if not _ID.fullmatch(found):
            return ""
        if place == kind:
            return found
        base = base_of(place)
        here = base is not None and (base.origin, base.path) == (self.base.origin, f"{self.base.path}/{kind}")
        return found if here else ""


def is_of_another(authorization: Mapping[str, Any], patient_id: str) -> bool:
    """Whether `fhirAuthorization` says that its token is restricted to a patient, and to another than this one: by
    a bare id, as CDS Hooks has it, or by a reference."""
    named = authorization.get("patient")
    return isinstance(named, str) and bool(named) and unversioned(named).rpartition("/")[2] != patient_id


def unversioned(reference: str) -> str:
    """A literal reference without the version that it may name."""
    return reference.partition("/_history/")[0]


def base_of(url: str) -> Base | None:
    """The base that an http or https URL names; None where it is no plain one."""
    try:
        parts = urlsplit(url) if _PLAIN.fullmatch(url) else None
    except ValueError:
        parts = None
    # urlsplit loses the difference between no query and an empty one.
    if parts is None or "?" in url or "#" in url:
        return None
    return _base_of(parts)


def _base_of(parts: SplitResult) -> Base | None:
    """The base with the path of `parts`, query and fragment left out of account."""
    try:
        scheme, host, port = parts.scheme, parts.hostname, parts.port
    except ValueError:
        return None
    if scheme not in _PORTS or not host or "@" in parts.netloc or port == 0:
        return None
    # Paths are compared as text, so a path that could climb is none of ours. Twice: %252e is a dot to some servers.
    # What follows a semicolon is a parameter of the piece to some servers: "..;" climbs there.
    pieces = re.split(r"[/\\]", unquote(unquote(parts.path)))
    if any(piece.partition(";")[0] in (".", "..") for piece in pieces):
        return None
    return Base(scheme, host, port or _PORTS[scheme], parts.path.rstrip("/"))


def _below(path: str, base: str) -> bool:
    return path == base or path.startswith(f"{base}/")


class TrustedServers:
    """The `fhirServers` of a site, or what else it names as servers under another key."""

    def __init__(self, site: str, urls: Iterable[str], key: str = "fhirServers") -> None:
        """Raises KnowledgeError for an entry that is no plain http or https URL."""
        found = {url: base_of(url) for url in urls}
        if wrong := [url for url, base in found.items() if base is None]:
            expected = "expected http(s)://host[:port][/path] without user, query or fragment"
            raise KnowledgeError(f"site {site}: {key}: {', '.join(wrong)}: {expected}")
        self._bases = tuple(base for base in found.values() if base is not None)

    def base(self, url: str) -> Base | None:
        """What a URL names, where that is one of these servers or lies below it; else None."""
        base = base_of(url)
        return base if base is not None and any(trusted.holds(base) for trusted in self._bases) else None

    def server(self, url: str | None, authorization: Mapping[str, Any] | None) -> Server | str | None:
        """The server that a call offers; why it cannot be used; None where the call offers none.

        `authorization` is the call's `fhirAuthorization`; only a Bearer token that has not expired is used.
        """
        if not url or authorization is None:
            return None
        base = self.base(url)
        if base is None:
            return NOT_TRUSTED
        kind, token, lifetime = (authorization.get(name) for name in ("token_type", "access_token", "expires_in"))
        if not isinstance(kind, str) or kind.lower() != "bearer":
            return "FHIR server: token_type is not Bearer"
        if not isinstance(token, str) or not token:
            return "FHIR server: no access token"
        if isinstance(lifetime, int | float) and lifetime <= 0:
            return "FHIR server: access token expired"
        return Server(base, token)
