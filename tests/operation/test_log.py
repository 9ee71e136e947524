"""The log is JSON lines about calls; nothing of a patient, a clinician, a token or a value is in it, nor on disk."""

from __future__ import annotations

import io
import json
import logging
import signal
import sqlite3
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen
from uuid import uuid4

import pytest

from cds_service.web import logs
from tests.operation import canary_chart
from tests.operation.canary_chart import BREAK, FACT, MARK, NEUTROPHILS, Canaries
from tests.support.collector import collecting
from tests.support.live import process_of
from tests.web.stub import CARD, SELECT, StubService, call_body, client_of, post

Heard = tuple[Canaries, dict[str, bytes], list[bytes]]
TOKEN = "zq7token" * 4
_HANGS = 20
_KEYS = {"time", "level", "logger", "process", "message"}


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """What is logged in this process meanwhile, at DEBUG."""
    root, hooks = logging.getLogger(), (logs.sys.excepthook, threading.excepthook, warnings.showwarning)
    before = root.handlers[:], root.level
    stream = io.StringIO()
    root.handlers.clear()
    logs.configure("DEBUG", stream)
    try:
        yield stream
    finally:
        root.handlers[:], root.level = before
        logs.sys.excepthook, threading.excepthook, warnings.showwarning = hooks


def told(stream: io.StringIO) -> list[dict[str, Any]]:
    """Each line as an object, of ASCII; a line is what any reader would take for one."""
    text = stream.getvalue()
    assert text.isascii()
    assert text.splitlines() == text.split("\n")[:-1]
    found = [json.loads(line) for line in text.splitlines()]
    assert all(set(each) >= _KEYS for each in found)
    return found


def test_a_call_is_one_line(lines: io.StringIO) -> None:
    client = client_of(StubService({"cards": [CARD, CARD]}))
    answers = [post(client, call_body()), post(client, call_body(context__patientId="p2")), post(client, b"{}")]
    first, second, third = [each for each in told(lines) if each["message"] == "call"]
    assert (first["service"], first["hook"], first["status"]) == ("anakinra-order-select", "order-select", 200)
    assert first["decisions"] == ["suggest crs-refractory"] * 2
    assert first["ms"] > 0
    assert first["instance"] == second["instance"]
    assert first["patient"] != second["patient"]
    assert (third["status"], third["decisions"], third["instance"], third["patient"]) == (400, [], None, None)
    assert [each["request"] for each in (first, second, third)] == [a.headers["X-Request-ID"] for a in answers]


def test_the_id_of_a_request_is_taken_over_only_where_it_is_nobodys_name(lines: io.StringIO) -> None:
    client = client_of(StubService())
    for sent, kept in ((str(uuid4()), True), (uuid4().hex.upper(), True), (f"{MARK}-{uuid4()}", False), ("", False)):
        answer = post(client, call_body(), headers={"X-Request-ID": sent})
        assert (answer.headers["X-Request-ID"] == sent.lower()) is kept
    assert MARK not in lines.getvalue()
    assert len({each["request"] for each in told(lines)}) == 4


def test_what_is_logged_while_a_call_is_answered_has_its_id(lines: io.StringIO) -> None:
    answer = post(client_of(StubService(RuntimeError(MARK))), call_body())
    assert {each["request"] for each in told(lines)} == {answer.headers["X-Request-ID"]}


def test_nothing_that_others_say_is_repeated(lines: io.StringIO) -> None:
    for name in ("somebody.else", "gunicorn.error", "py.warnings"):
        other = logging.getLogger(name)
        other.setLevel(logging.NOTSET)
        other.propagate = True
        other.debug("%s", MARK)
        other.warning("worker %d was sent %s", 7, MARK)
        other.warning("%(a)s", {"a": MARK})
        try:
            raise ValueError(MARK) from KeyError(MARK)
        except ValueError:
            other.exception("failed: %s", MARK)
    warnings.showwarning(UserWarning(MARK), UserWarning, "x.py", 3)
    ending = threading.Thread(target=lambda: [][len(MARK)])
    ending.start()
    ending.join()
    assert MARK not in lines.getvalue()
    found = told(lines)
    assert len(found) == 3 * 3 + 2
    assert "worker 7 was sent ..." in {each["message"] for each in found}
    assert sum("ValueError" in each.get("error", "") for each in found) == 3
    assert "IndexError" in found[-1]["message"]


def test_nothing_begins_a_line_of_its_own(lines: io.StringIO) -> None:
    logging.getLogger("cds_service.x").error("a%s", BREAK, extra={"told": {"b": BREAK}})
    (only,) = told(lines)
    assert (only["level"], only["b"]) == ("ERROR", BREAK)


