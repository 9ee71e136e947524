"""What nginx refuses by itself, with the configuration that ships: an OperationOutcome, as the service refuses it."""

from __future__ import annotations

import json
import socket
from email.message import Message
from http.client import HTTPResponse
from pathlib import Path

import pytest

from cds_service.web import outcome
from tests.operation.test_replicas import NGINX, proxied, replica

_HANGS = 30
# What nginx refuses without asking anybody: the status, and the FHIR IssueType.
REFUSED = {
    "no HTTP": (b"\x16\x03\x01 zq7\r\n\r\n", 400, "structure"),
    "no Host": (b"GET /zq7 HTTP/1.1\r\n\r\n", 400, "structure"),
    "a path that climbs": (b"GET /../zq7 HTTP/1.1\r\nHost: x\r\n\r\n", 400, "structure"),
    "no length": (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: zq7\r\n\r\n", 400, "structure"),
    "an address of its own": (b"GET /refused?zq7 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 404, "not-found"),
    "the metrics": (b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 404, "not-found"),
    "a method": (b"TRACE /zq7 HTTP/1.1\r\nHost: x\r\n\r\n", 405, "not-supported"),
    "a large body": (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000\r\n\r\n", 413, "too-long"),
    "a long address": (b"GET /" + b"zq7" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414, "too-long"),
    "a large header": (b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"zq7" * 9000 + b"\r\n\r\n", 431, "too-long"),
    "large headers": (b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X: %s\r\n" % (b"zq7" * 4000) * 9, 431, "too-long"),
    "a coding": (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: zq7\r\n\r\n", 501, "not-supported"),
    "a version": (b"GET /zq7 HTTP/7.0\r\nHost: x\r\n\r\n", 505, "not-supported"),
}
_OF_NGINX = {501, 505}  # the service never says so


@pytest.mark.skipif(NGINX is None, reason="no nginx here: install Debian's package nginx-light")
def test_what_nginx_refuses_it_refuses_as_the_service_does(tmp_path: Path) -> None:
    asked: list[str] = []
    with replica(True, asked) as one, proxied(tmp_path, [one]) as base:
        asked.clear()
        ids = set()
        for what, (sent, expected, code) in REFUSED.items():
            status, headers, body = sent_as_it_is(base, sent)
            (issue,) = json.loads(body)["issue"]
            assert (what, status, issue["code"]) == (what, expected, code)
            assert status in _OF_NGINX or issue["diagnostics"] == outcome.known(status).diagnostics
            assert headers.get_content_type() == "application/json"
            assert headers["Cache-Control"] == "no-store"
            assert bool(headers["Allow"]) is (status == 405)
            assert b"zq7" not in body
            ids.add(headers["X-Request-ID"])
    assert len(ids) == len(REFUSED)
    assert asked == []
    lines = (tmp_path / "access.log").read_text(encoding="utf-8")
    assert all(each in lines for each in ids)
    assert "zq7" not in lines


def sent_as_it_is(base: str, request: bytes) -> tuple[int, Message, bytes]:
    """Status, headers and body of the answer to these bytes."""
    host, port = base.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=_HANGS) as connection:
        connection.sendall(request)
        answer = HTTPResponse(connection)
        answer.begin()
        return answer.status, answer.headers, answer.read()
