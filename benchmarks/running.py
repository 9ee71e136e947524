"""Services as a load finds them: alone on SQLite, or replicas on one PostgreSQL behind the nginx that ships."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.error import HTTPError
from urllib.request import urlopen

from benchmarks.process import below, children, cpu_seconds, family_cpu_seconds, resident_mb, share_mb
from benchmarks.servers import SERVICE, BenchError, Target, server
from cds_service.errors import StoreError
from cds_service.store.database import Database
from cds_service.store.place import Place
from tests.support import postgresql
from tests.support.nginx import NGINX, proxied

SECRET: Final = "k" * 40
"""Key of the records of replicas."""
SERVICE_PARTS: Final = ("workers", "rules engine")
_HANGS_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class Memory:
    """MB. `resident` counts what processes share for each of them, `shared_once` counts it once."""

    resident: float
    shared_once: float


@dataclass(frozen=True, slots=True)
class Running:
    """What is asked at `port`. `services`: process ids of the services; `others`: of what else works for them."""

    port: int
    services: tuple[int, ...]
    headers: Callable[[], str] = str
    others: dict[str, int] = field(default_factory=dict)
    database: Database | None = None
    """Where records are looked for; None: none are kept."""

    def cpu(self) -> dict[str, float]:
        """Seconds of processor time since each began: workers (with who started them), rules engine, others."""
        engines = sum(
            family_cpu_seconds(worker) - cpu_seconds(worker) for pid in self.services for worker in children(pid)
        )
        whole = sum(map(family_cpu_seconds, self.services))
        return {
            **dict(zip(SERVICE_PARTS, (whole - engines, engines), strict=True)),
            **{name: family_cpu_seconds(pid) for name, pid in self.others.items()},
        }

    def memory(self) -> Memory:
        """That of all processes of the services."""
        every = [each for pid in self.services for each in (pid, *below(pid))]
        return Memory(sum(map(resident_mb, every)), sum(map(share_mb, every)))


@contextmanager
def alone(workers: int, headers: Callable[[], str] = str, **settings: str) -> Iterator[Running]:
    """One service with so many workers, whose records are in SQLite unless `settings` turn them off."""
    with server("service", SERVICE, headers, CDS_WORKERS=str(workers), **settings) as target:
        kept = settings.get("CDS_STORE") != "off"
        _ready(target, "up" if kept else "off")
        database = Database(Place(target.data)) if kept else None
        try:
            yield Running(target.port, (target.process,), headers, database=database)
        finally:
            if database:
                database.close()


@contextmanager
def replicated(count: int, workers: int) -> Iterator[Running]:
    """So many services with so many workers each, on a PostgreSQL of their own that keeps what it acknowledges."""
    found = postgresql.programs()
    if found is None or NGINX is None:
        raise BenchError("replicas need Debian's packages postgresql and nginx-light")
    with ExitStack() as stack:
        url = stack.enter_context(postgresql.server(found, fsync="on")).format("postgres")
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-replicas-")))
        database = Database(Place(folder / "tool", url))
        stack.callback(database.close)
        _until(lambda: _upgraded(database))
        shared = {"CDS_DATABASE_URL": url, "CDS_AUDIT_KEY": SECRET, "CDS_WORKERS": str(workers)}
        targets = [stack.enter_context(server(f"replica {n}", SERVICE, **shared)) for n in range(count)]
        for target in targets:
            _ready(target, "up")
        base = stack.enter_context(proxied(folder, [f"http://127.0.0.1:{target.port}" for target in targets]))
        pid = Path(url.partition("host=")[2], "data/postmaster.pid").read_text(encoding="ascii").split()[0]
        others = {"PostgreSQL": int(pid), "nginx": int((folder / "nginx.pid").read_text(encoding="ascii"))}
        services = tuple(target.process for target in targets)
        yield Running(int(base.rsplit(":", 1)[1]), services, others=others, database=database)


def _ready(target: Target, store: str) -> None:
    """Until it says that it may be asked, and that its store is as it should be."""

    def said() -> bool:
        try:
            with urlopen(f"http://127.0.0.1:{target.port}/ready", timeout=5) as answer:
                return bool(json.load(answer)["store"] == store)
        except HTTPError:  # not yet
            return False

    _until(said)


def _upgraded(database: Database) -> bool:
    """Whether its tables are there: the server may still be starting."""
    try:
        database.upgrade()
    except StoreError:
        return False
    return True


def _until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + _HANGS_SECONDS
    while not holds():
        if time.monotonic() > end:
            raise BenchError("what is to be measured did not become ready")
        time.sleep(0.05)
