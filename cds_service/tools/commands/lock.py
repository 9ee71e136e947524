"""`anakinra-cds lock`: record every new and every raised version in rules/versions.yaml, with the reason."""

from __future__ import annotations

from collections import Counter
from datetime import date, datetime
from pathlib import Path

import click

from cds_service.errors import KnowledgeError
from cds_service.knowledge import checks, lock
from cds_service.knowledge.files import find_root
from cds_service.knowledge.loader import VERSIONS, Loaded, read_all
from cds_service.knowledge.model import VersionEntry
from cds_service.tools.options import knowledge_options


@click.command("lock")
@click.option("--change", required=True, help="Why it changed, in a few words; written beside each new version.")
@click.option(
    "--date",
    "day",
    type=click.DateTime(["%Y-%m-%d"]),
    help="Day of the change, such as 2026-11-22.  [default: today]",
)
@knowledge_options
def command(change: str, day: datetime | None, root: Path | None, site: str) -> None:
    """Record what is new or has a raised version; nothing is written where something changed without one.

    A second run records nothing. Without rules/versions.yaml everything is recorded anew.
    """
    if not change.strip() or not change.isprintable():
        raise click.BadParameter("expected the reason of the change, in one printable line", param_hint="--change")
    today = day.date() if day else date.today()  # noqa: DTZ011 - the day where the reviewer is
    folder = find_root(root)
    loaded = read_all(folder, site)
    problems = loaded.problems or _others(loaded) or lock.refusals(loaded, today)
    problems = problems or lock.backdated(loaded, today)
    if problems:
        raise KnowledgeError(["nothing is recorded; mend these first:", *problems])
    versions, added = lock.record(loaded, change, today)
    if not added:
        click.echo("nothing to record: every version is in the lock")
        return
    path = folder / VERSIONS
    # Written whole or not at all: a lock that breaks off would take the history with it.
    beside = path.with_suffix(".new")
    try:
        beside.write_text(lock.written(versions), encoding="utf-8")
        beside.replace(path)
    except OSError as error:
        raise click.ClickException(f"{path}: cannot be written: {error.strerror}") from error
    click.echo(f"{path}: recorded {_counted(added)}")


def _others(loaded: Loaded) -> list[str]:
    """Everything that keeps these files from being used, but what is gone: that may be recorded as removed."""
    gone = lock.gone(loaded)
    return [problem for problem in checks.problems(loaded) if problem not in gone]


def _counted(added: list[VersionEntry]) -> str:
    states = Counter(entry.state or "recorded" for entry in added)
    more = ", ".join(f"{states[state]} {state}" for state in ("retired", "removed") if states[state])
    return f"{len(added)} version{'' if len(added) == 1 else 's'}" + (f" ({more})" if more else "")
