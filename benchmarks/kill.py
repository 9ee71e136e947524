"""`make kill`: workers and whole services are killed under load; what was acknowledged must be in the store."""

from __future__ import annotations

import http.client
import json
import os
import random
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import click

from benchmarks.process import children, require_proc
from cds_service.contract import EXPLANATION
from cds_service.store.chain import anchored
from cds_service.store.database import Database
from cds_service.store.feedback import listed
from cds_service.store.keys import load
from cds_service.store.place import Place
from cds_service.store.records import parsed, records
from cds_service.store.store import Store
from cds_service.store.verify import verify

ROOT: Final = Path(__file__).parent.parent
SERVICE: Final = "/cds-services/anakinra-order-select"
HANGS_SECONDS: Final = 60.0
_CLI: Final = [sys.executable, "-m", "cds_service.cli"]
_EVERY: Final = 5
"""One kill in so many is of the whole service, the others of a worker."""
_BETWEEN: Final = 4
"""Answers between two kills: a service that nobody asks has nothing to lose."""
_NOT_ANSWERED: Final = (OSError, http.client.HTTPException)


@dataclass(slots=True)
class Acknowledged:
    """What clients were told: of the answer to each call whether it said that it may not be recorded; the cards with
    feedback; how many calls and posts got no answer."""

    answers: dict[str, bool] = field(default_factory=dict)
    feedback: set[str] = field(default_factory=set)
    broken_off: int = 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was found in the end."""

    kills: int
    answers: int
    not_recorded_said: int
    answers_lost: int
    feedback: int
    feedback_lost: int
    broken_off: int
    faults: list[str]
    integrity: str
    slowest_start_s: float

    @property
    def sound(self) -> bool:
        """Whether nothing that was acknowledged is lost, and the store is whole."""
        return not (self.answers_lost or self.feedback_lost or self.faults) and self.integrity == "ok"


def run(kills: int, seed: int, clients: int = 2, pages: Path | None = None) -> Outcome:
    """Kill so often, at random moments."""
    chosen, told, stop = random.Random(seed), Acknowledged(), threading.Event()
    with tempfile.TemporaryDirectory(prefix="anakinra-cds-kill-") as folder:
        place, port, slowest = Place(Path(folder) / "data"), _free_port(), 0.0
        service = _start(port, place, pages)
        _ready(port)
        threads = [threading.Thread(target=_client, args=(port, told, stop), daemon=True) for _ in range(clients)]
        for thread in threads:
            thread.start()
        for number in range(kills):
            _busy(told, len(told.answers) + _BETWEEN)
            time.sleep(chosen.uniform(0, 0.2))
            if number % _EVERY == _EVERY - 1:
                os.killpg(service.pid, signal.SIGKILL)
                service.wait()
                service = _start(port, place, pages)
            elif workers := children(service.pid):
                os.kill(chosen.choice(workers), signal.SIGKILL)
            slowest = max(slowest, _ready(port))
        stop.set()
        for thread in threads:
            thread.join(HANGS_SECONDS)
        os.killpg(service.pid, signal.SIGKILL)
        service.wait()
        return _looked_at(place, told, kills, slowest)


def _looked_at(place: Place, told: Acknowledged, kills: int, slowest: float) -> Outcome:
    """After one more start has kept what the last processes left."""
    store = Store(place)
    store.start()
    end = time.monotonic() + HANGS_SECONDS
    while list(place.folder.glob("waiting/*.jsonl")) and time.monotonic() < end:
        store.look()  # as each question for /ready does: a process that was killed may hold its file a moment longer
        time.sleep(0.05)
    store.close()
    keys, noted = load(place, ""), anchored(place.folder)
    with Database(place).reading() as connection:
        bodies = [parsed(record.record) for record in records(connection, None, None)]
        cards = {row["card"] for row in listed(connection, None, None)}
        faults = verify(connection, keys, [noted] if noted else []).faults
    with closing(sqlite3.connect(place.file)) as connection:
        integrity = connection.execute("PRAGMA integrity_check").fetchone()[0]
    recorded = {body.get("instance") for body in bodies}
    return Outcome(
        kills=kills,
        answers=len(told.answers),
        not_recorded_said=sum(told.answers.values()),
        answers_lost=sum(call not in recorded for call, said in told.answers.items() if not said),
        feedback=len(told.feedback),
        feedback_lost=len(told.feedback - cards),
        broken_off=told.broken_off,
        faults=faults,
        integrity=integrity,
        slowest_start_s=round(slowest, 2),
    )


def _client(port: int, told: Acknowledged, stop: threading.Event) -> None:
    """Asks, and gives feedback on the first card of each answer. What broke off is nothing that was acknowledged."""
    request = json.loads((ROOT / "examples/requests/refractory-grade-2.json").read_text(encoding="utf-8"))
    while not stop.is_set():
        instance = str(uuid.uuid4())
        try:
            cards = _post(port, SERVICE, request | {"hookInstance": instance})["cards"]
            said = cards[0]["extension"][EXPLANATION].get("recorded", True) is False
            told.answers[instance] = said
            item = {"card": cards[0]["uuid"], "outcome": "overridden", "outcomeTimestamp": "2026-03-05T12:00:00Z"}
            _post(port, f"{SERVICE}/feedback", {"feedback": [item]})
            told.feedback.add(item["card"])
        except _NOT_ANSWERED:
            told.broken_off += 1
            time.sleep(0.02)


def _post(port: int, path: str, body: Mapping[str, Any]) -> Any:
    """The body of a whole answer with status 200. Raises OSError or HTTPException where there is none."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=HANGS_SECONDS)) as connection:
        connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
        response = connection.getresponse()
        content = response.read()
        if response.status != 200:
            raise OSError(f"{response.status}: {content[:200]!r}")
        return json.loads(content)


