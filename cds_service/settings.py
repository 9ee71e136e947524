"""The settings: one table of `CDS_*` environment variables, read once at start."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from cds_service.contract import BODY_BYTES
from cds_service.errors import SettingsError
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


def _limit(text: str) -> int | None:
    return _whole(0, 1_000_000)(text) if text else None


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


def _data(text: str) -> Path | None:
    if not text:
        return None
    if Path(text).exists() and not Path(text).is_dir():
        raise ValueError("a folder, which is made where it is not there yet")
    return Path(text)


@dataclass(frozen=True, slots=True)
class Setting:
    """One row of the table: the variable, the field of `Settings`, its default as written, what it does."""

    name: str
    field: str
    default: str
    help: str
    read: Callable[[str], Any]


TABLE: Final = (
    Setting("CDS_SITE", "site", "us", "Id of a shipped site, or path of a site's folder or YAML file.", _text),
    Setting(
        "CDS_KNOWLEDGE", "knowledge", "", "Folder with reviewed rules/ and cards/; empty: those shipped.", _knowledge
    ),
    Setting(
        "CDS_ALLOW_EVALUATION_TIME",
        "allow_evaluation_time",
        "off",
        "Whether a call may choose the time it is evaluated at (replay and tests only).",
        _switch,
    ),
    Setting("CDS_MAX_BODY_BYTES", "max_body_bytes", str(BODY_BYTES), "Largest body of a call.", _whole(1024, 2**30)),
    Setting("CDS_CORS_ORIGINS", "cors_origins", "", "Browser origins allowed besides the site's, by commas.", _list),
    Setting("CDS_LOG_LEVEL", "log_level", "INFO", "Least severe level that is logged.", _level),
    Setting("CDS_WORKERS", "workers", "2", "Worker processes, each with its own engine.", _whole(1, 64)),
    Setting("CDS_THREADS", "threads", "4", "Calls that each worker computes at once.", _whole(1, 128)),
    Setting("CDS_QUEUE", "queue", "32", "Calls that may wait in each worker; more are told 503.", _whole(1, 1000)),
    Setting(
        "CDS_CALLS_PER_MINUTE",
        "calls_per_minute",
        "",
        "Calls and feedback a minute of one client (the issuer of its token, else its address); 0: any number; empty: "
        "6000, and any number from this machine without a token.",
        _limit,
    ),
    Setting(
        "CDS_TIMEOUT", "timeout", "30", "Seconds after which a worker that does not answer is replaced.", _whole(1, 600)
    ),
    Setting(
        "CDS_PUBLIC_URL",
        "public_url",
        "",
        "Address at which EHRs and browsers reach this service, for tokens and the links on cards; empty: the address "
        "that was called.",
        public_url,
    ),
    Setting(
        "CDS_JWT",
        "jwt",
        "auto",
        "Whether calls and feedback need the signed token of a CDS client that the site trusts (issuers): off, "
        "required; auto: required where the service listens beyond this machine.",
        _trust,
    ),
    Setting(
        "CDS_PAGES",
        "pages",
        "",
        "Folder that `anakinra-cds build` made, served at /knowledge and /fhir; empty: built at each start.",
        _folder,
    ),
    Setting(
        "CDS_QUIET_REPEATS",
        "quiet_repeats",
        "off",
        "Whether the same answer on the same unchanged draft is said briefly (each worker remembers its own answers).",
        _switch,
    ),
    Setting("CDS_STORE", "store", "on", "Whether answers are recorded and feedback is taken.", _switch),
    Setting(
        "CDS_DATA",
        "data",
        "",
        "Folder of the store, made when first needed; empty: anakinra-cds in XDG_STATE_HOME or ~/.local/state.",
        _data,
    ),
    Setting(
        "CDS_DATABASE_URL",
        "database_url",
        "",
        "PostgreSQL database of the store (postgresql://user:password@host/name); empty: SQLite in CDS_DATA.",
        database_url,
    ),
    Setting(
        "CDS_AUDIT_KEY",
        "audit_key",
        "",
        "Key of the records, 32 characters or more, the same for all machines of one store; empty: made in CDS_DATA.",
        _key,
    ),
    Setting(
        "CDS_FEEDBACK_COMMENTS",
        "feedback_comments",
        "on",
        "Whether what clinicians write with their feedback is kept (it may name patients).",
        _switch,
    ),
)


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of one process; `unknown` lists variables that look like settings but are none, with advice."""

    site: str = "us"
    knowledge: Path | None = None
    allow_evaluation_time: bool = False
    max_body_bytes: int = BODY_BYTES
    cors_origins: tuple[str, ...] = ()
    log_level: str = "INFO"
    workers: int = 2
    threads: int = 4
    queue: int = 32
    calls_per_minute: int | None = None
    timeout: int = 30
    public_url: str = ""
    jwt: str = "auto"
    pages: Path | None = None
    quiet_repeats: bool = False
    store: bool = True
    data: Path | None = None
    database_url: str = field(default="", repr=False)
    audit_key: str = field(default="", repr=False)
    feedback_comments: bool = True
    unknown: tuple[str, ...] = ()


def from_environ(environ: Mapping[str, str]) -> Settings:
    """Read the table from `environ`. Raises SettingsError naming every variable whose value cannot be used."""
    values: dict[str, Any] = {}
    problems: list[str] = []
    for setting in TABLE:
        try:
            values[setting.field] = setting.read(environ.get(setting.name, setting.default))
        except ValueError as error:
            problems.append(f"{setting.name}: expected {error}; {setting.help}")
    if problems:
        raise SettingsError("\n".join(problems))
    return Settings(**values, unknown=_unknown(environ))


def _unknown(environ: Mapping[str, str]) -> tuple[str, ...]:
    known = [setting.name for setting in TABLE]
    found = []
    for name in sorted(environ):
        if name.startswith("CDS_") and name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            found.append(f"{name}: no such setting, ignored" + (f"; did you mean {near[0]}?" if near else ""))
    return tuple(found)
