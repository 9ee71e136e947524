"""All sockets of a worker in one loop: whoever is slow waits here, where waiting costs no thread, and not for ever."""

from __future__ import annotations

import contextlib
import logging
import selectors
import socket
import time
from collections.abc import Callable, Sequence
from typing import Final

from cds_service.web.front.arriving import Arriving, Stage
from cds_service.web.front.connection import Connection, State
from cds_service.web.front.sharing import Loads
from cds_service.web.front.words import CONTINUE, Refusals

log = logging.getLogger(__name__)

IDLE_SECONDS: Final = 65.0
"""Longer than proxies keep a connection: who is about to send should not find it closed."""
HEAD_SECONDS: Final = 5.0
BODY_SECONDS: Final = 10.0
SEND_SECONDS: Final = 10.0
CLOSE_SECONDS: Final = 1.0
STOP_IDLE_SECONDS: Final = 2.0
CONNECTIONS: Final = 800
"""Of one worker; processes commonly may have 1,024 files open."""
HELD_BYTES: Final = 64 * 1024 * 1024
"""Of requests that arrive and answers that leave, at one worker."""
TICK: Final = 0.02
_RECEIVE: Final = 256 * 1024
_HOLD: Final = 0.003
_FREE: Final = 3
"""Connections that are taken after a hold, whoever has less: another worker may hang. Twice as many after each hold in
which no other came."""
_AT_ONCE: Final = 16
"""Connections that are taken before anything else is looked at."""


