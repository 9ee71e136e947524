"""Two servers side by side on this machine, asked in turn over connections that stay open."""

from __future__ import annotations

import functools
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from joserfc import jwt
from joserfc.jwk import ECKey

from benchmarks.charts import SERVICE_ID
from benchmarks.process import children, cpu_seconds, resident_mb

SERVICE = ("-c", "from cds_service.cli import main; main()", "serve", "--port", "0")
LIMIT = ("-m", "benchmarks.limit")
PEER = ("-m", "benchmarks.peer")
PUBLIC: Final = "https://cds.example.org"
"""Where tokens are made for."""
_ISS: Final = "https://ehr.example.org"
_SECONDS = 60.0
_IDLE = 1.0


class BenchError(Exception):
    """A server did not start or did not answer."""


@dataclass(slots=True)
class Target:
    """A running server. `started`: seconds until it listened; `worker`: process id of its (first) worker, `process`:
    of who started that; `data`: the folder of its records."""

    name: str
    port: int
    worker: int
    started: float
    process: int
    data: Path
    headers: Callable[[], str] = str
    """Lines of headers that each request has besides the usual ones, made anew for it."""
    connection: Connection | None = None
    used: float = 0.0
    """When the connection was last used (`time.perf_counter`)."""

    def ask(self, body: bytes) -> tuple[bytes, float]:
        """(answer, seconds until all of it was here)."""
        if time.perf_counter() - self.used > _IDLE:
            self.rest()
        if self.connection is None:
            self.connection = Connection(self.port)
        headers = self.headers()
        start = time.perf_counter()
        answer = self.connection.post(body, headers)
        self.used = time.perf_counter()
        return answer, self.used - start

    def rest(self) -> None:
        """Close the connection: the server closes one that is idle for two seconds, also while the machine is busy."""
        if self.connection is not None:
            self.connection.close()
            self.connection = None


