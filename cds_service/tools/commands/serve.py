"""`anakinra-cds serve`: the service under gunicorn."""

from __future__ import annotations

import errno
import gc
import logging
import os
import resource
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.glogging import Logger

from cds_service import knowledge
from cds_service import settings as settings_module
from cds_service.app import compiled, create_app, prepare, start_service, tracer
from cds_service.errors import CdsError
from cds_service.knowledge.sites import is_loopback
from cds_service.settings import TABLE, Settings
from cds_service.tools.lasting import lasting
from cds_service.tools.options import knowledge_options
from cds_service.web import logs
from cds_service.web.built import BuiltFolder
from cds_service.web.front.lanes import Turns
from cds_service.web.front.sharing import Loads
from cds_service.web.front.worker import Worker
from cds_service.web.metrics import Metrics
from cds_service.web.rates import rates

if TYPE_CHECKING:
    from cds_service.program import Program

log = logging.getLogger(__name__)

LINE_LIMIT: Final = 8190  # gunicorn knows no larger one for the request line
HEADER_LIMIT: Final = 16 * 1024
HEADER_FIELDS: Final = 64

# Builds as politely as it can: the service starts and answers at the same time.
_BUILD: Final = "import os; os.nice(10); from cds_service.cli import main; main(prog_name='anakinra-cds')"


class ServerLog(Logger):  # type: ignore[misc] # gunicorn has no types
    """gunicorn's log, in the one log of the process."""

    def setup(self, cfg: Any) -> None:
        """Take away the handlers of its own."""
        super().setup(cfg)
        self.error_log.handlers.clear()
        self.error_log.propagate = True


class Server(BaseApplication):  # type: ignore[misc] # gunicorn has no types
    """gunicorn, set up from `Settings`. Workers share one program; each builds its own engine."""

    def __init__(
        self,
        settings: Settings,
        host: str,
        port: int,
        program: Program | None = None,
        awaited: Path | None = None,
        counted: Path | None = None,
    ) -> None:
        """`counted`: the folder in which the workers count together."""
        self.counted, self.slot = counted, 0
        self.refused: Callable[[str], None] = lambda _why: None
        self.settings = settings
        self.program = program
        self.awaited = awaited
        self.turns = Turns()
        self.rates = rates(settings.calls_per_minute)
        self.launch_key = secrets.token_bytes(32)
        self.loads = Loads(settings.workers)
        self.bind = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self.unannounced, announce = os.pipe()
        os.set_blocking(self.unannounced, False)
        os.write(announce, b"1")  # one byte for all workers: who reads it tells that the service listens
        os.close(announce)
        super().__init__()

    def load_config(self) -> None:
        """gunicorn's settings; those of its own environment variables and files are not read."""
        chosen = {
            "bind": self.bind,
            "worker_class": Worker,
            "workers": self.settings.workers,
            "timeout": self.settings.timeout,
            "graceful_timeout": min(10, self.settings.timeout),
            "preload_app": False,
            "limit_request_line": LINE_LIMIT,
            "limit_request_field_size": HEADER_LIMIT,
            "limit_request_fields": HEADER_FIELDS,
            "logger_class": ServerLog,
            "loglevel": max(self.settings.log_level, "WARNING", key=logging.getLevelName).lower(),
            "control_socket_disable": True,
            "pre_fork": self.assign,
            "child_exit": self.gone,
            "post_worker_init": self.announce,
        }
        for name, value in chosen.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        """The application of one worker. What keeps it from answering is said in one message, and ends the server."""
        try:
            if self.program is not None:
                self.program.engine.set_apart()
            metrics = Metrics(self.counted, self.slot) if self.counted else Metrics()
            self.refused = metrics.refused
            service = start_service(self.settings, self.program, self.turns.waiting)
            app = create_app(self.settings, service, self.awaited, metrics, self.rates, self.launch_key)
            # Charts that are remembered are many small, lasting objects: walking them all at every full collection
            # would cost an unlucky call hundreds of milliseconds. What exists now is never garbage.
            gc.freeze()
            gc.set_threshold(50_000, 20, 100)
            return app
        except CdsError as error:
            click.echo(f"Error: {error}", err=True)
            sys.exit(Arbiter.APP_LOAD_ERROR)

    def assign(self, arbiter: Any, worker: Any) -> None:
        """Give a new worker a place among those that live: it counts on where one was that is gone."""
        taken = {other.slot for other in arbiter.WORKERS.values()}
        self.slot = worker.slot = next(slot for slot in range(len(taken) + 1) if slot not in taken)

    def gone(self, _: Any, worker: Any) -> None:
        """A worker has ended: nobody waits for it to take a connection."""
        self.loads.leave(worker.slot)

    def announce(self, worker: Any) -> None:
        """Say once, by the first worker that is ready, where the service listens."""
        try:
            first = os.read(self.unannounced, 1)
        except BlockingIOError:
            first = b""
        if first:
            host, port = worker.sockets[0].sock.getsockname()[:2]
            click.echo(f"listening on http://{f'[{host}]' if ':' in host else host}:{port}")
            sys.stdout.flush()


