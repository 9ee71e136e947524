"""Options that several commands share: knowledge and site (by default those of the service), time, JSON."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, Final, TypeVar

import click

_Command = TypeVar("_Command", bound=Callable[..., Any])

ROOT_VARIABLE: Final = "CDS_KNOWLEDGE"
SITE_VARIABLE: Final = "CDS_SITE"

root_option = click.option(
    "--root",
    envvar=ROOT_VARIABLE,
    type=click.Path(path_type=Path),  # what is wrong with it is said by whoever reads it, in one line
    help=f"Folder that holds rules/ and cards/. Default: {ROOT_VARIABLE}, else those of this checkout or installation.",
)
"""`--root`: a Path, or None for the files that were shipped."""

site_option = click.option(
    "--site",
    envvar=SITE_VARIABLE,
    default="us",
    help=f"Id of a shipped site, or path of a site's folder or YAML file. Default: {SITE_VARIABLE}, else us.",
)
"""`--site`: a text, as the setting of the service has it."""


def knowledge_options(command: _Command) -> _Command:
    """`--root` and `--site`, handed in as `root` and `site`."""
    return root_option(site_option(command))


json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document, for programs.")
"""`--json`: True where the command prints JSON and nothing else to stdout."""


class _Time(click.ParamType[datetime]):
    name = "time"

    def convert(self, value: str | datetime, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        try:
            return parse_time(value)
        except ValueError as error:
            self.fail(str(error).removeprefix("at: "), param, ctx)


def at_option(default: str) -> Callable[[_Command], _Command]:
    """`--at TIME`: a datetime with its zone, or None; `default` says what holds then."""
    return click.option("--at", type=_Time(), help=f"Evaluate as of this time (RFC 3339). Default: {default}.")


def parse_time(value: str | datetime) -> datetime:
    """An RFC 3339 time with its zone; raises ValueError."""
    expected = "expected an RFC 3339 time with a zone, such as 2026-03-05T10:00:00Z"
    try:
        parsed = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    except (TypeError, ValueError) as error:
        raise ValueError(f"at: {expected}") from error
    if parsed.tzinfo is None:
        raise ValueError(f"at: {expected}; the zone is missing")
    return parsed
