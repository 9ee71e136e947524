"""Two replicas on one PostgreSQL behind a real nginx, as compose.yaml runs them, but for the containers."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import pytest
from sqlalchemy import func, select

from cds_service.errors import StoreError
from cds_service.store.database import Database
from cds_service.store.place import Place
from cds_service.store.tables import audit, card, feedback
from tests.operation.test_metrics import REQUEST, process_of, samples, total
from tests.support.nginx import NGINX, proxied, status, until
from tests.support.postgresql import any_server
from tests.support.tokens import ISS, claims, key_set, signed
from tests.web.stub import SELECT

PUBLIC = "https://cds.example.org"
_HANGS = 30


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """An empty database with its tables."""
    if NGINX is None:
        pytest.skip("no nginx here: install Debian's package nginx-light")
    with any_server() as address:
        yield address.format("postgres")


def test_two_replicas_are_one_service(url: str, tmp_path: Path) -> None:
    database = Database(Place(tmp_path, url))
    until(lambda: set_up(database))
    shared = {"CDS_DATABASE_URL": url, "CDS_AUDIT_KEY": "k" * 40, "CDS_ALLOW_EVALUATION_TIME": "on"}
    shared |= {"CDS_JWT": "required", "CDS_PUBLIC_URL": PUBLIC, "CDS_SITE": str(site(tmp_path)), "CDS_THREADS": "16"}
    with ExitStack() as stack:
        stack.callback(database.close)
        replicas = [stack.enter_context(process_of(CDS_DATA=str(tmp_path / name), **shared)) for name in ("one", "two")]
        addresses = [address for _, address in replicas]
        for address in addresses:
            until(lambda a=address: json.loads(got(f"{a}/ready"))["store"] == "up")  # type: ignore[misc]
        base = stack.enter_context(proxied(tmp_path, addresses))
        answers = [posted(base + SELECT, REQUEST) for _ in range(20)]
        assert len({told(answer) for answer in answers}) == 1
        assert [calls(address) for address in addresses] == [10, 10]
        assert status(f"{base}/metrics") == 404
        until(lambda: count(database, audit) == 20)

        # A token opens one call of all of them, whoever is asked, and none where another process comes in its place.
        copied = token()
        with ThreadPoolExecutor(32) as pool:
            raced = Counter(pool.map(lambda at: called(at, REQUEST, copied), [*addresses, base, base] * 25))
        assert raced == {200: 1, 401: 99}
        assert [called(address, REQUEST, None) for address in (*addresses, base)] == [401] * 3
        until(lambda: count(database, audit) == 21)

        # What one has shown is known to the other; then one is killed, and no caller notices.
        cards = [json.loads(answer)["cards"][0]["uuid"] for answer in answers[:2]]
        for uuid in (*cards, *cards):
            item = {"card": uuid, "outcome": "overridden", "outcomeTimestamp": "2026-03-05T12:00:00Z"}
            posted(f"{base}{SELECT}/feedback", json.dumps({"feedback": [item]}).encode())
        assert count(database, feedback) == 2
        known = sum(total(metrics(a), "feedback_total", card="known") for a in addresses)
        assert (known, count(database, card) > 0) == (4, True)
        sealed = count(database, audit)
        assert sealed > 20
        process, _ = replicas[0]
        for each in [process.pid, *below(process.pid)]:  # as its container would be
            os.kill(each, signal.SIGKILL)
        until(lambda: status(f"{addresses[0]}/health") == 0)
        assert called(base, REQUEST, copied) == 401
        again = [posted(base + SELECT, REQUEST) for _ in range(20)]
        assert {told(answer) for answer in again} == {told(answers[0])}
        until(lambda: count(database, audit) == sealed + 20)
    environ = {**os.environ, **shared, "CDS_DATA": str(tmp_path / "two")}
    words = [sys.executable, "-m", "cds_service.cli", "audit", "verify"]
    done = subprocess.run(words, env=environ, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [json.loads(line) for line in (tmp_path / "access.log").read_text(encoding="utf-8").splitlines()]
    answered = Counter(line["status"] for line in lines if line["method"] == "POST")
    assert answered.keys() == {200, 401}
    assert answered[200] in (44, 45)  # whether the one of the race came by here
    assert all("?" not in json.dumps(line) for line in lines)
    assert "temporary file" not in (tmp_path / "error.log").read_text(encoding="utf-8")  # a chart is in no file


@contextmanager
def replica(answers: bool, asked: list[str]) -> Iterator[str]:
    """Something that notes how it was asked, and then answers, or ends the connection without a word."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(f"{self.command} {answers}")
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if answers:
                self.send_response(200)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

        do_POST = do_GET

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join(_HANGS)
        server.server_close()


