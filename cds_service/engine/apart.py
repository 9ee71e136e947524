"""Runs durable-rules in processes of their own: where the C library crashes or hangs, one evaluation fails, no worker.

A process of threads cannot fork safely. So one is forked while there is a single thread, does nothing but fork others
when asked, and ends with its parent.
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import socket
import struct
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, NoReturn

import msgspec

from cds_service.engine.compile import Ruleset
from cds_service.engine.durable import DurableFailure, GuardedHost
from cds_service.engine.values import Scalar

EVALUATION_SECONDS: Final = 1.5
"""An evaluation takes a thousandth of it."""
_LENGTH: Final = struct.Struct("=I")
_PID: Final = struct.Struct("=i")
_FORK: Final = 0
_encode = msgspec.msgpack.Encoder().encode
_ASKED: Final = msgspec.msgpack.Decoder(tuple[list[str], dict[str, bool | int | float | str]])
_TOLD: Final = msgspec.msgpack.Decoder(tuple[set[str], str])


class Nursery:
    """Makes processes that evaluate. Make it while the process has one thread; use it from any."""

    def __init__(self, rulesets: Mapping[str, Ruleset]) -> None:
        """`rulesets` by name: all that will ever be run."""
        self.owner = os.getpid()
        self._lock = threading.Lock()
        self._control, theirs = socket.socketpair()
        self.pid = os.fork()
        if not self.pid:
            _end_after(lambda: _tend(theirs, rulesets))
        theirs.close()

    def host(self) -> HostApart:
        """A new process. Raises DurableFailure where none can be made any more; then this process is ended, in order,
        so that another takes its place."""
        try:
            with self._lock:
                self._control.sendall(_PID.pack(_FORK))
                told, (descriptor,), _, _ = socket.recv_fds(self._control, _PID.size, 1)
        except (OSError, ValueError) as error:
            os.kill(os.getpid(), signal.SIGTERM)
            raise DurableFailure("durable-rules: no process can be made for it; this worker ends") from error
        return HostApart(self, socket.socket(fileno=descriptor), _PID.unpack(told)[0])

    def end(self, pid: int) -> None:
        """End a process that may hang."""
        with self._lock, contextlib.suppress(OSError):
            self._control.sendall(_PID.pack(pid))

    def close(self) -> None:
        """End all."""
        self._control.close()
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self.pid, 0)


class HostApart:
    """Has the place of a `GuardedHost`, for one evaluation at a time. After an exception it is of no use."""

    def __init__(self, nursery: Nursery, connection: socket.socket, process: int) -> None:
        self.pid = nursery.owner
        self._nursery = nursery
        self._connection = connection
        self._process = process
        connection.settimeout(EVALUATION_SECONDS)

    def run_all(self, rulesets: Iterable[Ruleset], values: Mapping[str, Scalar]) -> set[str]:
        """Ids of the rules that fire on these values, each ruleset by itself. Raises DurableFailure."""
        try:
            _send(self._connection, ([ruleset.name for ruleset in rulesets], values))
            fired, why = _TOLD.decode(_receive(self._connection))
        except (OSError, EOFError, msgspec.MsgspecError) as error:
            fired, why = set(), f"durable-rules: its process broke down or hangs ({type(error).__name__})"
        if why:
            self._connection.close()
            self._nursery.end(self._process)
            raise DurableFailure(why)
        return fired


def serve(connection: socket.socket, rulesets: Mapping[str, Ruleset], host: GuardedHost) -> None:
    """Evaluate what is asked until nobody asks any more, or something goes wrong."""
    why = ""
    while not why:
        try:
            names, values = _ASKED.decode(_receive(connection))
        except EOFError:
            return
        fired: set[str] = set()
        try:
            fired = host.run_all([rulesets[name] for name in names], values)
        except Exception as error:  # told to who asked, and there an error
            first = error.__context__ or error
            why = f"{type(first).__name__}: {first}"
        _send(connection, (fired, why))


def _tend(control: socket.socket, rulesets: Mapping[str, Ruleset]) -> None:
    """Fork and end processes as asked, until the parent is gone."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    # The parent's listening sockets are not kept open.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    keep = control.fileno()
    os.closerange(3, keep)
    os.closerange(keep + 1, min(most, 1 << 16))
    living: set[int] = set()
    try:
        while asked := control.recv(_PID.size):
            (pid,) = _PID.unpack(asked)
            # Only here are they waited for: until then no other process has their number.
            living = {each for each in living if os.waitpid(each, os.WNOHANG) == (0, 0)}
            if pid != _FORK:
                _kill(living & {pid})
                continue
            ours, theirs = socket.socketpair()
            new = os.fork()
            if not new:
                control.close()
                ours.close()
                _end_after(lambda: serve(theirs, rulesets, GuardedHost()))  # noqa: B023 # runs at once
            theirs.close()
            living.add(new)
            socket.send_fds(control, [_PID.pack(new)], [ours.fileno()])
            ours.close()
    finally:
        _kill(living)


def _kill(pids: set[int]) -> None:
    for pid in pids:
        os.kill(pid, signal.SIGKILL)


def _end_after(work: Callable[[], None]) -> NoReturn:
    """Of a forked process: nothing that was to happen at the parent's end happens in it."""
    try:
        work()
        os._exit(0)
    finally:
        os._exit(1)


def _send(connection: socket.socket, message: Any) -> None:
    content = _encode(message)
    connection.sendall(_LENGTH.pack(len(content)) + content)


def _receive(connection: socket.socket) -> bytes:
    """The next message. Raises EOFError where there is none."""
    (length,) = _LENGTH.unpack(_exactly(connection, _LENGTH.size))
    return _exactly(connection, length)


def _exactly(connection: socket.socket, count: int) -> bytes:
    found = b""
    while len(found) < count:
        more = connection.recv(count - len(found))
        if not more:
            raise EOFError
        found += more
    return found
