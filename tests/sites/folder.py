"""Writes site folders for tests: `site.yaml` and whatever else is named."""

from __future__ import annotations

from pathlib import Path

SITE = "extend: us\nid: ward\n"
TEMPERATURE = 'valueSet: temperature\ncodes: [{system: "urn:oid:2.999.1", code: "T", display: Temp, source: build}]\n'


def write_site(folder: Path, **files: str) -> Path:
    """A site folder. Keys are paths with `__` for `/`, without `.yaml`: `terms__drugs`; `site` where it is not SITE."""
    for name, text in {"site": SITE, **files}.items():
        path = folder / f"{name.replace('__', '/')}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder
