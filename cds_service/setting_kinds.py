"""How the text of each kind of setting becomes a value; what is wrong with it is said as what was expected."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

from pydantic import BeforeValidator
from pydantic_settings import NoDecode

from cds_service.store.keys import SHORTEST
from cds_service.store.place import database_url

_WORDS: Final = {
    "on": True,
    "true": True,
    "yes": True,
    "1": True,
    "off": False,
    "false": False,
    "no": False,
    "0": False,
}
_TRUST: Final = ("auto", "off", "required")
_LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


def _read(reader: Callable[[str], Any]) -> BeforeValidator:
    """How the text of a variable becomes a value; what code hands in is one already."""
    return BeforeValidator(lambda value: reader(value) if isinstance(value, str) else value)


def _switch(text: str) -> bool:
    if text.lower() not in _WORDS:
        raise ValueError("on or off")
    return _WORDS[text.lower()]


def _whole(low: int, high: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not (text.isascii() and text.isdigit() and len(text) <= 12 and low <= int(text) <= high):
            raise ValueError(f"a whole number from {low} to {high}")
        return int(text)

    return read


def _level(text: str) -> str:
    if text.upper() not in _LEVELS:
        raise ValueError("one of " + ", ".join(_LEVELS))
    return text.upper()


def _trust(text: str) -> str:
    if text.lower() not in _TRUST:
        raise ValueError("one of " + ", ".join(_TRUST))
    return text.lower()


def _text(text: str) -> str:
    if not text.strip():
        raise ValueError("a value, or no such variable")
    return text.strip()


def _list(text: str) -> tuple[str, ...]:
    return tuple(item.strip() for item in text.split(",") if item.strip())


def public_url(text: str) -> str:
    """An absolute http or https address without query and fragment, without `/` at its end; empty where it is empty.

    Raises ValueError saying what was expected.
    """
    if not text or _is_address(text):
        return text.rstrip("/")
    raise ValueError("an address such as https://cds.example.org/anakinra")


def _is_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        named = bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    # Such characters would end the address where it is pasted into a sentence or into markup.
    plain = text.isascii() and text.isprintable() and not set(text) & set(" \"'<>()\\^`{|}?#@")
    return plain and named and parts.scheme in ("http", "https")


def _knowledge(text: str) -> Path | None:
    if not text:
        return None
    root = Path(text)
    if not (root / "rules").is_dir() or not (root / "cards").is_dir():
        raise ValueError("a folder that holds the folders rules and cards")
    return root


def _folder(text: str) -> Path | None:
    if not text:
        return None
    if not Path(text).is_dir():
        raise ValueError("a folder that `anakinra-cds build` made")
    return Path(text)


def _key(text: str) -> str:
    if text and len(text) < SHORTEST:
        raise ValueError(f"at least {SHORTEST} characters that nobody can guess, or nothing")
    return text


def _name(text: str) -> str:
    if not (text.isascii() and text.isprintable() and len(text) <= 512) or text.strip() != text:
        raise ValueError("at most 512 characters of plain ASCII without spaces around them, or nothing")
    return text


def _data(text: str) -> Path | None:
    if not text:
        return None
    if Path(text).exists() and not Path(text).is_dir():
        raise ValueError("a folder, which is made where it is not there yet")
    return Path(text)


def _secrets(text: str) -> Path | None:
    if text and not Path(text).is_dir():
        raise ValueError("a folder of files named like settings")
    return Path(text) if text else None


Switch = Annotated[bool, _read(_switch)]
Level = Annotated[str, _read(_level)]
Limit = Annotated[int | None, _read(lambda text: _whole(0, 1_000_000)(text) if text else None)]
Trust = Annotated[str, _read(_trust)]
Text = Annotated[str, _read(_text)]
Texts = Annotated[tuple[str, ...], NoDecode, _read(_list)]
Address = Annotated[str, _read(public_url)]
Name = Annotated[str, _read(_name)]
Knowledge = Annotated[Path | None, _read(_knowledge)]
Pages = Annotated[Path | None, _read(_folder)]
Data = Annotated[Path | None, _read(_data)]
Secrets = Annotated[Path | None, _read(_secrets)]
Database = Annotated[str, _read(database_url)]
Key = Annotated[str, _read(_key)]


def whole(low: int, high: int) -> Any:
    """A whole number, both bounds included: what stands beside `int` in an annotation."""
    return _read(_whole(low, high))
