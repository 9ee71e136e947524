"""Where the store is: a PostgreSQL database by its URL, else an SQLite file in the folder of data."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

_POSTGRESQL: Final = ("postgresql://", "postgres://")
_FILE: Final = "store.sqlite"


@dataclass(frozen=True, slots=True)
class Place:
    """`folder` is made when first used. `url` is empty for SQLite; it may hold a password, so it is never shown."""

    folder: Path
    url: str = field(default="", repr=False)

    @property
    def sqlite(self) -> bool:
        """Whether it is a file of this machine, which the service sets up by itself."""
        return not self.url

    @property
    def file(self) -> Path:
        """The SQLite file."""
        return self.folder / _FILE

    def made(self) -> Path:
        """The folder, with the SQLite file in it where that is the store. Raises OSError.

        Both are nobody else's to read; what SQLite lays beside the file follows suit.
        """
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self.sqlite and not self.file.exists():
            _empty(self.file)
        return self.folder

    @property
    def shown(self) -> str:
        """For messages."""
        return str(self.file) if self.sqlite else "the database of CDS_DATABASE_URL"


def _empty(file: Path) -> None:
    """An empty file that nobody of this process ever opens under its name.

    A process that closes a file gives up all its locks on it (fcntl), also those that SQLite holds in another thread:
    then another process takes the log that is still written for finished, and what is committed to it is lost.
    """
    draft = file.with_name(f"{file.name}.{secrets.token_hex(8)}")
    os.close(os.open(draft, os.O_RDONLY | os.O_CREAT | os.O_EXCL, 0o600))
    with suppress(FileExistsError):
        file.hardlink_to(draft)
    draft.unlink()


def place(folder: Path | None, url: str) -> Place:
    """As the settings say; without a folder, the one in which programs of this user keep their state."""
    return Place(folder or _state(), url)


def _state() -> Path:
    """The XDG base directory specification names it; a service manager sets it."""
    home = os.environ.get("XDG_STATE_HOME", "")
    return (Path(home) if os.path.isabs(home) else Path.home() / ".local" / "state") / "anakinra-cds"  # noqa: PTH117


def database_url(text: str) -> str:
    """A PostgreSQL URL, or the empty text. Raises ValueError saying what was expected."""
    if text and not text.startswith(_POSTGRESQL):
        raise ValueError("a URL such as postgresql://user:password@host:5432/name, or nothing for SQLite in CDS_DATA")
    return text
