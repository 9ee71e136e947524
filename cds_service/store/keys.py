"""The key of the store: what patients are called in it, and what seals its records. It never stands in the database."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Final

from cds_service.errors import StoreError
from cds_service.store.place import Place

_FILE: Final = "store.key"
SHORTEST: Final = 32
"""Characters of a key."""


class Keys:
    """One secret, from which each use has a key of its own."""

    def __init__(self, secret: str) -> None:
        self._names, self._seal, digest = (_key(secret, use) for use in ("names", "seal", "fingerprint"))
        self.fingerprint = digest.hex()[:16]
        """Tells whether records were sealed with this key, and nothing else of it."""

    def name(self, kind: str, text: str) -> str:
        """What stands for a text that must not be kept, such as a patient's id; the same text is the same name."""
        return _key(self._names, f"{kind} {text}").hex()[:32]

    def seal(self, previous: str, seq: int, record: str) -> str:
        """What only the holder of the key can make of a record in its place after another."""
        return _key(self._seal, f"{previous}\n{seq}\n{record}").hex()


def load(place: Place, secret: str, *, make: bool = True) -> Keys:
    """The key that the settings give, else that of the folder, which may be made, once. Raises StoreError."""
    if secret:
        return Keys(secret)
    try:
        file = (place.made() if make else place.folder) / _FILE
        if make and not file.exists():
            _make(file)
        found = file.read_text(encoding="ascii").strip()
    except (OSError, ValueError) as error:
        raise StoreError(f"{place.folder / _FILE}: {type(error).__name__}") from error
    if len(found) < SHORTEST:
        raise StoreError(f"{file}: expected at least {SHORTEST} characters")
    return Keys(found)


def _make(file: Path) -> None:
    """Whole or not at all, and by one of several processes that begin at once."""
    draft = file.with_name(f"{_FILE}.{secrets.token_hex(8)}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
        out.write(secrets.token_hex(32) + "\n")
        out.flush()
        os.fsync(out.fileno())
    with suppress(FileExistsError):
        file.hardlink_to(draft)
    draft.unlink()


def _key(secret: str | bytes, text: str) -> bytes:
    key = secret.encode() if isinstance(secret, str) else secret
    return hmac.new(key, text.encode(), hashlib.sha256).digest()
