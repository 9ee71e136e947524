"""The log: one JSON object a line, ASCII, with nothing of a patient, a token or another library's message.

What this service logs is written from its own words. What other libraries log may quote whatever they were given, so
their texts are left out: who logged, how severe, where, and the kind of error stay.
"""

from __future__ import annotations

import json
import logging
import sys
import threading
import warnings
from collections.abc import Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, Final, TextIO

from cds_service.web.outcome import anatomy

REQUEST: Final[ContextVar[str]] = ContextVar("request", default="")
"""The id of the request that is answered here, as `web/requests.py` gives it."""
_OURS: Final = "cds_service"
_SERVER: Final = "gunicorn.error"
"""Its templates are about processes; what is put into them is kept only where it is a number."""
_LEFT_OUT: Final = "..."


class Lines(logging.Formatter):
    """One record as a line. `record.told`, where it is given, are its fields."""

    def format(self, record: logging.LogRecord) -> str:
        """ASCII, and without a line break, whatever is in it."""
        body: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "process": record.process,
        }
        if request := REQUEST.get():
            body["request"] = request
        ours = record.name == _OURS or record.name.startswith(f"{_OURS}.")
        body["message"] = record.getMessage() if ours else _without_texts(record)
        if not ours:
            body["at"] = f"{record.pathname}:{record.lineno}"
        if record.exc_info and record.exc_info[1]:
            body["error"] = anatomy(record.exc_info[1])
        told: Mapping[str, Any] = getattr(record, "told", {})
        return json.dumps({**body, **told}, ensure_ascii=True, separators=(",", ":"), default=str)


def configure(level: str, stream: TextIO | None = None) -> None:
    """Send every record of this process, its warnings and what ends its threads to `stream` (stderr) as lines."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(Lines())
    handler.addFilter(_worth)
    logging.basicConfig(level=level, handlers=[handler], force=True)
    warnings.showwarning = _warned
    sys.excepthook = lambda _kind, error, _trace: _ended(error)
    threading.excepthook = lambda args: _ended(args.exc_value) if args.exc_value else None


def _worth(record: logging.LogRecord) -> bool:
    """What other libraries say for their own debugging is left out, whatever the level."""
    return record.levelno >= logging.WARNING or record.name.startswith(_OURS)


def _without_texts(record: logging.LogRecord) -> str:
    if record.name != _SERVER or not isinstance(record.msg, str):
        return _LEFT_OUT
    args = record.args if isinstance(record.args, tuple) else ()
    try:
        return record.msg % tuple(arg if isinstance(arg, int | float) else _LEFT_OUT for arg in args)
    except (TypeError, ValueError):
        return record.msg


def _warned(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Kind and place; `message` and `line` may quote what was read."""
    logging.getLogger(_OURS).warning("%s at %s:%d", category.__name__, filename, lineno)


def _ended(error: BaseException) -> None:
    logging.getLogger(_OURS).critical("ended: %s", anatomy(error))
