"""The real application on a real socket: in a thread of the test process, or as the process that is served."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from werkzeug.serving import make_server

from cds_service.app import create_app
from cds_service.settings import Settings


@contextmanager
def live_service(site: str = "us") -> Iterator[str]:
    """The base URL of a service at a shipped site, with the evaluation time of calls obeyed."""
    settings = Settings(site=site, allow_evaluation_time=True)
    server = make_server("127.0.0.1", 0, create_app(settings), threaded=True)
    thread = threading.Thread(target=server.serve_forever, name=f"service-{site}", daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join(timeout=10)
        server.server_close()


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
    with serving(workers, **environ) as process:
        try:
            assert process.stdout is not None
            yield process, process.stdout.readline().removeprefix("listening on ").strip()
        finally:
            process.kill()


@contextmanager
def served_process(**environ: str) -> Iterator[str]:
    """The base URL of such a process, which must end in order."""
    with serving(**environ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        line = process.stdout.readline()
        if not line.startswith("listening on "):
            pytest.fail(f"it did not start: {process.communicate(timeout=30)[1]}")
        try:
            yield line.removeprefix("listening on ").strip()
        finally:
            process.send_signal(signal.SIGTERM)
            errors = process.stderr.read()
            code = process.wait(timeout=30)
        assert code == 0, errors
        assert errors == ""
