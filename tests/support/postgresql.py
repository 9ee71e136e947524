"""A PostgreSQL server of the tests' own, on a socket in a folder of its own: started once, gone at the end."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_DEBIAN = Path("/usr/lib/postgresql")
_PROGRAMS = ("initdb", "postgres")


def programs() -> Path | None:
    """The folder of the server's programs, where it is installed."""
    folders = [Path(folder) for folder in os.environ.get("PATH", "").split(os.pathsep)]
    folders += sorted(_DEBIAN.glob("*/bin"), reverse=True)
    return next((f for f in folders if all((f / name).is_file() for name in _PROGRAMS)), None)


@contextmanager
def any_server() -> Iterator[str]:
    """The URL of a running server, with {} for the name of a database; where none can be had, the test is skipped."""
    pytest.importorskip("psycopg", reason="no PostgreSQL driver: install the extra postgres")
    found = programs()
    if found is None:
        pytest.skip("no PostgreSQL server here: install Debian's package postgresql")
    with server(found) as url:
        yield url


@contextmanager
def server(programs: Path, fsync: str = "off") -> Iterator[str]:
    """The URL of its databases, without the name of one. What it acknowledges may be lost with the machine, unless
    `fsync` is on."""
    folder = Path(tempfile.mkdtemp(prefix="anakinra-cds-pg-"))  # a socket's path may have 107 characters only
    user = _not_root(folder)
    data = str(folder / "data")
    init = [str(programs / "initdb"), "-D", data, "-U", "tests", "--auth=trust", "-E", "UTF8", "--locale=C", "-N"]
    subprocess.run(init, check=True, capture_output=True, user=user, cwd=folder)
    quick = [f"-c{each}" for each in ("listen_addresses=", f"fsync={fsync}", f"unix_socket_directories={folder}")]
    with (folder / "log").open("wb") as log:
        started = [str(programs / "postgres"), "-D", data, *quick]
        process = subprocess.Popen(started, stdout=log, stderr=log, user=user, cwd=folder)
    try:
        yield f"postgresql://tests@/{{}}?host={folder}"
    finally:
        process.send_signal(signal.SIGINT)  # at once, and not when the last client has gone
        process.wait(timeout=30)
        shutil.rmtree(folder)


def _not_root(folder: Path) -> str | int | None:
    """The server refuses to run as root: then as another user, who owns the folder."""
    if os.geteuid() != 0:
        return None
    names = {each.pw_name for each in pwd.getpwall()}
    user = "postgres" if "postgres" in names else "nobody"
    shutil.chown(folder, user)
    return user
