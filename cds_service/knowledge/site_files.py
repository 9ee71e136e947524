"""A hospital's own site as files: one YAML file, or a folder with site.yaml, terms/ and cards/."""

from __future__ import annotations

from collections.abc import Container, Iterator
from dataclasses import dataclass
from pathlib import Path

from cds_service.knowledge.files import Document, read

SITE_FILE = "site.yaml"
TERMS = "terms"
CARDS = "cards"
# The site's own synthetic patients and the answers expected for them: for replay, never read by the service.
_BESIDE = frozenset({"patients", "expected.yaml"})


@dataclass(frozen=True, slots=True)
class SiteFiles:
    """One site from outside `rules/`: `key` is its id, `folder` where its relative paths start.

    `documents` are all of it, each with its name below the folder; `problems` are files that do not belong there.
    """

    key: str
    folder: Path
    site: Document
    terms: tuple[Document, ...] = ()
    cards: tuple[Document, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def documents(self) -> Iterator[tuple[str, Document]]:
        """(what the digest calls it, document): the folder that the site lies in does not count."""
        yield self.key, self.site
        for kind, found in ((TERMS, self.terms), (CARDS, self.cards)):
            for document in found:
                yield f"{self.key}/{kind}/{document.stem}", document


def outside(site: str, shipped: Container[str]) -> SiteFiles | None:
    """The hospital's own file or folder; None where the setting is an id.

    A bare name is an id where a shipped site has it; else it may be a folder here.
    """
    path = Path(site)
    is_folder = path.is_dir() and site not in shipped
    if path.suffix != ".yaml" and path.name == site and not is_folder:
        return None
    name = path.as_posix()
    if is_folder:
        return _folder(path, name)
    if path.suffix != ".yaml":
        text = "expected a name that ends in .yaml" if path.suffix else "expected a folder, or a file *.yaml"
        return SiteFiles(path.stem, path.parent, Document(name, b"", problems=(f"{name}:1: (file name): {text}",)))
    document = read(path, name)
    return SiteFiles(document.stem, path.parent, document)


def _folder(path: Path, name: str) -> SiteFiles:
    problems: list[str] = []
    for entry in _entries(path):
        if entry.name in _BESIDE or entry.name == SITE_FILE:
            continue
        if entry.is_dir():
            if entry.name not in (TERMS, CARDS):
                text = f"not a folder of a site; expected {TERMS}, {CARDS} or patients"
                problems.append(f"{name}/{entry.name}:1: (folder): {text}")
        elif entry.suffix in (".yaml", ".yml"):
            text = f"not a file of a site; expected {SITE_FILE}, {TERMS}/*.yaml or {CARDS}/*.yaml"
            problems.append(f"{name}/{entry.name}:1: (file name): {text}")
    site = read(path / SITE_FILE, f"{name}/{SITE_FILE}")
    own = site.data.get("id") if isinstance(site.data, dict) else None
    terms, cards = (tuple(_documents(path / kind, f"{name}/{kind}", problems)) for kind in (TERMS, CARDS))
    return SiteFiles(own if isinstance(own, str) else path.resolve().name, path, site, terms, cards, tuple(problems))


def _documents(folder: Path, name: str, problems: list[str]) -> Iterator[Document]:
    """Every YAML file of a folder, sorted by name; a dangling link is a file that cannot be read."""
    if not folder.is_dir():
        if folder.is_symlink() or folder.exists():
            problems.append(f"{name}:1: (folder): cannot be read: expected a folder")
        return
    for path in _entries(folder):
        if path.suffix == ".yaml" and not path.is_dir():
            yield read(path, f"{name}/{path.name}")
        elif path.suffix != ".md":
            problems.append(f"{name}/{path.name}:1: (file name): expected a name that ends in .yaml (or .md)")


def _entries(folder: Path) -> list[Path]:
    """What lies in a folder, without what editors leave and the `..data` of a Kubernetes mount."""
    return sorted(path for path in folder.iterdir() if not path.name.startswith(".") and not path.name.endswith("~"))
