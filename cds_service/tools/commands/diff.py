"""`anakinra-cds diff`: what changed between two versions of the knowledge, and whose answer changes, as one page."""

from __future__ import annotations

from pathlib import Path

import click

from cds_service.shipped import find_examples
from cds_service.tools.difference import compare, page
from cds_service.tools.options import site_option

_FOLDER = click.Path(path_type=Path)  # what is wrong with it is said by whoever reads it


@click.command("diff")
@click.argument("old", type=_FOLDER)
@click.argument("new", type=_FOLDER)
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("knowledge-diff.html"),
    show_default=True,
    help="The page to write.",
)
@click.option(
    "--examples",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="Folder of example patients. Default: examples/ of the checkout, else the installed ones.",
)
@site_option
def command(*, old: Path, new: Path, out: Path, examples: Path | None, site: str) -> None:
    """Write a page on what changed from OLD to NEW, folders that hold rules/ and cards/.

    It tells the files, rules, policies and cards that changed, with both values, and the example patients whose
    decision, dose, cards or words change, with both first cards. An earlier version of a checkout becomes a folder with
    `git worktree add ../before REF`. Exit code 0 whether or not something changed.
    """
    folder = examples or find_examples()
    if folder is None:
        raise click.ClickException("no example patients beside the package; name their folder with --examples")
    found = compare(old, new, site, folder, lambda what: click.echo(what, err=True))
    out.write_text(page(found), encoding="utf-8")
    click.echo(
        f"{out}: {sum(len(f.added) + len(f.removed) + len(f.changed) for f in found.files)} files, "
        f"{len(found.items)} items; {len(found.answers)} of {found.asked} answers to example patients change"
    )
