"""`anakinra-cds docs`: write the knowledge as browsable pages for reviewers, and as one page for the repository."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import click

from cds_service.knowledge import load
from cds_service.shipped import find_examples
from cds_service.tools.catalogue import GENERATOR, FilePlaces, data, markdown, render
from cds_service.tools.catalogue.shown import shown
from cds_service.tools.connecting import PAGE as SHEET
from cds_service.tools.connecting import connecting
from cds_service.tools.options import knowledge_options
from cds_service.tools.safety_case import HAZARDS, hazard_log
from cds_service.tools.safety_case import PAGE as SAFETY
from cds_service.tools.safety_case import page as safety_page
from cds_service.tools.story import PAGE, REQUEST, story

_HEAD = 2048  # characters within which our pages name their generator
_CATALOGUE = Path("docs/catalogue")
_PAGE = Path("docs/knowledge.md")


@click.command("docs")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help=f"Folder for all of it; it is made where it does not exist.  [default: {_CATALOGUE}, and {_PAGE}]",
)
@click.option("--check", is_flag=True, help="Write nothing; exit code 1 where the page of the repository is stale.")
@knowledge_options
def command(*, out: Path | None, check: bool, root: Path | None, site: str) -> None:
    """Write a page for every rule and value set, and pages of facts, policies, cards, evidence and statements.

    Pages of an earlier run whose rule or value set is gone are removed; other files are left alone. Of the pages
    of the repository knowledge.md holds the tables of rules, statements and policies, and how-a-card-comes-to-be.md
    follows an example through the service; connecting.md is written by hand, but for its tables;
    safety-case.md is safety/hazards.yaml as a page.
    """
    folder, page = (out, out / _PAGE.name) if out else (_CATALOGUE, _PAGE)
    knowledge = load(root, site)
    told = {page: markdown(knowledge)}
    if out is None and REQUEST.is_file():
        told[PAGE] = story(knowledge, REQUEST)
        told[SHEET] = connecting(SHEET.read_text(encoding="utf-8"), knowledge, REQUEST)
    if out is None and HAZARDS.is_file():
        told[SAFETY] = safety_page(hazard_log(HAZARDS))
    if check:
        for each, text in told.items():
            _check(each, text)
        return
    places = FilePlaces()
    pages = render(knowledge, places, shown(knowledge, find_examples()))
    files = {folder / places(name): text for name, text in {**pages, **data(knowledge)}.items()}
    try:
        _write({**files, **told})
        removed = _remove_others(folder, files.keys())
    except OSError as error:
        raise click.ClickException(
            f"{error.filename}: cannot be written: {error.strerror}; name another folder with --out"
        ) from error
    gone = f", {removed} removed" if removed else ""
    click.echo(f"{len(files)} pages of knowledge {knowledge.digest}{gone}: open {folder / places('')}; and {page}")


def _check(page: Path, told: str) -> None:
    """Compare the page with what the files say now."""
    try:
        found = page.read_text(encoding="utf-8")
    except OSError as error:
        raise click.ClickException(f"{page}: cannot be read: {error.strerror}; run: anakinra-cds docs") from error
    if found != told:
        raise click.ClickException(f"{page}: stale, rules/ or cards/ have changed since; run: anakinra-cds docs")
    click.echo(f"{page}: as the files say")


def _write(files: Mapping[Path, str]) -> None:
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


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