def _start(port: int, place: Place, pages: Path | None) -> subprocess.Popen[bytes]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CDS_")}
    chosen = {"CDS_DATA": str(place.folder), "CDS_LOG_LEVEL": "CRITICAL", "CDS_ALLOW_EVALUATION_TIME": "on"}
    words = [*_CLI, "serve", "--port", str(port), "--workers", "2"]
    more = {"CDS_PAGES": str(pages)} if pages else {}
    return subprocess.Popen(
        words, env={**kept, **chosen, **more}, stdout=subprocess.DEVNULL, start_new_session=True, cwd=ROOT
    )


def _busy(told: Acknowledged, answers: int) -> None:
    """Waits until so many were given."""
    end = time.monotonic() + HANGS_SECONDS
    while len(told.answers) < answers and time.monotonic() < end:
        time.sleep(0.01)


def _ready(port: int) -> float:
    """Seconds until the service answers."""
    began = time.monotonic()
    while True:
        try:
            with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=5)) as connection:
                connection.request("GET", "/ready")
                if connection.getresponse().status == 200:
                    return time.monotonic() - began
        except _NOT_ANSWERED:
            pass
        if time.monotonic() - began > HANGS_SECONDS:
            raise TimeoutError("the service did not come back")
        time.sleep(0.05)


def _free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        return int(server.getsockname()[1])


@click.command()
@click.option("--kills", default=200, show_default=True)
@click.option("--seed", default=1, show_default=True)
def main(kills: int, seed: int) -> None:
    """Exit code 1 where anything acknowledged is lost, or the store is not whole."""
    require_proc()
    with tempfile.TemporaryDirectory(prefix="anakinra-cds-pages-") as pages:
        subprocess.run([*_CLI, "build", "--out", pages], check=True, stdout=subprocess.DEVNULL, cwd=ROOT)
        outcome = run(kills, seed, pages=Path(pages))
    for name in outcome.__slots__:
        print(f"{name.replace('_', ' '):18} {getattr(outcome, name)}")
    if not outcome.sound:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
