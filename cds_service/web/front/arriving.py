"""Gathers the bytes of one HTTP request until it is whole, so that no thread ever waits for a client.

It decides only when a request is whole: the server's own parser reads the same bytes again and refuses what is wrong
in them. What cannot be framed here is therefore called whole as it is.
"""

from __future__ import annotations

import re
from enum import Enum, auto
from typing import Final
from urllib.parse import unquote

from cds_service.web.marks import Asked, request_id

HEAD_LIMIT: Final = 64 * 1024
"""Bytes of all header lines together."""
_LINE: Final = re.compile(
    rb"[\r\n](content-length|transfer-encoding|expect|origin|x-request-id)[ \t]*:[ \t]*([^\r\n]*)", re.IGNORECASE
)
_SIZE: Final = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(?:;[^\r\n]*)?")
_SIZE_LIMIT: Final = 256
"""Bytes of the line before a chunk."""


Fields = list[tuple[bytes, bytes]]


class Stage(Enum):
    """How much of a request is here."""

    HEAD = auto()
    BODY = auto()
    TOO_LARGE = auto()
    """More body is announced, or here, than a call may have: what is here and what still comes is thrown away."""
    WHOLE = auto()
    LONG_HEAD = auto()


class Arriving:
    """One request after the other, of one connection; `most` bytes of body are kept of each."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._bytes = bytearray()
        self.unframed = False
        """Whether a request does not say where it ends: what follows it is then no request, and the connection ends."""
        self._start()

    def _start(self) -> None:
        self.stage = Stage.HEAD
        self._asked: Asked | None = None
        self.continues = False
        """Whether the client waits for a word before it sends the body."""
        self._end = self._next = self._decoded = 0
        self._chunked = False

    @property
    def held(self) -> int:
        """Bytes that are kept."""
        return len(self._bytes)

    @property
    def at_rest(self) -> bool:
        """Whether all that was announced has come, and nothing behind it."""
        return self.stage is Stage.HEAD and not self._bytes and not self.unframed

    @property
    def asked(self) -> Asked:
        """What is asked for, as far as it is here."""
        if self._asked is None:
            head = bytes(self._bytes[: self._bytes.rfind(b"\r\n") + 2])
            self._asked = _asked(head, _fields(head))
        return self._asked

    def feed(self, more: bytes) -> Stage:
        """Take what came."""
        if self.stage is Stage.TOO_LARGE:
            return self.stage
        self._bytes += more
        if self.stage is Stage.HEAD:
            self._read_head()
        if self.stage is Stage.BODY:
            self._read_body()
        return self.stage

    def take(self) -> bytes:
        """The bytes of the request that is whole, or as much of it as is kept; then the next one begins."""
        size = self._end or len(self._bytes)
        taken = bytes(self._bytes[:size])
        del self._bytes[:size]
        self._start()
        return taken

    def _read_head(self) -> None:
        end = self._bytes.find(b"\r\n\r\n", 0, HEAD_LIMIT + 4)
        if end < 0:
            if len(self._bytes) > HEAD_LIMIT:
                self.stage = Stage.LONG_HEAD
            return
        self._next = end + 4
        head = bytes(self._bytes[: end + 2])
        found = _fields(head)
        self._asked = _asked(head, found)
        lengths = _values(found, b"content-length")
        codings = [value.lower() for value in _values(found, b"transfer-encoding")]
        self.continues = b"100-continue" in [value.lower() for value in _values(found, b"expect")]
        self.stage = Stage.BODY
        if codings == [b"chunked"] and not lengths:
            self._chunked = True
        elif len(lengths) == 1 and not codings and lengths[0].isdigit() and len(lengths[0]) <= 15:
            size = int(lengths[0])
            self._end = self._next + size
            if size > self._most:
                self._cut()
        else:  # no body, or one that the parser will refuse
            self.unframed = bool(lengths or codings)
            self._end = self._next
            self.stage = Stage.WHOLE

    def _read_body(self) -> None:
        if self._chunked:
            while self.stage is Stage.BODY and self._read_chunk():
                pass
        elif len(self._bytes) >= self._end:
            self.stage = Stage.WHOLE

    def _read_chunk(self) -> bool:
        """Go past the next chunk; whether it is here."""
        start, here = self._next, len(self._bytes)
        line = self._bytes.find(b"\r\n", start, start + _SIZE_LIMIT)
        if line < 0 and here - start < _SIZE_LIMIT:
            return False
        found = _SIZE.fullmatch(self._bytes, start, line) if line >= 0 else None
        if found is None:  # no chunk: the parser says so
            self.unframed = True
            self._end, self.stage = here, Stage.WHOLE
            return False
        size = int(found[1], 16)
        if size == 0:
            return self._read_trailers(line, here)
        # Many small chunks may be as long as what they hold, and no longer.
        if self._decoded + size > self._most or here > 2 * self._most + HEAD_LIMIT:
            self._cut()
            return False
        end = line + 2 + size + 2
        if here < end:
            return False
        self._decoded += size
        self._next = end
        return True

    def _read_trailers(self, line: int, here: int) -> bool:
        """Past the last chunk, to the end of what may follow it."""
        end = line if self._bytes[line + 2 : line + 4] == b"\r\n" else self._bytes.find(b"\r\n\r\n", line)
        if end >= 0 or here - line > HEAD_LIMIT:
            self._end, self.stage = (end + 4 if end >= 0 else here), Stage.WHOLE
        return False

    def _cut(self) -> None:
        """Throw away what is here."""
        self._bytes.clear()
        self.stage = Stage.TOO_LARGE


def _fields(head: bytes) -> Fields:
    """Names in small letters and values of the headers that are read here."""
    return [(name.lower(), value.strip()) for name, value in _LINE.findall(head)]


def _values(fields: Fields, name: bytes) -> list[bytes]:
    return [value for each, value in fields if each == name]


def _once(fields: Fields, name: bytes) -> str:
    """The value of a header that is there once."""
    values = _values(fields, name)
    return values[0].decode("latin-1") if len(values) == 1 else ""


def _asked(head: bytes, fields: Fields) -> Asked:
    words = head[: head.find(b"\r\n")].decode("latin-1").split(" ")
    method, target, _ = words if len(words) == 3 else ("", "", "")
    if not target.startswith("/"):  # as proxies are asked, with scheme and host
        target = f"/{target.partition('://')[2].partition('/')[2]}"
    path = unquote(target.partition("?")[0])
    return Asked(method, path, _once(fields, b"origin"), request_id(_once(fields, b"x-request-id")))
