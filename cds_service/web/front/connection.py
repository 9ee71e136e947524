"""One connection of a client, and one call on it with the answer that somebody gives it."""

from __future__ import annotations

import socket
import threading
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

from cds_service.web.front.arriving import Arriving
from cds_service.web.marks import Asked


class State(Enum):
    """Who is to do something now."""

    ARRIVING = auto()
    """The client: send a request."""
    ADMITTED = auto()
    """We: answer."""
    SENDING = auto()
    """The client: take the answer."""
    CLOSING = auto()
    """The client: see that there is no more."""


@dataclass(eq=False, slots=True)
class Connection:
    """A socket that nobody ever waits for. `due`: when the present state ends, whatever the client does."""

    sock: socket.socket
    peer: Any
    local: Any
    arriving: Arriving
    since: float
    due: float
    state: State = State.ARRIVING
    unsent: bytes = b""
    keep: bool = False
    """Whether it stays open after the answer."""
    discarded: int = 0

    def send(self, data: bytes) -> bytes:
        """What the client's socket has no room for yet. Raises OSError."""
        try:
            return data[self.sock.send(data) :] if data else b""
        except BlockingIOError:
            return data


@dataclass(eq=False, slots=True)
class Call:
    """A whole request, and the answer that its thread gathers; or the clock answers, whoever claims it first.

    It stands in the place of the socket to which the WSGI server writes.
    """

    connection: Connection
    asked: Asked
    request: bytes
    answer_by: float
    _parts: list[bytes] = field(default_factory=list)
    _open: threading.Lock = field(default_factory=threading.Lock)

    def sendall(self, data: bytes) -> None:
        """A piece of the answer."""
        self._parts.append(bytes(data))

    def send(self, data: bytes) -> int:
        """The word to go on with the body: it was said when the head was here."""
        return len(data)

    def answer(self) -> bytes:
        """All that was written."""
        return b"".join(self._parts)

    def claim(self) -> bool:
        """Whether the caller is the one who answers."""
        return self._open.acquire(blocking=False)
