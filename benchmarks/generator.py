"""The calls of a load: closed (each connection asks again when it is answered) or open (at their moments, come what
may). An open load counts from the moment of the schedule, so that a service that stands still is charged with every
call that it kept waiting, and not only with the one that it was asked at the time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from typing import Final

from benchmarks.arrivals import sights
from benchmarks.charts import Calls
from benchmarks.latency import Tally
from benchmarks.servers import BenchError
from benchmarks.slow_clients import Answer, ask, exchange, request

LIMIT_SECONDS: Final = 15.0
"""After which no answer is waited for; the service itself answers within 4 s."""
_IDLE_SECONDS: Final = 1.0
"""The service closes a connection on which nobody has asked for two."""
_BUFFER: Final = 2**20
_PROBED_SECONDS: Final = 10.0
"""As `deploy/kubernetes` does."""
_BROKEN: Final = (OSError, TimeoutError, asyncio.IncompleteReadError, ValueError, IndexError)
Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Requests:
    """Whole requests, no two alike: charts seen before and, a share of `first`, charts that nobody saw."""

    def __init__(self, calls: Calls, first: float, seed: int, headers: Callable[[], str] = str) -> None:
        self._calls, self._headers, self._sights, self._number = calls, headers, sights(first, seed), 0

    def next(self) -> bytes:
        """The next one."""
        self._number += 1
        make = self._calls.first_sight if next(self._sights) else self._calls.repeated
        return request(make(self._number), headers=self._headers())


class Pool:
    """Connections to one port of this machine that stay open, `most` at a time; each has one call at a time."""

    def __init__(self, port: int, most: int) -> None:
        self._port, self._room, self._idle = port, asyncio.Semaphore(most), list[tuple[float, Stream]]()

    async def ask(self, sent: bytes, start: float) -> tuple[Answer, float]:
        """(the answer, by how many seconds it was sent after `start`); its own seconds count from `start` too. Status
        0: no whole answer came in time."""
        async with self._room:
            waited, stream = time.perf_counter() - start, None
            try:
                async with asyncio.timeout(LIMIT_SECONDS):
                    stream = self._kept() or await asyncio.open_connection("127.0.0.1", self._port, limit=_BUFFER)
                    answer = await exchange(*stream, sent, start)
            except _BROKEN:
                answer = Answer(0, time.perf_counter() - start)
            if stream and answer.status == 200 and not answer.last:
                self._idle.append((time.perf_counter(), stream))
            elif stream:
                stream[1].close()
            return answer, waited

    def _kept(self) -> Stream | None:
        """The connection that was used last, where it is still good."""
        while self._idle:
            used, stream = self._idle.pop()
            if time.perf_counter() - used < _IDLE_SECONDS and not stream[0].at_eof():
                return stream
            stream[1].close()
        return None

    def close(self) -> None:
        """End the connections."""
        for _, stream in self._idle:
            stream[1].close()
        self._idle.clear()


async def probed(port: int, seconds: float) -> Tally:
    """Nobody calls; only whether the service is ready is asked now and then, as by who watches it. No tally of that."""
    start = time.perf_counter()
    while (left := start + seconds - time.perf_counter()) > 0:
        if (await ask(port, request(b"", "/ready"))).status != 200:
            raise BenchError("the service is not ready any more")
        await asyncio.sleep(min(_PROBED_SECONDS, left))
    return Tally(seconds=time.perf_counter() - start)


async def closed(port: int, requests: Requests, connections: int, seconds: float) -> Tally:
    """So many connections that each ask again as soon as they are answered: what the service bears at most."""
    pool, tally, start = Pool(port, connections), Tally(), time.perf_counter()

    async def client() -> None:
        while time.perf_counter() < start + seconds:
            sent = requests.next()
            answer, waited = await pool.ask(sent, time.perf_counter())
            tally.add(answer, 0.0, waited, len(sent))
            if answer.status != 200:
                await asyncio.sleep(0.01)  # who is told 503, and asks again at once, only measures refusals

    await asyncio.gather(*(client() for _ in range(connections)))
    tally.seconds = time.perf_counter() - start
    pool.close()
    return tally


async def opened(port: int, requests: Requests, moments: Iterable[float], most: int, calls: int) -> Tally:
    """A call at each of the moments, `calls` of them at most.

    Where `most` connections wait for answers, the calls after them wait here, and their seconds count all the same.
    """
    pool, tally, tasks = Pool(port, most), Tally(), set[asyncio.Task[None]]()
    start = time.perf_counter()

    async def one(sent: bytes, due: float) -> None:
        late = time.perf_counter() - due
        answer, waited = await pool.ask(sent, due)
        tally.add(answer, late, waited, len(sent))

    for _, at in zip(range(calls), moments, strict=False):
        sent = requests.next()  # made before its moment
        await asyncio.sleep(max(start + at - time.perf_counter(), 0.0))
        task = asyncio.create_task(one(sent, start + at))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    await asyncio.gather(*tasks)
    tally.seconds = time.perf_counter() - start
    pool.close()
    return tally
