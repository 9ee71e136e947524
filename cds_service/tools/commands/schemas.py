"""`anakinra-cds schemas`: write the JSON Schemas of the YAML formats, by which editors complete and underline."""

from __future__ import annotations

from pathlib import Path

import click

from cds_service.tools import schemas


@click.command("schemas")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(schemas.FOLDER),
    show_default=True,
    help="Folder for the schemas; it is made where it does not exist.",
)
@click.option("--check", is_flag=True, help="Write nothing; exit code 1 where a schema is stale.")
def command(out: Path, check: bool) -> None:
    """Write a JSON Schema of each YAML format, and settings.json with which files have which."""
    made = schemas.files()
    stale = sorted(name for name, text in made.items() if _told(out / name) != text)
    stale += sorted(path.name for path in out.glob("*.json") if path.name not in made)
    if check:
        if stale:
            raise click.ClickException(f"{out}: stale: {', '.join(stale)}; run anakinra-cds schemas")
        return
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name in stale:
            if name in made:
                (out / name).write_text(made[name], encoding="utf-8")
            else:
                (out / name).unlink()
    except OSError as error:
        raise click.ClickException(f"{error.filename}: cannot be written: {error.strerror}") from error
    click.echo(f"{out}: {len(made)} files, {len(stale)} of them changed")


def _told(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""
