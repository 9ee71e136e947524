"""Where each page stands, as a file or as a URL, and the relative links between pages.

Links are relative so that the same pages work from a folder, from the service, and behind a proxy's path.
"""

from __future__ import annotations

import posixpath
from typing import Final, Protocol

INDEX: Final = ""
"""The name of the index; the other pages are `facts`, `rules/<id>`, `value-sets/<id>`, ..."""


class Places(Protocol):
    """Where a page stands: a path with `/`, without one in front."""

    def __call__(self, page: str) -> str:
        """The path of the page with this name."""


class FilePlaces:
    """Pages as files of a folder: `index.html`, `rules/<id>.html`."""

    def __call__(self, page: str) -> str:
        """The file, relative to the folder."""
        return page if page.endswith(".json") else f"{page or 'index'}.html"


class UrlPlaces:
    """Pages below a URL path without slashes at its ends: `knowledge`, `knowledge/rules/<id>`."""

    def __init__(self, root: str) -> None:
        self._root = root

    def __call__(self, page: str) -> str:
        """The URL path, relative to the service."""
        return f"{self._root}/{page}" if page else self._root


def relative(places: Places, source: str, target: str) -> str:
    """The link from the page `source` to `target`, a page's name with or without `#anchor`."""
    page, mark, anchor = target.partition("#")
    folder, name = posixpath.split(places(page))
    start = posixpath.dirname(places(source)) or "."
    # The name is joined anew: relpath would shorten `../../knowledge` to `..`, which is another URL.
    return posixpath.normpath(posixpath.relpath(folder or ".", start)) + f"/{name}{mark}{anchor}"
