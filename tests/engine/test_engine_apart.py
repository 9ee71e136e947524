"""durable-rules in a process of its own: the same findings, and a crash or a hang costs one evaluation."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from dataclasses import replace

import pytest

from cds_service.engine import Engine, apart
from cds_service.engine.apart import HostApart, serve
from cds_service.engine.durable import DurableFailure, GuardedHost
from tests.engine.engine_book import HOOK, KIND, Book, rule

# In a process with one thread, as a worker is when it starts.
PROGRAM = """
import os, signal, sys, time
from cds_service.engine import Engine, apart
from cds_service.engine.durable import DurableFailure, GuardedHost
from tests.engine.engine_book import HOOK, KIND, Book, rule

way = sys.argv[1]
run = GuardedHost.run
def misbehave(self, ruleset, values):
    if values.get("age") == 99:
        if way == "crash":
            os.kill(os.getpid(), signal.SIGSEGV)
        while way == "hang":
            pass
        raise RuntimeError("told")
    return run(self, ruleset, values)

engine = Engine(Book(rule(when=[{"fact": "age", "atLeast": 18}])))
plain = engine.run(HOOK, KIND, {"age": 30})
GuardedHost.run = misbehave
apart.EVALUATION_SECONDS = 0.5
engine.set_apart()
engine.warm()
assert engine.run(HOOK, KIND, {"age": 30}) == plain
bad = engine.run(HOOK, KIND, {"age": 99})
assert (bad.fired, bad.disagreements, set(bad.outcomes)) == (frozenset(), (), set(plain.outcomes))
assert engine.run(HOOK, KIND, {"age": 30}) == plain
print(bad.failure)
nursery = engine._hosts._make.__self__
if way == "nobody":
    os.kill(nursery.pid, signal.SIGKILL)
    os.waitpid(nursery.pid, 0)
    ended = []
    signal.signal(signal.SIGTERM, lambda *_: ended.append(True))
    engine._hosts._idle.clear()
    print(engine.run(HOOK, KIND, {"age": 30}).failure, ended)
nursery.close()
"""


@pytest.mark.parametrize(
    ("way", "told"),
    [
        ("crash", "DurableFailure: durable-rules: its process broke down or hangs (EOFError)"),
        ("hang", "DurableFailure: durable-rules: its process broke down or hangs (TimeoutError)"),
        ("error", "DurableFailure: RuntimeError: told"),
        (
            "nobody",
            "DurableFailure: RuntimeError: told\nBrokenPipeError: [Errno 32] Broken pipe [True]",
        ),
    ],
)
def test_what_goes_wrong_costs_one_evaluation(way: str, told: str) -> None:
    found = subprocess.run(
        [sys.executable, "-c", PROGRAM, way], capture_output=True, text=True, timeout=60, check=False
    )
    assert (found.stdout.strip(), found.returncode) == (told, 0), found.stderr


class Nobody:
    """In place of a nursery."""

    owner = 1

    def __init__(self) -> None:
        self.ended: list[int] = []

    def end(self, pid: int) -> None:
        self.ended.append(pid)


def test_what_is_asked_and_told() -> None:
    """The loop of such a process, in a thread of this one."""
    rulesets = Engine(Book(rule(when=[{"fact": "age", "atLeast": 18}])))._rulesets()
    (ruleset,) = rulesets.values()
    ours, theirs = socket.socketpair()
    thread = threading.Thread(target=serve, args=(theirs, rulesets, GuardedHost()))
    thread.start()
    nursery = Nobody()
    host = HostApart(nursery, ours, 7)  # type: ignore[arg-type]
    assert host.run_all([ruleset], {"age": 18}) == {"only"}
    assert host.run_all([ruleset], {"age": 17.5}) == set()
    assert host.run_all([ruleset], {}) == set()
    with pytest.raises(DurableFailure, match="KeyError: 'other'"):
        host.run_all([replace(ruleset, name="other")], {})
    thread.join(10)
    assert nursery.ended == [7]
    theirs.close()


def test_a_message_may_come_in_pieces() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        apart._send(ours, ("x", {"a": 1}))
        sent = theirs.recv(100)
        for byte in sent:
            ours.sendall(bytes([byte]))
        assert len(apart._receive(theirs)) == len(sent) - 4
        ours.close()
        with pytest.raises(EOFError):
            apart._receive(theirs)


def test_rules_of_every_hook_may_be_asked() -> None:
    engine = Engine(Book(rule(when=[{"fact": "age", "atLeast": 18}])))
    assert {step.ruleset.name for step in engine._plans[HOOK, KIND].steps} == set(engine._rulesets())
