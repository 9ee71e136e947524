"""`anakinra-cds docs`: write the knowledge as browsable pages for reviewers."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import click

from cds_service.catalogue import GENERATOR, FilePlaces, render
from cds_service.knowledge import load

_HEAD = 2048  # characters within which our pages name their generator


@click.command("docs")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("docs/catalogue"),
    show_default=True,
    help="Folder to write to; it is made where it does not exist.",
)
@click.option(
    "--root",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Folder that holds rules/ and cards/. Default: those of this checkout or installation.",
)
@click.option("--site", default="us", show_default=True, help="Id of a shipped site, or path of a YAML file.")
def command(out: Path, root: Path | None, site: str) -> None:
    """Write a page for every rule and value set, and pages of facts, policies and evidence.

    Pages of an earlier run whose rule or value set is gone are removed; other files are left alone.
    """
    knowledge = load(root, site)
    places = FilePlaces()
    pages = {out / places(name): text for name, text in render(knowledge, places).items()}
    try:
        for path, text in pages.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        removed = _remove_others(out, pages.keys())
    except OSError as error:
        raise click.ClickException(
            f"{error.filename}: cannot be written: {error.strerror}; name another folder with --out"
        ) from error
    gone = f", {removed} removed" if removed else ""
    click.echo(f"{len(pages)} pages of knowledge {knowledge.digest}{gone}: open {out / places('')}")


def _remove_others(out: Path, written: Iterable[Path]) -> int:
    """Remove pages of ours that were not written now: how many there were."""
    kept = set(written)
    stale = [path for path in (*out.glob("*.html"), *out.glob("*/*.html")) if path not in kept and _is_ours(path)]
    for path in stale:
        path.unlink()
    return len(stale)


def _is_ours(path: Path) -> bool:
    with path.open(encoding="utf-8", errors="replace") as file:
        return f'<meta name="generator" content="{GENERATOR}">' in file.read(_HEAD)
