"""The command `anakinra-cds`: a group whose commands are loaded only when they are used."""

from __future__ import annotations

import importlib
import os
import select
import sys
from contextlib import nullcontext
from typing import Any, Final

import click

from cds_service import __version__
from cds_service.errors import CdsError
from cds_service.tools.commands import SHORT
from cds_service.tools.lasting import lasting

_EXTRA: Final = {"requests": "tools", "rich": "tools", "psycopg": "postgres"}
"""Packages of extras, which not everybody needs."""
_ENGINE: Final = ("durable_rules_engine", "durable")
_OF_SIGPIPE: Final = 128 + 13
"""The exit code that shells show of a tool whose output was cut off."""
_DEFINE: Final = "CPPFLAGS=-DPyEval_CallObject=PyObject_CallObject"


class LazyGroup(click.Group):
    """Commands are the modules of `tools.commands`; each holds its click command under the name `command`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of all modules, as they are typed: `new_rule` is `new-rule`."""
        return list(SHORT)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of a name, or None where there is no such module."""
        if cmd_name not in SHORT:
            return None
        name = f"cds_service.tools.commands.{cmd_name.replace('-', '_')}"
        try:
            with nullcontext() if name in sys.modules else lasting():
                module = importlib.import_module(name)
        except ImportError as error:
            raise _advised(error) from error
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands, from the table: no module is loaded for it."""
        with formatter.section("Commands"):
            formatter.write_dl(list(SHORT.items()))

    def invoke(self, ctx: click.Context) -> Any:
        """Run. Where nobody reads on, as behind `| head`, that ends it without a word, like any Unix tool."""
        try:
            found = self._run(ctx)
            if sys.stdout:
                sys.stdout.flush()
            return found
        except Exception as error:
            if not _cut_off(error):
                raise
            sys.exit(_OF_SIGPIPE)

    def _run(self, ctx: click.Context) -> Any:
        """An error that we raise on purpose is a message, not a traceback."""
        try:
            return super().invoke(ctx)
        except CdsError as error:
            raise click.ClickException(str(error)) from error
        except ImportError as error:
            raise _advised(error) from error
        except OSError as error:
            if error.filename is None:
                raise
            raise click.ClickException(f"{error.filename}: {error.strerror}") from error


def _cut_off(error: BaseException | None) -> bool:
    """Whether an error came of writing to who does not read any more; then nothing is written there from now on.

    SIGPIPE is not left to end the process: the service writes to sockets, whose clients may be gone at any time.
    """
    while error is not None and not isinstance(error, BrokenPipeError):
        error = error.__cause__ or error.__context__
    gone = [] if error is None else [number for number in (1, 2) if _unread(number)]
    for number in gone:
        os.dup2(os.open(os.devnull, os.O_WRONLY), number)
    return bool(gone)


def _unread(number: int) -> bool:
    """Whether nobody has the other end of an open file: that of the error could also be a child's, or a server's."""
    looking = select.poll()
    looking.register(number, 0)
    return any(found & (select.POLLERR | select.POLLHUP) for _, found in looking.poll(0))


def _advised(error: ImportError) -> Exception:
    """What to install, in one line, where a package is missing or was not built for this Python; else the error."""
    name = (error.name or "").partition(".")[0]
    if isinstance(error, ModuleNotFoundError) and name in _EXTRA:
        return click.ClickException(f"this needs the package {name}: pip install 'anakinra-cds[{_EXTRA[name]}]'")
    if name in _ENGINE or "PyEval_CallObject" in str(error) or "durable_rules_engine" in str(error):
        return click.ClickException(
            f"durable-rules is missing, or was built for Python 3.13 or later without the define it needs: "
            f"{_DEFINE} pip install --no-cache-dir --force-reinstall --no-deps durable-rules"
        )
    return error


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="anakinra-cds")
def main() -> None:
    """Anakinra for the toxicity of CAR-T cell therapy: a CDS Hooks service and the tools for its rules."""


if __name__ == "__main__":
    main()