@contextmanager
def building(settings: Settings) -> Iterator[Path]:
    """A folder in which a child process builds the pages, while the service starts and answers; removed at the end."""
    root = ["--root", str(settings.knowledge)] if settings.knowledge else []
    with own_folder("pages") as folder:
        words = [sys.executable, "-c", _BUILD, "build", "--out", str(folder), "--site", settings.site, *root]
        child, owner = subprocess.Popen(words, stdout=subprocess.DEVNULL), os.getpid()
        try:
            yield folder
        finally:
            if os.getpid() == owner:
                child.terminate()
                child.wait()


@contextmanager
def own_folder(what: str) -> Iterator[Path]:
    """A folder of this process and its workers, removed at the end of this process."""
    owner, folder = os.getpid(), Path(tempfile.mkdtemp(prefix=f"anakinra-cds-{what}-"))
    try:
        yield folder
    finally:
        # A worker that ends comes by here too: it was forked inside.
        if os.getpid() == owner:
            shutil.rmtree(folder, ignore_errors=True)


def _trust(settings: Settings, host: str) -> str:
    """Whether callers are asked for tokens: `off` or `required`. Raises ClickException."""
    beyond = not is_loopback(host)
    chosen = settings.jwt if settings.jwt != "auto" else "required" if beyond else "off"
    if chosen == "required" and beyond and not settings.public_url:
        raise click.ClickException(
            "CDS_PUBLIC_URL: expected the address at which EHRs reach this service: their tokens are made for it, and "
            "the Host header of a call proves nothing. CDS_JWT=off is for a service behind something that checks "
            "callers"
        )
    if settings.workbench and beyond:
        log.warning(
            "CDS_WORKBENCH=on, and %s can be reached from elsewhere: whoever reaches it may try charts on it, without "
            "a token; put something before it that checks who comes",
            host,
        )
    if chosen == "off" and beyond:
        log.warning("CDS_JWT=off, and %s can be reached from elsewhere: whoever reaches it may call", host)
    return chosen


def _require_port(host: str, port: int) -> None:
    """Raises ClickException where nobody can listen there: gunicorn would say so many times, and wait."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise click.ClickException(
                f"port {port} of {host} is taken; stop what listens there, or choose another one with --port"
            ) from error
        raise click.ClickException(f"cannot listen on {host}, port {port}: {error.strerror or error}") from error


def _table() -> str:
    """The settings as a paragraph of `--help` that click does not wrap."""
    rows = [f"  {row.name} ({row.default or 'empty'})\n      {row.help}" for row in TABLE]
    return "\b\nSettings, from the environment (default in brackets):\n" + "\n".join(rows)


@click.command("serve", epilog=_table())
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", default=8080, show_default=True, type=click.IntRange(0, 65535), help="Port to listen on; 0: any free one."
)
@click.option("--workers", type=click.IntRange(1, 64), help="Instead of CDS_WORKERS.")
@click.option("--threads", type=click.IntRange(1, 128), help="Instead of CDS_THREADS.")
@knowledge_options
def command(host: str, port: int, workers: int | None, threads: int | None, root: Path | None, site: str) -> None:
    """Run the service until it is stopped (SIGTERM or Ctrl-C end calls in progress first)."""
    settings = settings_module.from_environ(os.environ)
    chosen: dict[str, Any] = {"site": site, "knowledge": root}
    chosen |= {name: count for name, count in (("workers", workers), ("threads", threads)) if count}
    settings = settings.model_copy(update=chosen)
    logs.configure(settings.log_level)
    # What a crash leaves behind would be the memory of a process that has just read charts.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    settings = settings.model_copy(update={"jwt": _trust(settings, host)})
    _require_port(host, port)
    # Before the fork, once for all workers, and so that what is wrong with it is said once.
    with lasting():
        loaded = knowledge.load(settings.knowledge, settings.site)
        prepare()
        if settings.tracing:
            tracer()
        program = compiled(settings, loaded)
    if settings.pages is not None:
        BuiltFolder(settings.pages, loaded.digest, loaded.site.id).require()
    pages = building(settings) if settings.pages is None else nullcontext()
    with pages as awaited, own_folder("metrics") as counted:
        Server(settings, host, port, program, awaited, counted).run()
