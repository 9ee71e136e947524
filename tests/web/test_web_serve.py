"""`anakinra-cds serve` as a process: says where it listens, refuses what is no HTTP, and stops in order."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from cds_service.store import feedback
from cds_service.store.database import Database
from cds_service.store.place import Place
from tests.support.live import never_left
from tests.web.stub import SELECT, call_body

CANARY = "Zq7-canary"
# The command with the stub in place of the service.
PROGRAM = """
import sys
from contextlib import nullcontext
from cds_service import knowledge
from cds_service.cli import main
from cds_service.tools.commands import serve
from cds_service.errors import KnowledgeError
from tests.web.stub import StubService

def load(root, site):
    if site == "broken":
        raise KnowledgeError("rules/x.yaml:1: title: missing")

knowledge.load = load
serve.compiled = lambda settings, loaded: None
serve.start_service = lambda settings, program, away: StubService()
serve.building = lambda settings: nullcontext()
main(["serve", "--port", "0", "--workers", "2", "--threads", "2"])
"""


def start(**environ: str) -> subprocess.Popen[str]:
    environ = {"XDG_STATE_HOME": os.environ["XDG_STATE_HOME"]} | environ
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environ
    )


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with never_left(start()) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("listening on http://127.0.0.1:")
        yield int(line.rsplit(":", 1)[1])
        process.send_signal(signal.SIGTERM)
        rest, log = process.communicate(timeout=20)
        assert process.returncode == 0
    assert rest == ""  # said once, not by each worker
    assert '"status":200' in log
    assert CANARY not in log


def exchange(port: int, request: bytes) -> tuple[int, dict[str, object]]:
    """The status and the JSON that `request`, sent as it is, is answered with."""
    answer = b""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(request)
        while chunk := connection.recv(65536):
            answer += chunk
    head, body = answer.split(b"\r\n\r\n", 1)
    assert b"application/json" in head
    assert CANARY.encode() not in answer
    return int(head.split()[1]), json.loads(body)


def request(body: bytes, *headers: str, line: str = f"POST {SELECT} HTTP/1.1") -> bytes:
    head = [line, "Host: x", "Content-Type: application/json", "Connection: close", *headers]
    return "\r\n".join([*head, "", ""]).encode() + body


def test_a_call_with_and_without_a_length(port: int) -> None:
    body = json.dumps(call_body(context__patientId=CANARY)).encode()
    assert exchange(port, request(body, f"Content-Length: {len(body)}")) == (200, {"cards": []})
    chunked = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    assert exchange(port, request(chunked, "Transfer-Encoding: chunked")) == (200, {"cards": []})


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (request(b"", line=f"GET /{CANARY * 1000} HTTP/1.1"), 414),
        (request(b"", f"Authorization: Bearer {CANARY * 2000}"), 431),
        (request(b"", f"Content-Length: -{CANARY}"), 400),
        (request(b"", "Transfer-Encoding: chunked") + f"{CANARY}\r\n\r\n".encode(), 400),
        (f"{CANARY}\r\n\r\n".encode(), 400),
        (request(b""), 400),
        (request(b"", "Content-Length: 3000000") + b" " * 3_000_000, 413),
    ],
)
def test_what_cannot_be_read_is_an_operation_outcome(port: int, sent: bytes, status: int) -> None:
    found, outcome = exchange(port, sent)
    assert (found, outcome["resourceType"]) == (status, "OperationOutcome")


def test_knowledge_that_cannot_be_used_ends_the_server_with_one_message() -> None:
    with start(CDS_SITE="broken", CDS_WORKERS="1") as process:
        out, log = process.communicate(timeout=30)
    assert (process.returncode, out, log) == (1, "", "Error: rules/x.yaml:1: title: missing\n")


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="finds the workers of a process by Linux's proc")
def test_feedback_that_was_acknowledged_outlives_its_worker(tmp_path: Path) -> None:
    with start(CDS_DATA=str(tmp_path), CDS_LOG_LEVEL="ERROR") as process:
        assert process.stdout is not None
        listening = int(process.stdout.readline().rsplit(":", 1)[1])
        told = [str(uuid4()) for _ in range(20)]
        for card in told:
            item = {"card": card, "outcome": "overridden", "outcomeTimestamp": "2026-03-05T12:00:00Z"}
            body = json.dumps({"feedback": [item]}).encode()
            line = f"POST {SELECT}/feedback HTTP/1.1"
            assert exchange(listening, request(body, f"Content-Length: {len(body)}", line=line)) == (200, {})
        for worker in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split():
            os.kill(int(worker), signal.SIGKILL)
        with Database(Place(tmp_path)).reading() as connection:
            assert {row["card"] for row in feedback.listed(connection, None, None)} == set(told)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
