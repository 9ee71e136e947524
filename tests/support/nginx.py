"""A real nginx with the configuration that ships, in front of replicas on this machine."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

from tests.support.live import never_left
from tests.support.shipped import ROOT

NGINX = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
CONFIG = ROOT / "deploy/nginx/nginx.conf"
_HANGS = 30


@contextmanager
def proxied(folder: Path, replicas: list[str]) -> Iterator[str]:
    """The base URL of nginx with the configuration that ships, in front of these replicas instead of the name. What it
    says goes to `access.log` and `error.log` in the folder."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    text = CONFIG.read_text(encoding="utf-8")
    named = "server cds:8080 "
    assert text.count(named) == text.count("listen 8080;") == 1
    line = next(line for line in text.splitlines() if named in line)
    text = text.replace(line, "\n".join(line.replace("cds:8080", r.removeprefix("http://")) for r in replicas))
    text = text.replace("listen 8080;", f"listen 127.0.0.1:{port};").replace("/tmp/", f"{folder}/")
    if os.geteuid() == 0:  # else its workers are somebody else, who may not look into the folder
        text = f"user root;\n{text}"
    config = folder / "nginx.conf"
    config.write_text(text.replace("/dev/stdout", str(folder / "access.log")), encoding="utf-8")
    assert NGINX is not None
    words = [NGINX, "-c", str(config), "-e", "stderr", "-g", "daemon off;"]
    # Not a pipe: one that nobody reads is full after some hundred lines, and nginx then stands still.
    with (folder / "error.log").open("wb") as said, never_left(subprocess.Popen(words, stderr=said)) as process:
        try:
            until(lambda: status(f"http://127.0.0.1:{port}/health") == 200)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(_HANGS)


def status(url: str) -> int:
    try:
        with urlopen(url, timeout=_HANGS) as answer:
            return int(answer.status)
    except HTTPError as error:
        return error.code
    except OSError:
        return 0


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + _HANGS
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)
