"""The tables: brought to the newest version, once, whoever comes first; and what keeps the store from answering."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import func, select, text

from cds_service.errors import StoreError
from cds_service.store import database
from cds_service.store.database import Database
from cds_service.store.keys import load
from cds_service.store.place import Place
from cds_service.store.tables import HEAD, card, metadata


@pytest.fixture
def opened(place: Place) -> Database:
    return Database(place)


def test_the_migrations_lead_to_the_tables(opened: Database) -> None:
    assert opened.upgrade() == ("", HEAD)
    assert opened.upgrade() == (HEAD, HEAD)
    with opened.reading() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    opened.close()


def test_the_newest_migration_is_the_version_that_is_asked_for() -> None:
    folder = Path(database.__file__).parent / "migrations"
    assert ScriptDirectory(str(folder)).get_current_head() == HEAD


def test_a_file_is_set_up_by_itself_and_a_server_by_its_owner(opened: Database) -> None:
    if not opened.place.sqlite:
        with (
            pytest.raises(StoreError, match=r"version none, expected .*run: anakinra-cds db upgrade"),
            opened.reading(),
        ):
            pass
        opened.upgrade()
    with opened.reading() as connection:
        assert connection.scalar(select(func.count()).select_from(card)) == 0
    opened.close()


def test_a_file_loses_nothing_that_was_acknowledged_and_is_nobody_elses(tmp_path: Path) -> None:
    place = Place(tmp_path / "a" / "b")
    with Database(place).writing() as connection:
        assert connection.scalar(text("PRAGMA journal_mode")) == "wal"
        assert connection.scalar(text("PRAGMA synchronous")) == 2  # FULL
    assert place.file.stat().st_mode & 0o077 == place.folder.stat().st_mode & 0o077 == 0


def test_locks_of_the_file_are_never_given_up_by_looking_at_it(tmp_path: Path) -> None:
    """A process that closes a file gives up its locks on it: what it wrote meanwhile was lost to the others."""
    place = Place(tmp_path)
    other = "\n".join([
        "import sqlite3, sys",
        "connection = sqlite3.connect(sys.argv[1], timeout=0)",
        "connection.execute('PRAGMA locking_mode = EXCLUSIVE')",
        "connection.execute('PRAGMA journal_mode = DELETE')",  # nobody else may have it open
    ])  # fmt: skip
    with Database(place).writing() as connection:
        connection.execute(select(card))
        place.made()
        load(place, "")
        Database(place).upgrade()
        alone = subprocess.run(
            [sys.executable, "-c", other, str(place.file)], capture_output=True, text=True, check=False
        )
        assert "database is locked" in alone.stderr


def test_several_processes_may_set_up_the_same_file_at_once(tmp_path: Path) -> None:
    program = "\n".join([
        "import sys; from pathlib import Path",
        "from cds_service.store.database import Database; from cds_service.store.place import Place",
        "with Database(Place(Path(sys.argv[1]))).writing(): pass",
    ])  # fmt: skip
    together = [subprocess.Popen([sys.executable, "-c", program, str(tmp_path)]) for _ in range(4)]
    assert [each.wait(60) for each in together] == [0, 0, 0, 0]


def test_a_file_that_is_taken_away_is_made_anew(tmp_path: Path) -> None:
    opened = Database(Place(tmp_path))
    for _ in range(2):
        with opened.writing():
            pass
        for file in tmp_path.iterdir():
            file.unlink()
        with pytest.raises(StoreError), opened.reading() as connection:
            connection.execute(select(card))


def read_all(opened: Database) -> None:
    with opened.writing() as connection:
        for table in metadata.sorted_tables:
            connection.execute(select(table)).all()


@pytest.mark.parametrize("spoiled", ["no database", "cut", "of another version", "wiped inside"])
def test_a_file_that_is_no_sound_store_is_down_and_no_failure(tmp_path: Path, spoiled: str) -> None:
    place = Place(tmp_path)
    with Database(place).writing() as connection:
        if spoiled == "of another version":
            connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    content = place.file.read_bytes()
    for beside in ("-wal", "-shm"):
        place.file.with_name(place.file.name + beside).unlink(missing_ok=True)
    half = len(content) // 2
    changed = {
        "no database": b"no database " * 999,
        "cut": content[: half + 7],
        "wiped inside": content[:4096] + b"\xff" * (len(content) - 4096),
    }
    place.file.write_bytes(changed.get(spoiled, content))
    with pytest.raises(StoreError):
        read_all(Database(place))


def test_what_keeps_the_store_from_answering_is_told_without_what_is_in_it(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("no folder")
    for place in (Place(tmp_path / "data"), Place(tmp_path, "postgresql://user:secret@127.0.0.1:1/x")):
        with pytest.raises(StoreError) as found, Database(place).writing():
            pass
        assert "secret" not in f"{found.value} {place}"
