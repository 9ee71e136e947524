"""SIGTERM: calls in work are answered, and what was to be recorded is."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from urllib.request import Request, urlopen

from tests.support.live import never_left
from tests.web.stub import SELECT, call_body

_HANGS = 30
# The command with a stub that says when a call has reached it, and answers when it is told to.
PROGRAM = """
import sys, time
from contextlib import nullcontext
from pathlib import Path
from cds_service import knowledge
from cds_service.cli import main
from cds_service.tools.commands import serve
from tests.web.stub import StubService

class Slow(StubService):
    def assess(self, call, now):
        here = Path(sys.argv[1])
        here.joinpath("reached").touch()
        while not here.joinpath("go").exists():
            time.sleep(0.01)

knowledge.load = lambda root, site: None
serve.compiled = lambda settings, loaded: None
serve.start_service = lambda *_: Slow()
serve.building = lambda settings: nullcontext()
main(["serve", "--port", "0", "--workers", "2", "--threads", "2"])
"""


def test_a_call_in_work_is_answered_and_recorded_before_the_end(tmp_path: Path) -> None:
    environ = {"XDG_STATE_HOME": os.environ["XDG_STATE_HOME"], "CDS_DATA": str(tmp_path / "data")}
    words = [sys.executable, "-c", PROGRAM, str(tmp_path)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    answers: list[tuple[int, bytes]] = []
    with never_left(subprocess.Popen(words, env=environ, **pipes)) as process:  # type: ignore[call-overload]
        base = process.stdout.readline().removeprefix("listening on ").strip()
        asking = threading.Thread(target=lambda: answers.append(asked(base)))
        asking.start()
        until(tmp_path / "reached")
        process.send_signal(signal.SIGTERM)
        time.sleep(1)  # it is ending by now
        assert process.poll() is None
        (tmp_path / "go").touch()
        asking.join(_HANGS)
        _, log = process.communicate(timeout=_HANGS)
    assert answers == [(200, b'{"cards":[]}')]
    assert process.returncode == 0
    told = [json.loads(line) for line in log.splitlines()]
    assert [line["status"] for line in told if line["message"] == "call"] == [200]
    assert not [line for line in told if "not recorded" in line["message"]]
    assert b"anakinra-order-select" in (tmp_path / "data/store.sqlite").read_bytes()


def asked(base: str) -> tuple[int, bytes]:
    headers = {"Content-Type": "application/json"}
    with urlopen(Request(base + SELECT, json.dumps(call_body()).encode(), headers), timeout=_HANGS) as answer:
        return answer.status, answer.read()


def until(file: Path) -> None:
    end = time.monotonic() + _HANGS
    while not file.exists():
        assert time.monotonic() < end
        time.sleep(0.01)
