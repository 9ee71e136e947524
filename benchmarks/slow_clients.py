"""Clients that ask a service over sockets of their own: one after another, many at once, or only half."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Final

from benchmarks.charts import SERVICE_ID

_UNEVALUATED: Final = b"system-unevaluated"


@dataclass(frozen=True, slots=True)
class Answer:
    """The status of an answer (0: none came), after how many seconds, its cards, and whether it was not evaluated."""

    status: int
    seconds: float
    cards: int = 0
    unevaluated: bool = False
    size: int = 0
    """Bytes of head and body."""
    last: bool = False
    """Whether the server ends the connection after it."""


class Held:
    """Connections that are open and say nothing more."""

    def __init__(self, writers: list[asyncio.StreamWriter]) -> None:
        self._writers = writers

    def close(self) -> None:
        """End them all."""
        for writer in self._writers:
            writer.close()


def request(body: bytes, path: str = f"/cds-services/{SERVICE_ID}", headers: str = "") -> bytes:
    """A whole request: a call, or without a body a GET. `headers`: lines that a call has besides the usual ones."""
    if not body:
        return f"GET {path} HTTP/1.1\r\nHost: load\r\n\r\n".encode()
    head = f"POST {path} HTTP/1.1\r\nHost: load\r\nContent-Type: application/json\r\n{headers}"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


async def ask(port: int, sent: bytes, limit: float = 60.0) -> Answer:
    """One request on a connection of its own."""
    start = time.perf_counter()
    try:
        async with asyncio.timeout(limit):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                return await exchange(reader, writer, sent, start)
            finally:
                writer.close()
    except (OSError, TimeoutError, asyncio.IncompleteReadError, ValueError, IndexError):
        return Answer(0, time.perf_counter() - start)


async def keep_asking(port: int, sent: bytes, seconds: float, every: float) -> list[Answer]:
    """A request every so often, each on a connection of its own, whatever became of those before."""
    asked = []
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        asked.append(asyncio.create_task(ask(port, sent)))
        await asyncio.sleep(every)
    return list(await asyncio.gather(*asked))


async def spread(port: int, sent: bytes, connections: int, calls: int) -> list[Answer]:
    """So many connections that stay open, with so many calls on each, one after the other."""
    found = await asyncio.gather(*(_in_turn(port, sent, calls) for _ in range(connections)))
    return [answer for answers in found for answer in answers]


async def held(port: int, sent: bytes, count: int) -> Held:
    """Connections on which only `sent` was sent."""
    writers = []
    for _ in range(count):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(sent)
        writers.append(writer)
    return Held(writers)


async def _in_turn(port: int, sent: bytes, calls: int) -> list[Answer]:
    answers: list[Answer] = []
    writer = None
    for _ in range(calls):
        start = time.perf_counter()
        try:
            async with asyncio.timeout(60.0):
                if writer is None:
                    reader, writer = await asyncio.open_connection("127.0.0.1", port)
                answers.append(await exchange(reader, writer, sent, start))
            if answers[-1].status != 200:
                raise ConnectionError
        except (OSError, TimeoutError, asyncio.IncompleteReadError, ValueError, IndexError) as error:
            if not isinstance(error, ConnectionError) or not answers or answers[-1].status == 200:
                answers.append(Answer(0, time.perf_counter() - start))
            if writer is not None:
                writer.close()
            writer = None
    if writer is not None:
        writer.close()
    return answers


async def exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, sent: bytes, start: float) -> Answer:
    """One request on this connection; its seconds count from `start` (`time.perf_counter`).

    Raises OSError, IncompleteReadError, ValueError or IndexError where no whole answer comes.
    """
    writer.write(sent)
    head = await reader.readuntil(b"\r\n\r\n")
    lines = head.lower().split(b"\r\n")
    length = next(int(line.split(b":")[1]) for line in lines if line.startswith(b"content-length:"))
    body = await reader.readexactly(length)
    taken = time.perf_counter() - start
    size = len(head) + length
    last = b"connection: close" in lines
    return Answer(int(head.split()[1]), taken, body.count(b'"summary"'), _UNEVALUATED in body, size, last)
