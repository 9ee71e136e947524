"""Options that several commands share: which knowledge and which site they look at, by default those of the service."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

ROOT_VARIABLE: Final = "CDS_KNOWLEDGE"
SITE_VARIABLE: Final = "CDS_SITE"

root_option = click.option(
    "--root",
    envvar=ROOT_VARIABLE,
    type=click.Path(path_type=Path, exists=True, file_okay=False, readable=True),
    help=f"Folder that holds rules/ and cards/. Default: {ROOT_VARIABLE}, else those of this checkout or installation.",
)
"""`--root`: a Path, or None for the files that were shipped."""

site_option = click.option(
    "--site",
    envvar=SITE_VARIABLE,
    default="us",
    help=f"Id of a shipped site, or path of a site's YAML file. Default: {SITE_VARIABLE}, else us.",
)
"""`--site`: a text, as the setting of the service has it."""

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document, for programs.")
"""`--json`: True where the command prints JSON and nothing else to stdout."""
