"""The real application on a real socket, in a thread of the test process."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

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
