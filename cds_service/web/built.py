"""What `anakinra-cds build` wrote: the pages of the catalogue and the knowledge as FHIR, read once and kept.

The layout of that folder stands here, for whoever writes it too: `manifest.json`, the catalogue below `knowledge/`, one
page for whatever is not there, and below `fhir/` one NDJSON file a resource type beside `metadata.json`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any, Final

import msgspec

from cds_service import __version__
from cds_service.errors import SettingsError

MANIFEST: Final = "manifest.json"
PAGES: Final = "knowledge"
NOT_FOUND: Final = "not-found.html"
FHIR: Final = "fhir"
CAPABILITY: Final = f"{FHIR}/metadata.json"
NDJSON: Final = ".ndjson"
_PAGE: Final = ".html"
_MEDIA_TYPES: Final = {_PAGE: "text/html", ".json": "application/json"}


class Manifest(msgspec.Struct, frozen=True, rename="camel"):
    """What a folder was built from, and which files are part of it: paths below the folder, with `/`."""

    version: str
    knowledge: str
    site: str
    content_security_policy: str
    files: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """One page as it is served."""

    body: bytes
    etag: str
    mimetype: str


@dataclass(frozen=True, slots=True)
class Build:
    """Everything that is served: pages by name (the index is the empty one), FHIR resources by type and by type and id.

    `capability` is the CapabilityStatement without the address of the server.
    """

    content_security_policy: str
    pages: Mapping[str, Page]
    not_found: bytes
    by_type: Mapping[str, list[dict[str, Any]]]
    resources: Mapping[tuple[str, str], bytes]
    capability: Mapping[str, Any]


class BuiltFolder:
    """A folder that `anakinra-cds build` made for one knowledge and site, or is about to make."""

    def __init__(self, folder: Path | None, digest: str, site: str) -> None:
        """None: nobody builds anything."""
        self._folder = folder
        self._wanted = (__version__, digest, site)
        self._kept: Build | None = None
        self._lock = Lock()

    def require(self) -> None:
        """Raises SettingsError where there is a folder, and nothing in it that was built from the same files."""
        if self._folder is None:
            return
        told = manifest_of(self._folder)
        if told is None:
            raise SettingsError(f"CDS_PAGES: {self._folder}: {MANIFEST} is missing or unreadable; {self._advice()}")
        found = _identity(told)
        if found != self._wanted:
            raise SettingsError(
                f"CDS_PAGES: {self._folder}: built by version {found[0]} from knowledge {found[1]} at site {found[2]}; "
                f"expected {self._wanted[0]}, {self._wanted[1]} and {self._wanted[2]}; {self._advice()}"
            )

    def build(self) -> Build | None:
        """What is there; None while it is not there yet."""
        with self._lock:
            if self._kept is None and self._folder is not None:
                told = manifest_of(self._folder)
                if told is not None and _identity(told) == self._wanted:
                    self._kept = _read(self._folder, told)
            return self._kept

    def _advice(self) -> str:
        return f"run: anakinra-cds build --out {self._folder}, with the same CDS_KNOWLEDGE and CDS_SITE"


def manifest_of(folder: Path) -> Manifest | None:
    """The manifest of a folder; None where it has none that can be read. It is written last."""
    try:
        return msgspec.json.decode((folder / MANIFEST).read_bytes(), type=Manifest)
    except (OSError, msgspec.MsgspecError):
        return None


def _identity(told: Manifest) -> tuple[str, str, str]:
    return told.version, told.knowledge, told.site


def _read(folder: Path, told: Manifest) -> Build:
    by_type: dict[str, list[dict[str, Any]]] = {}
    resources: dict[tuple[str, str], bytes] = {}
    for name in (name for name in told.files if name.endswith(NDJSON)):
        kind = Path(name).stem
        by_type[kind] = []
        for line in (folder / name).read_bytes().splitlines():
            resource = msgspec.json.decode(line)
            by_type[kind].append(resource)
            resources[kind, resource["id"]] = line
    names = (name.removeprefix(f"{PAGES}/") for name in told.files if name.startswith(f"{PAGES}/"))
    return Build(
        content_security_policy=told.content_security_policy,
        pages={_page_name(name): _page(folder / PAGES / name) for name in names},
        not_found=(folder / NOT_FOUND).read_bytes(),
        by_type=by_type,
        resources=resources,
        capability=msgspec.json.decode((folder / CAPABILITY).read_bytes()),
    )


def _page_name(file: str) -> str:
    """`rules/x.html` is the page `rules/x`, `index.html` the one without a name; data keep their ending."""
    return "" if file == f"index{_PAGE}" else file.removesuffix(_PAGE)


def _page(path: Path) -> Page:
    body = path.read_bytes()
    return Page(body, hashlib.sha256(body).hexdigest()[:20], _MEDIA_TYPES[path.suffix])