@pytest.fixture(scope="module")
def heard(tmp_path_factory: pytest.TempPathFactory) -> Heard:
    """The canaries, all that a served process left behind at DEBUG, by where it was, and its answers."""
    data, canaries = tmp_path_factory.mktemp("data"), Canaries()
    request = canary_chart.call(canaries, TOKEN)
    wrong = canary_chart.broken(request, canaries)
    settings = {"CDS_LOG_LEVEL": "DEBUG", "CDS_DATA": str(data), "CDS_FEEDBACK_COMMENTS": "off"}
    settings |= {"CDS_ALLOW_EVALUATION_TIME": "on"}
    with collecting() as collector, process_of(**settings, **collector.settings) as (process, base):
        until(lambda: json.loads(got(f"{base}/ready"))["store"] == "up")
        reader = sqlite3.connect(data / "store.sqlite")  # whoever reads keeps the write-ahead log from being folded in
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM card").fetchall()
        answers = [posted(base + SELECT, each) for each in (request, *wrong)]
        uuid = json.loads(answers[0])["cards"][0]["uuid"]
        reason = {"reason": {"code": "infection-treated"}, "userComment": canaries.one("comment") + BREAK}
        item = {"card": uuid, "outcome": "overridden", "overrideReason": reason}
        posted(f"{base}{SELECT}/feedback", {"feedback": [item | {"outcomeTimestamp": "2026-03-05T12:00:00Z"}]})
        posted(f"{base}/{canaries.one('path')}?{canaries.one('query')}", request)
        posted(f"{base}{SELECT}?{canaries.one('query')}", request, method=MARK.upper())
        left = {"metrics": got(f"{base}/metrics"), "ready": got(f"{base}/ready")}
        left |= {f"running {path.name}": path.read_bytes() for path in data.rglob("*") if path.is_file()}
        reader.close()
        process.send_signal(signal.SIGTERM)
        out, log = process.communicate(timeout=30)
    left |= {"stdout": out.encode(), "log": log.encode(), "spans": b"".join(collector.bodies)}
    left |= {path.name: path.read_bytes() for path in data.rglob("*") if path.is_file()}
    # In the file a long text is cut into pages.
    with sqlite3.connect(data / "store.sqlite") as connection:
        left["rows"] = "\n".join(connection.iterdump()).encode()
    connection.close()
    return canaries, left, answers


def got(url: str) -> bytes:
    with urlopen(url, timeout=_HANGS) as response:
        return bytes(response.read())


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + _HANGS
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)


def posted(url: str, body: Any, method: str = "POST") -> bytes:
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {TOKEN}", "User-Agent": MARK}
    headers |= {"traceparent": f"00-{1:032x}-{1:016x}-01", "tracestate": f"{MARK}={MARK}", "baggage": f"{MARK}={MARK}"}
    try:
        with urlopen(Request(url, json.dumps(body).encode(), headers, method=method), timeout=_HANGS) as response:
            return bytes(response.read())
    except HTTPError as error:
        return error.read()


def test_no_canary_is_logged_counted_traced_or_on_disk(heard: Heard) -> None:
    canaries, left, answers = heard
    assert len(canaries.made) > 200
    assert MARK.encode() in answers[0], "the answer is about another chart"
    assert {
        "running store.sqlite",
        "running store.sqlite-wal",
        "store.sqlite",
        "rows",
        "log",
        "metrics",
        "spans",
    } <= set(left)
    assert all(word in left["spans"] for word in (b"anakinra-order-select", b"suggest crs-", b"feedback"))
    found = {where for where, content in left.items() for word in (MARK, TOKEN[:8]) if word.encode() in content.lower()}
    assert found == set()


def test_no_value_is_logged_or_counted_and_a_record_has_no_more_than_values(
    heard: Heard,
) -> None:
    _, left, _ = heard
    told = left["log"] + left["metrics"] + left["ready"] + left["stdout"] + left["spans"]
    assert all(value.encode() not in told for value in (str(NEUTROPHILS), FACT))
    assert FACT.encode() in left["rows"], "no record rests on the value that is looked for"
    assert str(NEUTROPHILS).encode() not in left["rows"]


def test_the_log_of_a_process_is_lines(heard: Heard) -> None:
    _, left, answers = heard
    found = told(io.StringIO(left["log"].decode()))
    calls = [each for each in found if each["message"] == "call"]
    assert [each["status"] for each in calls][:4] == [200, 400, 400, 400]
    assert len(calls) == len(answers)
    assert {each["level"] for each in found} <= {"DEBUG", "INFO", "WARNING", "ERROR"}
    assert any(each["message"] == "feedback" for each in found)


def test_a_crash_leaves_no_memory_behind() -> None:
    """The limit is the process's own: what it was started with does not matter."""
    with process_of(CDS_STORE="off") as (process, base):
        assert base
        limits = Path(f"/proc/{process.pid}/limits")
        if limits.exists():
            (line,) = [each for each in limits.read_text().splitlines() if each.startswith("Max core")]
            assert line.split()[4:6] == ["0", "0"]
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
