"""The store as commands open it: that of the service, by the same settings."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

import click

from cds_service import settings
from cds_service.errors import StoreError
from cds_service.store.database import Database
from cds_service.store.keys import Keys, load
from cds_service.store.place import Place, place

_Command = TypeVar("_Command", bound=Callable[..., Any])
_FORMS: Final = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%SZ"]


@contextmanager
def opened(*, make: bool = False) -> Iterator[Database]:
    """The store of the environment's settings. Raises StoreError where there is none, unless it may be made, and when
    it is asked and cannot answer."""
    chosen = settings.from_environ(os.environ)
    where = place(chosen.data, chosen.database_url)
    if where.sqlite and not where.file.exists() and not make:
        raise StoreError(f"{where.file}: no store is there; CDS_DATA names its folder, CDS_DATABASE_URL its database")
    database = Database(where)
    try:
        yield database
    finally:
        database.close()


def keys_of(where: Place) -> Keys:
    """The key of the store's records: none is made. Raises StoreError."""
    return load(where, settings.from_environ(os.environ).audit_key, make=False)


def between_options(command: _Command) -> _Command:
    """`--since` and `--until`, handed in as `since` and `until`."""
    since = click.option("--since", type=click.DateTime(_FORMS), callback=_utc, help="From this time on (UTC).")
    until = click.option("--until", type=click.DateTime(_FORMS), callback=_utc, help="Before this time (UTC).")
    return since(until(command))


def _utc(context: click.Context, option: click.Parameter, value: datetime | None) -> datetime | None:
    return value.replace(tzinfo=UTC) if value else None
