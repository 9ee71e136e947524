"""The knowledge files of this checkout, read once for all tests that look at them."""

from __future__ import annotations

import functools
from pathlib import Path

from cds_service.knowledge import Inspection, inspect

ROOT = Path(__file__).resolve().parents[2]
PARTS = (
    "rules/facts.yaml",
    "rules/orders.yaml",
    "rules/policies.yaml",
    "rules/regions.yaml",
    "rules/units.yaml",
    "rules/sites/us.yaml",
    "rules/*/*.cases.yaml",
    "cards/*.yaml",
)


def missing_parts() -> list[str]:
    """The parts of the knowledge files that do not exist; where there are any, nothing can be said of the whole."""
    return [part for part in PARTS if not any(ROOT.glob(part))]


@functools.cache
def inspection() -> Inspection:
    """What a review of the checkout's files finds, at the site `us`."""
    return inspect(ROOT)


def rule_files() -> list[Path]:
    """Every rule file of the checkout."""
    data = ("value-sets", "evidence", "regimens", "sites")
    files = sorted(ROOT.glob("rules/*/*.yaml"))
    return [path for path in files if path.parent.name not in data and not path.name.endswith(".cases.yaml")]
