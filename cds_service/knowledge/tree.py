"""Which YAML files lie below a root: every one is named or complained of, none is passed over in silence.

Links to folders are followed, because Kubernetes mounts a ConfigMap as links into a hidden folder `..data`; names that
begin with a dot are skipped.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from cds_service.knowledge.files import FOLDERS


def yaml_files(root: Path, problems: list[str]) -> list[tuple[str, Path]]:
    """(name below the root, path) of every YAML file, sorted by name.

    What cannot be read, and what is no YAML and no Markdown, is added to `problems`.
    """
    found = [each for folder in FOLDERS for each in _below(folder, root / folder, (), problems)]
    return sorted(found)


def _below(name: str, folder: Path, above: tuple[Path, ...], problems: list[str]) -> Iterator[tuple[str, Path]]:
    """Everything in a folder; `above` are the real places of the folders that it lies in."""
    try:
        here = folder.resolve(strict=True)
        entries = sorted(folder.iterdir())
    except OSError as error:
        problems.append(f"{name}:1: (folder): cannot be read: {error.strerror}")
        return
    if here in above:
        problems.append(f"{name}:1: (folder): the link leads back to a folder that it lies in; remove it")
        return
    for path in entries:
        if path.name.startswith(".") or path.name.endswith("~") or path.suffix == ".md":
            continue
        inside = f"{name}/{path.name}"
        try:
            is_folder, is_file = path.is_dir(), path.is_file()
        except OSError as error:
            problems.append(f"{inside}:1: (whole file): cannot be read: {error.strerror}")
            continue
        if is_folder:
            yield from _below(inside, path, (*above, here), problems)
        elif not is_file:
            problems.append(f"{inside}:1: (whole file): expected a file or a folder; the link leads to nothing")
        elif path.suffix != ".yaml":
            problems.append(f"{inside}:1: (file name): expected a name that ends in .yaml (or .md for reading)")
        else:
            yield inside, path
