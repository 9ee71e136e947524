"""`anakinra-cds serve` under load, as a process with room for one call in work and two in wait."""

from __future__ import annotations

import json
import math
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
from contextlib import contextmanager
from pathlib import Path

import pytest

from cds_service.web.front import ANSWER_BY
from tests.support.live import never_left
from tests.web.stub import SELECT, StubService, call_body, client_of

HANGS = 20.0  # seconds: no limit that is tested here
# The patient's id says how long the call takes: `sleeps-<milliseconds>`, or for ever.
PROGRAM = """
import time
from contextlib import nullcontext
from cds_service import knowledge
from cds_service.cli import main
from cds_service.tools.commands import serve
from cds_service.web.front import sockets, worker
from tests.web.stub import StubService

class Slow(StubService):
    def discovery(self):
        return [entry | {"description": "d" * 3_000_000} for entry in super().discovery()]

    def assess(self, call, now):
        kind, _, milliseconds = call.patient_id.partition("-")
        while kind == "spins":
            pass
        time.sleep(int(milliseconds) / 1000 if kind == "sleeps" else 0)

worker.ANSWER_SECONDS = 2.0
worker.WAIT_SECONDS = 5.0
sockets.HEAD_SECONDS = 0.5
knowledge.load = lambda root, site: None
serve.compiled = lambda settings, loaded: None
serve.start_service = lambda settings, program, away: Slow()
serve.building = lambda settings: nullcontext()
main(["serve", "--port", "0", "--workers", "1", "--threads", "1"])
"""


@contextmanager
def started() -> Iterator[tuple[subprocess.Popen[str], int]]:
    environ = {"XDG_STATE_HOME": os.environ["XDG_STATE_HOME"], "CDS_QUEUE": "2", "CDS_TIMEOUT": "2"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with never_left(subprocess.Popen([sys.executable, "-c", PROGRAM], **pipes, text=True, env=environ)) as process:
        assert process.stdout is not None
        yield process, int(process.stdout.readline().rsplit(":", 1)[1])
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=HANGS) == 0


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with started() as (_, found):
        yield found


def call(patient: str = "x", *headers: str) -> bytes:
    body = json.dumps(call_body(context__patientId=patient)).encode()
    head = [f"POST {SELECT} HTTP/1.1", "Host: x", "Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join([*head, *headers, "", ""]).encode() + body


def answered(connection: socket.socket) -> tuple[int, bytes, dict[str, object]]:
    """Status, head and body of the next answer."""
    received = b""
    while b"\r\n\r\n" not in received:
        received += connection.recv(65536)
    head, body = received.split(b"\r\n\r\n", 1)
    length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
    while len(body) < length:
        body += connection.recv(65536)
    return int(head.split()[1]), head, json.loads(body)


def ask(port: int, sent: bytes) -> tuple[int, bytes, dict[str, object]]:
    with socket.create_connection(("127.0.0.1", port), timeout=HANGS) as connection:
        connection.sendall(sent)
        return answered(connection)


def test_what_answers_a_call_knows_until_when() -> None:
    service = StubService()
    client = client_of(service)
    assert client.post(SELECT, json=call_body(), environ_base={ANSWER_BY: 7.5}).status_code == 200
    assert client.post(SELECT, json=call_body()).status_code == 200
    assert [made.answer_by for made, _ in service.calls] == [7.5, math.inf]


HEALTH = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"


def test_for_more_calls_than_there_is_room_for_503_and_health_answers(port: int) -> None:
    with ThreadPoolExecutor(20) as pool:
        calls = [pool.submit(ask, port, call("sleeps-250")) for _ in range(12)]
        assert ask(port, HEALTH)[0] == 200
        found = [each.result() for each in calls]
    told = Counter(status for status, *_ in found)  # there is room for three; a slow machine is late with some of them
    assert set(told) == {200, 503}
    assert told.total() == 12
    refused = next(each for each in found if each[0] == 503)
    assert b"Retry-After: 2" in refused[1]
    assert refused[2]["resourceType"] == "OperationOutcome"
    assert "do not read this as no contraindication" in str(refused[2])


def test_a_call_without_an_answer_in_time_is_told_so_and_the_next_is_answered(port: int) -> None:
    status, head, body = ask(port, call("sleeps-3500"))
    assert (status, body["resourceType"]) == (503, "OperationOutcome")
    assert b"Retry-After" in head
    assert b"\r\nX-Request-ID: " in head
    assert "do not read this as no contraindication" in str(body)
    assert ask(port, call())[0] == 200  # the thread that sleeps on keeps nobody from a turn


def test_clients_that_send_half_or_nothing_keep_nobody_waiting(port: int) -> None:
    halves = [socket.create_connection(("127.0.0.1", port), timeout=HANGS) for _ in range(60)]
    for number, each in enumerate(halves):
        each.sendall((b"", call()[:40], call()[:-5])[number % 3])
    assert ask(port, call())[0] == 200
    assert ask(port, HEALTH)[0] == 200
    status, _, body = answered(halves[1])  # half a head: told when its time is over
    assert (status, body["resourceType"]) == (408, "OperationOutcome")
    for each in halves:
        each.close()


def test_a_client_that_takes_no_answer_keeps_nobody_waiting(port: int) -> None:
    with socket.socket() as first, socket.socket() as second:
        for each in (first, second):
            each.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
            each.connect(("127.0.0.1", port))
            each.sendall(b"GET /cds-services HTTP/1.1\r\nHost: x\r\n\r\n")
            assert each.recv(100).startswith(b"HTTP/1.1 200 OK")
        assert ask(port, call())[0] == 200


def test_requests_behind_each_other_are_answered_in_order(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=HANGS) as connection:
        connection.sendall(call("sleeps-50") + HEALTH + call())
        received = b""
        while received.count(b"HTTP/1.1 200") < 3 or not received.endswith(b'{"cards":[]}'):
            received += connection.recv(65536)
    assert [b"cards" in part for part in received.split(b"HTTP/1.1 200")[1:]] == [True, False, True]


def test_a_client_that_waits_for_a_word_before_its_body_gets_it(port: int) -> None:
    request = call("x", "Expect: 100-continue")
    head, body = request.split(b"\r\n\r\n", 1)
    with socket.create_connection(("127.0.0.1", port), timeout=HANGS) as connection:
        connection.sendall(head + b"\r\n\r\n")
        assert connection.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(body)
        assert answered(connection)[0] == 200


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="finds the workers of a process by Linux's proc")
def test_a_worker_in_which_a_call_never_ends_is_replaced() -> None:
    with started() as (process, port):
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        before = children.read_text().split()
        assert ask(port, call("spins"))[0] == 503
        until = time.monotonic() + HANGS
        while children.read_text().split() in (before, []) and time.monotonic() < until:
            time.sleep(0.1)
        assert children.read_text().split() not in (before, [])
        assert ask(port, call())[0] == 200


def test_calls_in_work_end_before_the_service_does() -> None:
    found: list[int] = []
    with started() as (process, port):
        asking = threading.Thread(target=lambda: found.append(ask(port, call("sleeps-700"))[0]))
        asking.start()
        time.sleep(0.3)
        process.send_signal(signal.SIGTERM)
        asking.join(HANGS)
    assert found == [200]
