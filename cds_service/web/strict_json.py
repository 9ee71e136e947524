"""One strict reading of a call's JSON: bounded, without repeated keys, at the speed of a split into raw slices.

The body is never parsed as a whole. msgspec skims it once, proving the grammar and cutting the top level into slices;
the few small slices that the envelope needs are then parsed with every repeated key refused. What the skim does not
prove (UTF-8 inside strings, depth, length of numbers) is proven on the bytes.
"""

from __future__ import annotations

import codecs
import json
import math
import re
from collections.abc import Mapping
from typing import Any, Final, TypeVar

import msgspec

from cds_service.errors import CallError

MAX_DEPTH: Final = 64
MAX_DIGITS: Final = 18
MAX_NUMBER: Final = 40  # characters of digits and decimal point, leading zeros included


T = TypeVar("T")


class _Key:
    """A member's name that equals nothing but itself: a dict of these keeps a repeated key, so that we see it."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name


def _as_key(_: type, name: str) -> _Key:
    return _Key(name)


Slices = dict[_Key, msgspec.Raw]
Member = Slices | list[msgspec.Raw] | str | int | float | bool | None
_CALL: Final = msgspec.json.Decoder(
    dict[_Key, Slices | list[msgspec.Raw] | str | int | float | bool | None], dec_hook=_as_key
)


def read(body: bytes) -> dict[str, Member]:
    """The members of a call: text and numbers as values, objects and arrays split once more into raw slices.

    Raises CallError(400) unless `body` is one JSON object in UTF-8, within the limits of depth and digits, that names
    each of its members once. A byte order mark before it is passed over, as RFC 8259 (8.1) allows: some clients write
    one.
    """
    body = body.removeprefix(codecs.BOM_UTF8)
    try:
        members = _CALL.decode(body)
        body.decode("utf-8")  # the skim looks into no string that it only cuts out
    except UnicodeDecodeError:
        raise CallError(400, "structure", "body: expected UTF-8 throughout") from None
    except RecursionError:
        raise _too_deep() from None
    except msgspec.ValidationError:
        raise CallError(400, "structure", "body: expected a JSON object whose numbers are in range") from None
    except (msgspec.MsgspecError, ValueError):
        raise CallError(400, "structure", "body: expected valid JSON (RFC 8259), nothing before or after it") from None
    if too_deep(body):
        raise _too_deep()
    if long_number(body):
        raise CallError(400, "structure", f"body: a number has too many digits; expected at most {MAX_DIGITS}")
    return named(members, "body")


def named(members: dict[_Key, T], path: str) -> dict[str, T]:
    """Members by their names; `path` is where they stand. Raises CallError(400) for a name that occurs twice."""
    found = {key.name: value for key, value in members.items()}
    if len(found) != len(members):
        raise _repeated(path)
    return found


def parse(raw: msgspec.Raw, path: str) -> Any:
    """One member as Python values: repeated keys anywhere inside it and numbers beyond a double are refused (400)."""
    try:
        return _PARSER.decode(bytes(raw).decode("utf-8"))
    except _RepeatedKeyError:
        raise _repeated(path) from None
    except _NumberError:
        raise CallError(400, "structure", f"{path}: a number in it is out of range") from None
    except (ValueError, RecursionError):
        raise CallError(400, "structure", f"{path}: expected valid JSON") from None


# ---------------------------------------------------------------- small slices, parsed


class _RepeatedKeyError(Exception):
    pass


class _NumberError(Exception):
    pass


def _unique(pairs: list[tuple[str, Any]]) -> Mapping[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _RepeatedKeyError
    return found


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise _NumberError
    return number


def _no_constant(_: str) -> None:
    raise _NumberError


_PARSER: Final = json.JSONDecoder(object_pairs_hook=_unique, parse_float=_finite, parse_constant=_no_constant)


def _repeated(path: str) -> CallError:
    return CallError(400, "structure", f"{path}: a key occurs twice in one object here; expected each key once")


def _too_deep() -> CallError:
    return CallError(400, "structure", f"body: nested too deeply; expected at most {MAX_DEPTH} levels")


# ---------------------------------------------------------------- depth

_AS_BRACES: Final = bytes.maketrans(b"[]", b"{}")
_MANY_ESCAPES: Final = 50_000  # beyond this, pieces take more memory than their speed is worth
_NO_BRACKETS: Final = bytes(c for c in range(256) if c not in b'{}[]"')


def too_deep(body: bytes, limit: int = MAX_DEPTH) -> bool:
    """Whether valid JSON nests more than `limit` objects and arrays; exact, the outermost counts as one.

    Only quotes and brackets are kept. Taking out two neighbouring quotes leaves every other character on the same
    side of string and structure, so what then stands between quotes is text. Of the brackets that remain, each round
    takes out the innermost level.
    """
    left = _without_escapes(body).translate(_AS_BRACES, _NO_BRACKETS).replace(b'""', b"")
    if b'"' in left:
        left = b"".join(left.split(b'"')[::2])
    for _ in range(limit):
        if not left:
            return False
        left = left.replace(b"{}", b"")
    return bool(left)


def _without_escapes(text: bytes) -> bytes:
    """`text` without its escape sequences: every quote that is left opens or closes a string."""
    if b"\\" not in text:
        return text
    if text.count(b"\\") > _MANY_ESCAPES:
        return text.replace(b"\\\\", b"").replace(b'\\"', b"")
    pieces = iter(text.split(b"\\"))
    kept = [next(pieces)]
    for piece in pieces:  # an empty piece: the escaped character is itself a backslash, what follows is plain
        kept.append(piece[1:] if piece else next(pieces, b""))
    return b"".join(kept)


# ---------------------------------------------------------------- numbers

_AS_ZEROS: Final = bytes.maketrans(b"123456789.", b"0" * 10)
_RUN: Final = b"0" * (MAX_DIGITS + 1)
_WHOLE_RUN: Final = re.compile(rb"0+")
_AFTER_NUMBER: Final = frozenset(b",]} \t\r\neE")


def long_number(body: bytes) -> bool:
    """Whether valid JSON holds a number of more than `MAX_DIGITS` significant digits; digits in strings do not count.

    Integer and fraction count together, leading zeros do not: doubles are printed as 0.00012345678901234567.
    """
    runs = body.translate(_AS_ZEROS)
    start = runs.find(_RUN)
    counted = 0
    in_string = False
    while start >= 0:
        match = _WHOLE_RUN.match(runs, start)
        end = match.end() if match else len(runs)
        # A number is never followed by a quote or a letter but `e`: this settles object identifiers and hashes cheaply.
        if end < len(body) and body[end] in _AFTER_NUMBER and _too_long(body[start:end]):
            in_string ^= _without_escapes(body[counted:start]).count(b'"') % 2 == 1
            if not in_string:
                return True
            counted = start
        start = runs.find(_RUN, end)
    return False


def _too_long(number: bytes) -> bool:
    return len(number) > MAX_NUMBER or len(number.replace(b".", b"").lstrip(b"0")) > MAX_DIGITS
