"""The public keys of one CDS client: from a file, or from the one address that the site names for it.

Read again after a while, and where a token names a key that is not among them, but never more often than once a minute:
whoever invents names of keys makes no traffic.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

from cds_service.web.trust.tokens import decoded

log = logging.getLogger(__name__)

FRESH_SECONDS: Final = 300.0
"""How long keys are used before they are read again: a key that its owner withdrew is refused after that."""
BETWEEN_SECONDS: Final = 60.0
"""The least time between two reads for one client."""
_CURVES: Final = {"ES384": "P-384", "ES256": "P-256"}
_LEAST_RSA_BITS: Final = 2048
# Of a key that its owner published whole by mistake, the private half is not even looked at.
_PUBLIC: Final = {"EC": ("kty", "crv", "x", "y"), "RSA": ("kty", "n", "e")}

Read = Callable[[], bytes]
Jwk = Mapping[str, Any]


class ClientKeys:
    """Safe to use from several threads. `read` gives the key set as JSON, or raises OSError."""

    def __init__(self, iss: str, read: Read, clock: Callable[[], float] = time.monotonic) -> None:
        self._iss = iss
        self._read = read
        self._clock = clock
        self._lock = threading.Lock()
        self._keys: Mapping[str, Jwk] = {}
        self._asked = self._got = -float("inf")

    def holds(self, token: str, key_id: str, algorithm: str) -> bool:
        """Whether a token in compact form is signed with the key of that name, by that algorithm."""
        key = _usable(self._find(key_id), algorithm)
        if key is None:
            return False
        try:
            jws.deserialize_compact(token, key, algorithms=[algorithm])
        except (JoseError, ValueError):
            return False
        return True

    def _find(self, key_id: str) -> Jwk | None:
        now = self._clock()
        with self._lock:
            stale = now - self._got >= FRESH_SECONDS
            if (stale or key_id not in self._keys) and now - self._asked >= BETWEEN_SECONDS:
                self._asked = now
                self._renew(now)
            # Keys that could not be read again are not used for ever.
            return self._keys.get(key_id) if now - self._got < FRESH_SECONDS + BETWEEN_SECONDS else None

    def _renew(self, now: float) -> None:
        try:
            self._keys = _named(self._read())
            self._got = now
        except (OSError, ValueError) as error:
            log.error("keys of issuer %r: not read (%s)", self._iss, type(error).__name__)


def from_file(path: Path) -> Read:
    """Reads the key set of a file."""
    return path.read_bytes


def _named(content: bytes) -> Mapping[str, Jwk]:
    """The keys of a set by their names; a name that two keys have names neither. Raises ValueError."""
    found = msgspec.json.decode(content)
    if not isinstance(found, dict) or not isinstance(found.get("keys"), list):
        raise ValueError("no key set")
    keys = [key for key in found["keys"] if isinstance(key, dict) and isinstance(key.get("kid"), str)]
    names = Counter(key["kid"] for key in keys)
    return {key["kid"]: key for key in keys if names[key["kid"]] == 1}


def _usable(key: Jwk | None, algorithm: str) -> ECKey | RSAKey | None:
    """The key, where it is one for this algorithm and for signatures, and strong enough."""
    if key is None or key.get("use", "sig") != "sig" or key.get("alg", algorithm) != algorithm:
        return None
    uses = key.get("key_ops", ["verify"])
    if not isinstance(uses, list) or "verify" not in uses:
        return None
    kind = "EC" if algorithm in _CURVES else "RSA"
    if key.get("kty") != kind or (kind == "EC" and key.get("crv") != _CURVES[algorithm]):
        return None
    public = {name: key.get(name, "") for name in _PUBLIC[kind]}
    try:
        if kind == "EC":
            return ECKey.import_key(public)
        return RSAKey.import_key(public) if _number(public["n"]).bit_length() >= _LEAST_RSA_BITS else None
    except (JoseError, ValueError, TypeError):
        return None


def _number(encoded: str) -> int:
    """An unsigned integer as key sets write it (RFC 7518, section 2)."""
    return int.from_bytes(decoded(encoded))