@pytest.mark.skipif(NGINX is None, reason="no nginx here: install Debian's package nginx-light")
def test_nginx_sends_again_only_what_was_never_sent_or_only_reads(tmp_path: Path) -> None:
    asked: list[str] = []
    with replica(True, asked) as good, replica(False, asked) as bad, socket.create_server(("127.0.0.1", 0)) as free:
        gone = f"http://127.0.0.1:{free.getsockname()[1]}"
        free.close()
        with proxied(tmp_path, [good, gone]) as base:  # half of them go to who is not there first
            assert [posted(base + SELECT, b"{}") for _ in range(8)] == [b"{}"] * 8
        assert asked.count("POST True") == 8
        asked.clear()
        with proxied(tmp_path, [good, bad]) as base:
            assert [status(f"{base}/cds-services") for _ in range(8)] == [200] * 8
            assert "GET False" in asked
        asked.clear()
        with proxied(tmp_path, [bad, good]) as base:  # each of its processes takes turns by itself
            answers = [answer(base + SELECT) for _ in range(8)]
            sent = Counter(each for each in asked if each.startswith("POST"))
            refused = [each for each in answers if each[0] != 200]
    assert sent.total() == len(answers)
    assert sent["POST False"] == len(refused) > 0
    for code, headers, body in refused:
        assert (code, json.loads(body)["resourceType"]) == (502, "OperationOutcome")
        assert headers["X-Request-ID"]


def answer(url: str) -> tuple[int, Message, bytes]:
    try:
        with urlopen(Request(url, b"{}", {"Content-Type": "application/json"}), timeout=_HANGS) as answered:
            return answered.status, answered.headers, answered.read()
    except HTTPError as refused:
        return refused.code, refused.headers, refused.read()


def below(pid: int) -> Iterator[int]:
    """The processes that it started, and those that they did."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            yield int(child)
            yield from below(int(child))


def set_up(database: Database) -> bool:
    """Whether it was there already: it is still starting."""
    try:
        database.upgrade()
    except StoreError:
        return False
    return True


def told(answer: bytes) -> str:
    """What an answer says, without what is made for each."""
    return "; ".join(each["summary"] for each in json.loads(answer)["cards"])


def metrics(address: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return samples(got(f"{address}/metrics").decode())


def calls(address: str) -> float:
    return total(metrics(address), "calls_total", status="200")


def count(database: Database, table: object) -> int:
    with database.reading() as connection:
        return int(connection.scalar(select(func.count()).select_from(table)) or 0)  # type: ignore[arg-type]


def got(url: str) -> bytes:
    with urlopen(url, timeout=_HANGS) as answer:
        return bytes(answer.read())


def site(folder: Path) -> Path:
    """A site that trusts the clients of the tests."""
    found = folder / "site"
    found.mkdir()
    (found / "keys.json").write_bytes(key_set("ES384"))
    told = {"id": "replicas", "extend": "us", "title": "Replicas", "issuers": [{"iss": ISS, "jwks": "keys.json"}]}
    (found / "site.yaml").write_text(json.dumps(told), encoding="utf-8")
    return found


def token(path: str = SELECT) -> str:
    return signed(claims(time.time(), aud=PUBLIC + path))


def posted(url: str, body: bytes) -> bytes:
    """The answer to a call or feedback, each with a token of its own."""
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token(urlsplit(url).path)}"}
    with urlopen(Request(url, body, headers), timeout=_HANGS) as answer:
        assert answer.status == 200
        return bytes(answer.read())


def called(base: str, body: bytes, copied: str | None) -> int:
    """The status of a call with this token."""
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {copied}"} if copied else {})
    try:
        with urlopen(Request(base + SELECT, body, headers), timeout=_HANGS) as answer:
            return int(answer.status)
    except HTTPError as error:
        return error.code
