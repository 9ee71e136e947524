"""The real application on a real socket: in a thread of the test process, or as the process that is served."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import pytest
from werkzeug.serving import make_server

from cds_service.app import create_app
from cds_service.settings import Settings

T = TypeVar("T", str, bytes)


@contextmanager
def live_service(site: str = "us", **more: Any) -> Iterator[str]:
    """The base URL of a service at a shipped site, with the evaluation time of calls obeyed, and `more` settings."""
    settings = Settings(site=site, allow_evaluation_time=True, **more)
    server = make_server("127.0.0.1", 0, create_app(settings), threaded=True)
    thread = threading.Thread(target=server.serve_forever, name=f"service-{site}", daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join(timeout=10)
        server.server_close()


@contextmanager
def never_left(process: subprocess.Popen[T]) -> Iterator[subprocess.Popen[T]]:
    """The process, gone at the end whatever happens: a test that fails must not wait for one that goes on."""
    with process:
        try:
            yield process
        finally:
            process.kill()


def serving(workers: int = 1, **environ: str) -> subprocess.Popen[str]:
    """`anakinra-cds serve` on a free port, with so many workers, these settings and no others."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CDS_")}
    words = [sys.executable, "-m", "cds_service.cli", "serve", "--port", "0", "--workers", str(workers)]
    return subprocess.Popen(
        words,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**kept, "CDS_LOG_LEVEL": "ERROR", **environ},
    )


@contextmanager
def process_of(workers: int = 1, **environ: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Such a process and its base URL, for who ends it and reads what it said; ended in any case."""
    with never_left(serving(workers, **environ)) as process:
        assert process.stdout is not None
        yield process, process.stdout.readline().removeprefix("listening on ").strip()


@contextmanager
def served_process(**environ: str) -> Iterator[str]:
    """The base URL of such a process, which must end in order."""
    with never_left(serving(**environ)) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line.startswith("listening on "):
            pytest.fail(f"it did not start: {process.communicate(timeout=30)[1]}")
        try:
            yield line.removeprefix("listening on ").strip()
        finally:
            process.send_signal(signal.SIGTERM)
            _, errors = process.communicate(timeout=30)
        assert process.returncode == 0, errors
        assert errors == ""