class Sockets:
    """`admit` is given each connection whose request is whole, or cannot be framed."""

    def __init__(
        self,
        listeners: Sequence[socket.socket],
        loads: Loads,
        slot: int,
        most_body: int,
        admit: Callable[[Connection], None],
        refusals: Refusals,
    ) -> None:
        self.poll = selectors.DefaultSelector()
        self.connections: set[Connection] = set()
        self._listeners = listeners
        self._loads, self._slot = loads, slot
        self._most_body = most_body
        self._admit = admit
        self._refusals = refusals
        self._listening = False
        self._closed = False
        self._held_until = self._ticked = 0.0
        self._free, self._grant = 0, _FREE
        self._tell()

    def turn(self) -> float | None:
        """Wait for something to happen, and do it. The time, where a moment has passed since that was last told."""
        now = time.monotonic()
        if not self._closed and not self._listening and now >= self._held_until:
            self._listen(True)
        held = not self._closed and not self._listening
        for key, _ in self.poll.select(_HOLD if held else TICK if self.connections else 0.5):
            key.data(key.fileobj)
        now = time.monotonic()
        if now - self._ticked < TICK:
            return None
        self._ticked = now
        self._expire(now)
        return now

    # ------------------------------------------------------------ who comes

    def stop_listening(self) -> None:
        """Take nobody in any more. Idle connections stay for a moment: a client may be sending."""
        self._listen(False)
        self._closed = True
        for connection in self.connections:
            if connection.state is State.ARRIVING:
                connection.due = min(connection.due, time.monotonic() + STOP_IDLE_SECONDS)

    def _listen(self, wanted: bool) -> None:
        if wanted == self._listening:
            return
        for listener in self._listeners:
            if wanted:
                listener.setblocking(False)
                self.poll.register(listener, selectors.EVENT_READ, self._accept)
            else:
                self.poll.unregister(listener)
        self._listening = wanted

    def _accept(self, listener: socket.socket) -> None:
        for _ in range(_AT_ONCE):
            if not self._accept_one(listener, time.monotonic()):
                return

    def _accept_one(self, listener: socket.socket, now: float) -> bool:
        """Take a connection; whether another may be taken at once."""
        if self._loads.others_have_less(self._slot):
            if not self._free:
                # Whoever has less is awake too. If it does not come, this one does, in a moment.
                self._hold(now)
                self._free, self._grant = self._grant, 2 * self._grant
                return False
            self._free -= 1
        else:
            self._free, self._grant = 0, _FREE
        try:
            made, peer = listener.accept()
        except (BlockingIOError, ConnectionAbortedError):  # another worker was first, or the client is gone
            return False
        except OSError as error:  # there are too many open files
            log.error("no connection can be taken: %s", error.strerror)
            self._hold(now)
            return False
        made.setblocking(False)
        arriving = Arriving(self._most_body)
        new = Connection(made, peer, listener.getsockname(), arriving, since=now, due=now + HEAD_SECONDS)
        if len(self.connections) >= CONNECTIONS:
            self._make_room()
        self.connections.add(new)
        self._tell()
        self._watch(new)
        return True

    def _hold(self, now: float) -> None:
        self._held_until = now + _HOLD
        self._listen(False)

    def _make_room(self) -> None:
        """Give up who has been silent, or half silent, for longest."""
        waiting = [c for c in self.connections if c.state is not State.ADMITTED]
        if waiting:
            self._give_up(min(waiting, key=lambda c: c.since))

    def _tell(self) -> None:
        self._loads.tell(self._slot, len(self.connections))

    # ------------------------------------------------------------ what they send

    def _watch(self, connection: Connection) -> None:
        self.poll.register(connection.sock, selectors.EVENT_READ, lambda _: self._receive(connection))

    def _receive(self, connection: Connection) -> None:
        try:
            more = connection.sock.recv(_RECEIVE)
        except BlockingIOError:
            return
        except OSError:
            more = b""
        if not more:
            self.close(connection)
        elif connection.state is State.CLOSING:
            connection.discarded += len(more)
            if connection.discarded > 4 * self._most_body:
                self.close(connection)
        else:
            self._take(connection, more)

    def _take(self, connection: Connection, more: bytes) -> None:
        now = time.monotonic()
        arriving = connection.arriving
        before = arriving.stage
        if not arriving.held:
            connection.since, connection.due = now, now + HEAD_SECONDS
        stage = arriving.feed(more)
        if stage is Stage.BODY and before is Stage.HEAD:
            connection.due = now + BODY_SECONDS
            if arriving.continues:
                with contextlib.suppress(OSError):  # a client that is gone is noticed when it is read
                    connection.send(CONTINUE)
        elif stage is Stage.WHOLE:
            self.poll.unregister(connection.sock)
            connection.state = State.ADMITTED
            self._admit(connection)
        elif stage is Stage.TOO_LARGE:
            self.finish(connection, self._refusals.too_large(self._most_body, arriving.asked))
        elif stage is Stage.LONG_HEAD:
            self.finish(connection, self._refusals.known(431, arriving.asked))

    # ------------------------------------------------------------ what they are told

    def finish(self, connection: Connection, data: bytes, keep: bool = False) -> None:
        """Send the rest of an answer, and then go on with the connection, or end it."""
        if connection.state is State.ARRIVING:
            self.poll.unregister(connection.sock)
        connection.state, connection.keep, connection.unsent = State.SENDING, keep, data
        connection.due = time.monotonic() + SEND_SECONDS
        if self._flush(connection):
            self.poll.register(connection.sock, selectors.EVENT_WRITE, lambda _: self._writable(connection))

    def _writable(self, connection: Connection) -> None:
        self.poll.unregister(connection.sock)
        if self._flush(connection):
            self.poll.register(connection.sock, selectors.EVENT_WRITE, lambda _: self._writable(connection))

    def _flush(self, connection: Connection) -> bool:
        """Whether the client still has to take something."""
        try:
            connection.unsent = connection.send(connection.unsent)
        except OSError:
            connection.unsent = b""
            connection.keep = False
        if connection.unsent:
            return True
        if connection.keep and not self._closed:
            self._go_on(connection)
        else:
            self._shut(connection)
        return False

    def _go_on(self, connection: Connection) -> None:
        now = time.monotonic()
        more = connection.arriving.held > 0  # the client did not wait for the answer
        due = now + (HEAD_SECONDS if more else IDLE_SECONDS)
        connection.state, connection.since, connection.due = State.ARRIVING, now, due
        self._watch(connection)
        if more:
            self._take(connection, b"")

    def _shut(self, connection: Connection) -> None:
        """Say that nothing more comes, and wait until the client has seen it: else what it sends would take the answer
        from under its eyes (RFC 9112, section 9.6). Who has sent one whole request, and no more, is not waited for."""
        if connection.arriving.at_rest:
            self._forget(connection)
            return
        connection.state = State.CLOSING
        connection.due = time.monotonic() + CLOSE_SECONDS
        try:
            connection.sock.shutdown(socket.SHUT_WR)
        except OSError:
            self._forget(connection)
            return
        self._watch(connection)

    def close(self, connection: Connection) -> None:
        """End a connection that is watched."""
        self.poll.unregister(connection.sock)
        self._forget(connection)

    def _forget(self, connection: Connection) -> None:
        connection.sock.close()
        self.connections.discard(connection)
        self._tell()

    # ------------------------------------------------------------ what takes too long

    def _expire(self, now: float) -> None:
        for connection in [c for c in self.connections if c.due <= now and c.state is not State.ADMITTED]:
            self._give_up(connection)
        while sum(c.arriving.held + len(c.unsent) for c in self.connections) > HELD_BYTES:
            slow = [c for c in self.connections if c.state is not State.ADMITTED and (c.arriving.held or c.unsent)]
            if not slow:
                return
            self._give_up(min(slow, key=lambda c: c.since))

    def _give_up(self, connection: Connection) -> None:
        """End a connection in which the client has something to do."""
        if connection.state is State.ARRIVING and connection.arriving.held:
            self.finish(connection, self._refusals.known(408, connection.arriving.asked))
        else:
            self.close(connection)
