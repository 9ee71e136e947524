"""The tokens that one process took: while the store is down, they are all that tells a token from its copy."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import datetime
from threading import Lock
from typing import Final

from cds_service.errors import StoreError

_MOST: Final = 50_000
"""Tokens that one process remembers: as many as it answers calls in some minutes."""


def named(iss: str, jti: str) -> str:
    """What a token is remembered as."""
    # The length keeps two pairs apart that read the same one after the other. JSON can hold half a surrogate pair.
    return hashlib.sha256(f"{len(iss)}:{iss}{jti}".encode(errors="surrogatepass")).hexdigest()


class Taken:
    """Safe to use from several threads."""

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._until: dict[str, datetime] = {}
        self._owed: dict[str, datetime] = {}
        self._lock = Lock()

    def take(self, token: str, until: datetime, now: datetime, *, alone: bool) -> bool:
        """Whether this process sees it for the first time. `alone`: nobody else tells; then StoreError is raised where
        no more can be remembered."""
        with self._lock:
            if token in self._until:
                return False
            if len(self._until) >= self._most:
                self._until = {each: end for each, end in self._until.items() if end >= now}
            if len(self._until) >= self._most:
                if alone:
                    raise StoreError("more tokens are in use than a process remembers")
                del self._until[next(iter(self._until))]
            self._until[token] = until
            return True

    def owe(self, token: str, until: datetime) -> None:
        """The store is still to know it."""
        with self._lock:
            self._owed[token] = until

    def owed(self) -> Mapping[str, datetime]:
        """Those that the store is still to know, with their ends."""
        with self._lock:
            return dict(self._owed)

    def pay(self, tokens: Iterable[str]) -> None:
        """The store knows these."""
        with self._lock:
            for token in tokens:
                self._owed.pop(token, None)


class Alone:
    """What a process without a store remembers of tokens: all that there is to tell one from its copy."""

    def __init__(self) -> None:
        self._taken = Taken()

    def take(self, iss: str, jti: str, until: datetime, now: datetime) -> bool:
        """Whether this process sees it for the first time. Raises StoreError where no more can be remembered."""
        return self._taken.take(named(iss, jti), until, now, alone=True)
