"""The knowledge files of this checkout, read once for all tests that look at them."""

from __future__ import annotations

import functools
from pathlib import Path

from cds_service.knowledge import Inspection, inspect
from cds_service.knowledge.loader import GROUPS

ROOT = Path(__file__).resolve().parents[2]


@functools.cache
def inspection() -> Inspection:
    """What a review of the checkout's files finds, at the site `us`."""
    return inspect(ROOT)


def rule_files() -> list[Path]:
    """Every rule file of the checkout."""
    files = sorted(path for group in GROUPS for path in ROOT.glob(f"rules/{group}/*/*.yaml"))
    return [path for path in files if not path.name.endswith(".cases.yaml")]
