"""A FHIR server that answers everything but searches for observations, on which it hangs."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_HANGS_S: Final = 30.0


@contextmanager
def half_hanging() -> Iterator[str]:
    """Its origin, for as long as it runs."""
    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(asyncio.start_server(_serve, "127.0.0.1", 0, backlog=1024))
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        asyncio.run_coroutine_threadsafe(_end(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(timeout=10)


async def _end() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while head := await reader.readuntil(b"\r\n\r\n"):
            target = head.split()[1].decode()
            if "/Observation?" in target:
                await asyncio.sleep(_HANGS_S)
            kind, _, name = target.rpartition("/")
            if kind.endswith("/Patient"):
                found = {"resourceType": "Patient", "id": name, "birthDate": "1960-01-01", "gender": "female"}
            else:
                found = {"resourceType": "Bundle", "type": "searchset", "total": 0}
            body = json.dumps(found).encode()
            writer.write(
                b"HTTP/1.1 200 OK\r\nContent-Type: application/fhir+json\r\nContent-Length: %d\r\n\r\n" % len(body)
            )
            writer.write(body)
            await writer.drain()
    except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):  # the client or this server ends
        pass
    finally:
        writer.close()