class Connection:
    """A keep-alive connection that does as little as possible, so that the client's share of the time is small."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=_SECONDS)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def post(self, body: bytes, headers: str) -> bytes:
        """The body of a 200 answer; raises BenchError for any other."""
        head = (
            f"POST /cds-services/{SERVICE_ID} HTTP/1.1\r\nHost: bench\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n{headers}\r\n"
        )
        self._socket.sendall(head.encode() + body)
        received = bytearray()
        end = length = -1
        while end < 0 or len(received) < end + 4 + length:
            chunk = self._socket.recv(262_144)
            if not chunk:
                raise BenchError(f"the connection was closed after {bytes(received[:200])!r}")
            received += chunk
            if end < 0:
                end = received.find(b"\r\n\r\n")
                if end >= 0:
                    length = _length(bytes(received[:end]))
        return bytes(received[end + 4 :])

    def close(self) -> None:
        """End the connection."""
        self._socket.close()


def _length(head: bytes) -> int:
    lines = head.split(b"\r\n")
    if lines[0].split()[1:2] != [b"200"]:
        raise BenchError(f"expected 200, found {lines[0]!r}")
    named = dict(line.lower().split(b": ", 1) for line in lines[1:])
    return int(named[b"content-length"])


@functools.cache
def _key() -> ECKey:
    """The key of the one client that the site of all servers trusts."""
    return ECKey.generate_key("P-384", {"kid": "bench", "use": "sig"})


def authorization() -> str:
    """The header of that client: a new token for each call."""
    now = int(time.time())
    claims = {"iss": _ISS, "aud": f"{PUBLIC}/cds-services/{SERVICE_ID}", "iat": now, "exp": now + 300}
    header = {"alg": "ES384", "typ": "JWT", "kid": "bench"}
    token = jwt.encode(header, {**claims, "jti": str(uuid.uuid4())}, _key(), algorithms=["ES384"])
    return f"Authorization: Bearer {token}\r\n"


@functools.cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    """A site, `site.yaml`, and its `pages`: else the service would build them beside the first measurements."""
    folder = tempfile.TemporaryDirectory(prefix="bench-")
    site, keys = Path(folder.name) / "site.yaml", Path(folder.name) / "keys.json"
    keys.write_text(json.dumps({"keys": [_key().as_dict(private=False)]}), encoding="utf-8")
    told = {"id": "site", "extend": "us", "title": "Bench", "issuers": [{"iss": _ISS, "jwks": keys.name}]}
    site.write_text(json.dumps(told), encoding="utf-8")
    build = ["-c", "from cds_service.cli import main; main()", "build", "--site", str(site)]
    pages = ["--out", str(Path(folder.name) / "pages")]
    subprocess.run([sys.executable, *build, *pages], check=True, stdout=subprocess.DEVNULL)
    return folder


@contextmanager
def server(name: str, arguments: Sequence[str], headers: Callable[[], str] = str, **settings: str) -> Iterator[Target]:
    """A server of `python <arguments>` with one worker, unless `settings` (CDS_WORKERS) say otherwise, and these
    settings, else the default ones; stopped afterwards.

    Its records are kept in a folder of its own.
    """
    environment = {key: value for key, value in os.environ.items() if not key.startswith("CDS_")}
    environment |= {"CDS_WORKERS": "1", "CDS_ALLOW_EVALUATION_TIME": "on", **settings}
    environment |= {"CDS_SITE": f"{_folder().name}/site.yaml", "CDS_PAGES": f"{_folder().name}/pages"}
    start = time.perf_counter()
    with tempfile.TemporaryFile("w+") as log, tempfile.TemporaryDirectory(prefix="bench-data-") as data:
        environment["CDS_DATA"] = data
        process = subprocess.Popen(
            [sys.executable, *arguments], stdout=subprocess.PIPE, stderr=log, text=True, env=environment
        )
        try:
            line = process.stdout.readline() if process.stdout else ""
            workers = sorted(children(process.pid))
            # The first one listens while the others are still being made.
            while line and len(workers) < int(environment["CDS_WORKERS"]) and time.perf_counter() - start < _SECONDS:
                time.sleep(0.05)
                workers = sorted(children(process.pid))
            if not line.startswith("listening on ") or len(workers) != int(environment["CDS_WORKERS"]):
                log.seek(0)
                raise BenchError(f"{name}: did not start: {line}{log.read()[-2000:]}")
            taken = time.perf_counter() - start
            port = int(line.rsplit(":", 1)[1])
            yield Target(name, port, workers[0], taken, process.pid, Path(data), headers)
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=30)


@dataclass(frozen=True, slots=True)
class Cell:
    """One kind of request put to both. Per request: CPU of the worker and wall time, in seconds."""

    size: int
    repeated: bool
    requests: int
    body_bytes: int
    cpu: dict[str, float]
    wall: dict[str, list[float]]
    resident_mb: dict[str, float]
    """Memory of each worker afterwards."""

    def ratio_cpu(self, name: str, limit: str) -> float:
        """CPU of one against the other."""
        return self.cpu[name] / self.cpu[limit] if self.cpu[limit] else float("nan")

    def percentile(self, name: str, share: float) -> float:
        """Wall time that `share` (0 to 1) of the requests stayed within."""
        ordered = sorted(self.wall[name])
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


@dataclass(slots=True)
class Duel:
    """Puts the same requests to all targets in turn (A B A B), so that noise of the machine hits them alike."""

    targets: Sequence[Target]
    first: int = 0
    """Number of the next request: no two requests of a run have the same."""

    def run(
        self,
        size: int,
        repeated: bool,
        body: Callable[[int], bytes],
        seconds: float,
        least: int,
        progress: Callable[[float], None],
    ) -> Cell:
        """Ask for some `seconds`, at least `least` times. `progress` is told the seconds that went by."""
        for _ in range(min(10, least)):
            self._round(body)
        before = {target.name: cpu_seconds(target.worker) for target in self.targets}
        wall: dict[str, list[float]] = {target.name: [] for target in self.targets}
        start = last = time.perf_counter()
        while last - start < seconds or len(wall[self.targets[0].name]) < least:
            for name, taken in self._round(body).items():
                wall[name].append(taken)
            now = time.perf_counter()
            progress(now - last)
            last = now
        requests = len(wall[self.targets[0].name])
        cpu = {t.name: (cpu_seconds(t.worker) - before[t.name]) / requests for t in self.targets}
        memory = {target.name: resident_mb(target.worker) for target in self.targets}
        for target in self.targets:
            target.rest()
        return Cell(size, repeated, requests, len(body(0)), cpu, wall, memory)

    def _round(self, body: Callable[[int], bytes]) -> dict[str, float]:
        sent = body(self.first)
        self.first += 1
        return {target.name: target.ask(sent)[1] for target in self.targets}
