"""The options that say which knowledge and site a command looks at: by default those that the service runs with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click


def knowledge_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--root` and `--site`, handed in as `root` (None: the shipped files) and `site`; else CDS_KNOWLEDGE, CDS_SITE."""
    root = click.option(
        "--root",
        envvar="CDS_KNOWLEDGE",
        show_envvar=True,
        type=click.Path(path_type=Path, exists=True, file_okay=False),
        help="Folder that holds rules/ and cards/. Default: those of this checkout or installation.",
    )
    site = click.option(
        "--site",
        envvar="CDS_SITE",
        show_envvar=True,
        default="us",
        show_default=True,
        help="Id of a shipped site, or path of a site's folder or YAML file.",
    )
    return root(site(command))
