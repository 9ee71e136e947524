"""`anakinra-cds serve` as a process: says where it listens, refuses what is no HTTP, and stops in order."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from email import message_from_string
from email.message import Message
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.request import urlopen
from uuid import uuid4

import pytest

from cds_service.store import feedback
from cds_service.store.database import Database
from cds_service.store.place import Place
from tests.support.live import never_left
from tests.web.stub import EHR, SELECT, call_body

CANARY = "Zq7-canary"
# The command with the stub in place of the service.
PROGRAM = """
import sys
from contextlib import nullcontext
from cds_service import knowledge
from cds_service.cli import main
from cds_service.tools.commands import serve
from cds_service.errors import KnowledgeError
from cds_service.web.front import sockets
from tests.web.stub import StubService

def load(root, site):
    if site == "broken":
        raise KnowledgeError("rules/x.yaml:1: title: missing")

sockets.HEAD_SECONDS = sockets.BODY_SECONDS = 0.5
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
    with never_left(start(CDS_CORS_ORIGINS=EHR)) as process:
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
    status, _, body = exchanged(port, request)
    return status, json.loads(body)


def exchanged(port: int, request: bytes) -> tuple[int, Message, bytes]:
    """Status, headers and body of the answer."""
    answer = b""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(request)
        while chunk := connection.recv(65536):
            answer += chunk
    head, body = answer.split(b"\r\n\r\n", 1)
    line, _, fields = head.decode().partition("\r\n")
    assert CANARY.encode() not in answer
    headers = message_from_string(fields)
    assert headers.get_content_type() in ("application/json", "application/fhir+json")
    return int(line.split()[1]), headers, body


def request(body: bytes, *headers: str, line: str = f"POST {SELECT} HTTP/1.1") -> bytes:
    head = [line, "Host: x", "Content-Type: application/json", "Connection: close", *headers]
    return "\r\n".join([*head, "", ""]).encode() + body


def test_a_call_with_and_without_a_length(port: int) -> None:
    body = json.dumps(call_body(context__patientId=CANARY)).encode()
    assert exchange(port, request(body, f"Content-Length: {len(body)}")) == (200, {"cards": []})
    chunked = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    assert exchange(port, request(chunked, "Transfer-Encoding: chunked")) == (200, {"cards": []})


# What cannot be read, the status that it is refused with, and what that is counted as.
UNREADABLE = {
    "address": (request(b"", line=f"GET {SELECT}/{CANARY * 1000} HTTP/1.1"), 414, "address too long"),
    "header": (request(b"", f"Authorization: Bearer {CANARY * 2000}"), 431, "headers too large"),
    "headers": (request(b"", f"X: {CANARY * 10_000}"), 431, "headers too large"),
    "length": (request(b"", f"Content-Length: -{CANARY}"), 400, "malformed"),
    "chunk": (request(b"", "Transfer-Encoding: chunked") + f"{CANARY}\r\n\r\n".encode(), 400, None),
    "version": (request(b"", line=f"POST {SELECT} HTTP/9.9"), 400, "malformed"),
    "method": (request(b"", line=f"get {SELECT} HTTP/1.1"), 400, "malformed"),
    "other method": (request(b"", line=f"BREW {SELECT} HTTP/1.1"), 405, None),
    "no body": (request(b""), 400, None),
    "body": (request(b"", "Content-Length: 3000000") + b" " * 3_000_000, 413, "body too large"),
    "chunks": (request(b"300000\r\n", "Transfer-Encoding: chunked"), 413, "body too large"),
    "body in time": (request(b"x", "Content-Length: 5"), 408, "too slow"),
    "head in time": (request(b"", "X: y")[:-2], 408, "too slow"),
}
"""None: of what Flask is told, calls are counted by service and status."""
ID = "0b9b1b0e-8f3a-4c1e-9d59-0a5a6b7c8d9e"


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_cannot_be_read_is_refused_like_any_other_call(port: int, name: str) -> None:
    sent, status, why = UNREADABLE[name]
    line, rest = sent.split(b"\r\n", 1)
    sent = line + f"\r\nOrigin: {EHR}\r\nX-Request-ID: {ID}\r\n".encode() + rest
    before = refused(port)
    found, headers, body = exchanged(port, sent)
    outcome = json.loads(body)
    assert (found, outcome["resourceType"]) == (status, "OperationOutcome")
    assert outcome["issue"][0]["diagnostics"]
    assert headers["X-Request-ID"] == ID
    assert headers["Access-Control-Allow-Origin"] == EHR
    assert (headers["Vary"], headers["Cache-Control"]) == ("Origin", "no-store")
    assert parsedate_to_datetime(headers["Date"])
    assert refused(port) - before == Counter([why] if why else [])


def refused(port: int) -> Counter[str]:
    """How many requests were refused before the application, by why."""
    with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=20) as answer:
        found = re.findall(r'anakinra_cds_refused_total\{why="([^"]+)"\} (\d+)', answer.read().decode())
    return Counter({why: int(number) for why, number in found})


def test_a_refusal_elsewhere_is_marked_as_an_answer_there(port: int) -> None:
    for path, kind in (("/knowledge", "application/json"), ("/fhir/Library", "application/fhir+json")):
        _, headers, _ = exchanged(
            port, request(b"", "Content-Length: x", f"Origin: {EHR}", line=f"GET {path} HTTP/1.1")
        )
        assert (headers["Content-Type"], headers["Access-Control-Allow-Origin"]) == (kind, None)


def test_a_refused_head_has_no_body(port: int) -> None:
    status, headers, body = exchanged(port, request(b"", "Content-Length: x", line="HEAD /health HTTP/1.1"))
    assert (status, body) == (400, b"")
    assert int(headers["Content-Length"]) > 0


def test_knowledge_that_cannot_be_used_ends_the_server_with_one_message() -> None:
    with start(CDS_SITE="broken", CDS_WORKERS="1") as process:
        out, log = process.communicate(timeout=30)
    assert (process.returncode, out, log) == (1, "", "Error: rules/x.yaml:1: title: missing\n")


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="finds the workers of a process by Linux's proc")
def test_feedback_that_was_acknowledged_outlives_its_worker(tmp_path: Path) -> None:
    with never_left(start(CDS_DATA=str(tmp_path), CDS_LOG_LEVEL="ERROR")) as process:
        assert process.stdout is not None
        listening = int(process.stdout.readline().rsplit(":", 1)[1])
        end = time.monotonic() + 30  # the tables are made first, which may take longer than an answer
        while exchange(listening, request(b"", line="GET /ready HTTP/1.1"))[1]["store"] != "up":
            assert time.monotonic() < end
            time.sleep(0.05)
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
