"""The example patients that the workbench offers, and how each is asked."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from cds_service.shipped import EXAMPLES, find_examples


class Offered(NamedTuple):
    """One patient: what the list says of it, and its bundle as it lies there."""

    told: Mapping[str, Any]
    bundle: bytes


def offered() -> dict[str, Offered]:
    """The example patients by id, in the order of their lists; none where they are not installed."""
    folder = find_examples()
    return dict(_read(folder)) if folder is not None else {}


def _read(folder: Path) -> Iterator[tuple[str, Offered]]:
    for group, asked in EXAMPLES:
        for name, wanted in yaml.safe_load((folder / asked).read_text(encoding="utf-8")).items():
            bundle = (folder / group / f"{name}.json").read_bytes()
            tags = json.loads(bundle).get("meta", {}).get("tag", ())
            story = next((tag["display"] for tag in tags if "display" in tag), name)
            told = {"id": name, "story": story, "group": group}
            yield (
                name,
                Offered(told | {k: wanted[k] for k in ("hook", "at", "withhold", "decision") if k in wanted}, bundle),
            )
