"""The store on SQLite and on PostgreSQL: each test runs on both."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cds_service.store.place import Place
from tests.support.postgresql import any_server

_NUMBERS = itertools.count()
_START_SECONDS = 30


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """The URL of a running server, with {} for the name of a database."""
    with any_server() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """An empty store, with no tables yet."""
    if request.param == "sqlite":
        return Place(tmp_path / "data")
    import psycopg

    url = request.getfixturevalue("postgresql")
    name, until = f"store{next(_NUMBERS)}", time.monotonic() + _START_SECONDS
    while True:
        try:
            with psycopg.connect(url.format("postgres"), autocommit=True) as connection:
                connection.execute(f"CREATE DATABASE {name}".encode())
            return Place(tmp_path / "data", url.format(name))
        except psycopg.OperationalError:  # it is still starting
            if time.monotonic() > until:
                raise
            time.sleep(0.05)
