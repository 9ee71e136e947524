"""The command `anakinra-cds`: a group whose commands are loaded only when they are used."""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any

import click

from cds_service import __version__
from cds_service.errors import CdsError
from cds_service.tools import commands


class LazyGroup(click.Group):
    """Commands are the modules of `tools.commands`; each holds its click command under the name `command`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of all modules, as they are typed: `new_rule` is `new-rule`."""
        return sorted(module.name.replace("_", "-") for module in pkgutil.iter_modules(commands.__path__))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of a name, or None where there is no such module."""
        if cmd_name not in self.list_commands(ctx):
            return None
        module = importlib.import_module(f"{commands.__name__}.{cmd_name.replace('-', '_')}")
        command: click.Command = module.command
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run; an error that we raise on purpose is a message, not a traceback."""
        try:
            return super().invoke(ctx)
        except CdsError as error:
            raise click.ClickException(str(error)) from error


@click.group(cls=LazyGroup)
@click.version_option(__version__, prog_name="anakinra-cds")
def main() -> None:
    """Anakinra for the toxicity of CAR-T cell therapy: a CDS Hooks service and the tools for its rules."""


if __name__ == "__main__":
    main()
