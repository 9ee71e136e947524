"""The connection to the store: SQLite that never loses what it acknowledged, or PostgreSQL; and its migrations."""

from __future__ import annotations

import fcntl
import logging
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Lock
from typing import Any, Final

from sqlalchemy import Connection, Engine, Table, create_engine, event, inspect, pool, select, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError

from cds_service.errors import StoreError
from cds_service.store.place import Place
from cds_service.store.tables import HEAD, metadata

_WAIT_SECONDS: Final = 2
"""How long a write waits for another one, and a connection for the server. Then the store counts as down."""
_MIGRATING: Final = Lock()  # what Alembic works on is one thing of the whole process
_MIGRATIONS: Final = Path(__file__).parent / "migrations"


class Database:
    """Safe to use from several threads; made after the fork, for connections must not be shared by processes."""

    def __init__(self, place: Place) -> None:
        """Connects when first used."""
        self.place = place
        self._engine = _sqlite(place) if place.sqlite else _postgresql(place)
        self._checked = False

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection that sees one state of the store. Raises StoreError."""
        # SQLite reads so anyhow.
        level: Any = {} if self.place.sqlite else {"isolation_level": "REPEATABLE READ"}
        with self._set_up(), self._engine.connect().execution_options(**level) as connection, connection.begin():
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A connection whose changes are all kept, on disk, when this ends without an error. Raises StoreError."""
        with self._set_up(), _begun(self._engine) as connection:
            yield connection

    def close(self) -> None:
        """End the connections that are kept open."""
        self._engine.dispose()

    def upgrade(self) -> tuple[str, str]:
        """Bring the tables to what this version needs: (version before, version after). Raises StoreError."""
        with _told(self.place), _alone(self.place):
            with self._engine.connect() as connection, connection.begin():
                before = _version(connection)
            if before != HEAD:
                with _begun(self._engine) as connection:
                    _migrate(connection)
            return before, HEAD

    @contextmanager
    def _set_up(self) -> Iterator[None]:
        """With tables that are as they should be; after a failure that is looked at again, for a file may be gone."""
        try:
            with _told(self.place):
                self._check()
                yield
        except StoreError:
            self._checked = False
            raise

    def _check(self) -> None:
        """An SQLite file is set up by whoever uses it first; a server's tables are changed by its owner only."""
        if self._checked:
            return
        if self.place.sqlite:
            self.upgrade()
        else:
            with self._engine.connect() as connection:
                found = _version(connection)
            if found != HEAD:
                raise StoreError(
                    f"{self.place.shown}: its tables are of version {found or 'none'}, expected {HEAD}; "
                    "run: anakinra-cds db upgrade"
                )
        self._checked = True


@contextmanager
def _told(place: Place) -> Iterator[None]:
    """What keeps the store from answering, as one error. What is wrong with a statement itself is not among it."""
    try:
        yield
    except (IntegrityError, StoreError):
        raise
    except (DBAPIError, sqlite3.Error, OSError) as error:
        raise StoreError(f"{place.shown}: {_reason(error)}") from error
    except SQLAlchemyError as error:  # such as no free connection
        raise StoreError(f"{place.shown}: {type(error).__name__}") from error


def _reason(error: DBAPIError | sqlite3.Error | OSError) -> str:
    """Without the message: a server's may quote a row."""
    cause = getattr(error, "orig", None) or error
    code = getattr(cause, "sqlite_errorname", None) or getattr(cause, "sqlstate", None) or getattr(cause, "errno", None)
    return type(cause).__name__ + (f" {code}" if code else "")


@contextmanager
def _alone(place: Place) -> Iterator[None]:
    """While no other process sets up the same file: a change to WAL waits for nobody, and fails."""
    if not place.sqlite:
        yield
        return
    with place.made().joinpath("store.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        journal = sqlite3.connect(place.file, timeout=_WAIT_SECONDS)
        with closing(journal):
            journal.execute("PRAGMA journal_mode = WAL")
        yield


@contextmanager
def _begun(engine: Engine) -> Iterator[Connection]:
    """A transaction that may write. SQLite takes its lock at once: one that asks for it later may only fail."""
    with engine.connect().execution_options(writes=True) as connection, connection.begin():
        if engine.dialect.name == "postgresql":
            connection.execute(text(f"SET LOCAL lock_timeout = '{_WAIT_SECONDS}s'"))
            connection.execute(text(f"SET LOCAL statement_timeout = '{2 * _WAIT_SECONDS}s'"))
        yield connection


def _sqlite(place: Place) -> Engine:
    """No connection is kept: one costs less than a millisecond, and a file that was replaced is noticed."""
    engine = create_engine(f"sqlite:///{place.file}", poolclass=pool.NullPool, connect_args={"timeout": _WAIT_SECONDS})

    @event.listens_for(engine, "connect")
    def configure(connection: sqlite3.Connection, _: Any) -> None:
        connection.isolation_level = None  # transactions are begun below, not by the driver
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("writes")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _postgresql(place: Place) -> Engine:
    url = make_url(place.url).set(drivername="postgresql+psycopg")
    limits = {"connect_timeout": _WAIT_SECONDS, "tcp_user_timeout": 1000 * 2 * _WAIT_SECONDS}
    return create_engine(
        url, pool_pre_ping=True, pool_timeout=_WAIT_SECONDS, pool_size=2, max_overflow=8, connect_args=limits
    )


def glance(connection: Connection) -> None:
    """Read the first and the last row of each table, so that a file that is damaged is noticed before it is needed."""
    for table in metadata.sorted_tables:
        key = next(iter(table.primary_key))
        for order in (key, key.desc()):
            connection.execute(select(table).order_by(order).limit(1)).all()


def inserting(connection: Connection) -> Callable[[Table], sqlite.Insert]:
    """`insert` with `on_conflict...`, which both databases have in the same words."""
    # The two classes are declared apart, and take the same calls.
    return sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert  # type: ignore[return-value]


def _version(connection: Connection) -> str:
    """The migration that the tables are of; empty where there are none."""
    if not inspect(connection).has_table("alembic_version"):
        return ""
    return str(connection.scalar(text("SELECT version_num FROM alembic_version")) or "")


def _migrate(connection: Connection) -> None:
    logging.getLogger("alembic").setLevel(logging.WARNING)  # each step is no news to whoever reads the service's log
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    with _MIGRATING:
        try:
            command.upgrade(config, "head")
        except CommandError as error:  # of a version that came after this one
            raise StoreError(f"its tables are not of a version that this service knows, which needs {HEAD}") from error
