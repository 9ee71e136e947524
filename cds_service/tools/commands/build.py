"""`anakinra-cds build`: write the folder that the service serves at /knowledge and /fhir."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from cds_service.knowledge import load
from cds_service.shipped import find_examples
from cds_service.tools.build import build
from cds_service.tools.options import knowledge_options


@click.command("build")
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder to write; it is made where it does not exist.",
)
@knowledge_options
def command(out: Path, root: Path | None, site: str) -> None:
    """Write the pages of the catalogue and the knowledge as FHIR, for CDS_PAGES.

    A service that is started without CDS_PAGES does the same into a folder of its own.
    """
    knowledge = load(root, site)
    try:
        manifest = build(knowledge, out, datetime.now(UTC).date(), find_examples())
    except OSError as error:
        raise click.ClickException(
            f"{error.filename}: cannot be written: {error.strerror}; name another folder with --out"
        ) from error
    click.echo(f"{out}: {len(manifest.files)} files of knowledge {manifest.knowledge} at site {manifest.site}")
