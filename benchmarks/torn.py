"""Clients that send requests cut, changed or whole, in any order, and go away in the middle, in order or by a reset."""

from __future__ import annotations

import random
import socket
import struct
import threading
from collections.abc import Sequence
from typing import Final

_HEAD: Final = b"POST / HTTP/1.1\r\nHost: load\r\n"
_ODD: Final = (
    _HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    _HEAD + b"Expect: 100-continue\r\nContent-Length: 5\r\n\r\n",
    _HEAD + b"Content-Length: 99999999\r\n\r\n" + b"x" * 100_000,
    b"GET /cds-services HTTP/1.1\r\nHost: load\r\n\r\n" * 3,
)


def torn(port: int, requests: Sequence[bytes], connections: int, threads: int = 12) -> None:
    """Open so many connections, from several threads; every run does the same."""

    def some(seed: int) -> None:
        chance = random.Random(seed)
        for _ in range(connections // threads):
            _one(port, (*_ODD, *requests), chance)

    working = [threading.Thread(target=some, args=(seed,)) for seed in range(threads)]
    for thread in working:
        thread.start()
    for thread in working:
        thread.join()


def _one(port: int, requests: Sequence[bytes], chance: random.Random) -> None:
    with socket.socket() as client:
        client.settimeout(5)
        try:
            client.connect(("127.0.0.1", port))
            for _ in range(chance.randint(1, 4)):
                client.sendall(_changed(chance.choice(requests), chance))
                if chance.random() < 0.5:
                    client.settimeout(chance.choice((0.01, 0.3)))
                    client.recv(1000)
        except OSError:  # the service may refuse, and close
            pass
        if chance.random() < 0.5:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _changed(request: bytes, chance: random.Random) -> bytes:
    """Cut, or with another byte in it, or as it is."""
    at = chance.randrange(len(request))
    way = chance.random()
    if way < 0.3:
        return request[:at]
    return request if way < 0.8 else request[:at] + chance.randbytes(1) + request[at + 1 :]
