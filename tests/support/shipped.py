"""The knowledge files of this checkout, read once for all tests that look at them."""

from __future__ import annotations

import functools
from pathlib import Path

import yaml

from cds_service.knowledge import Inspection, inspect, tables
from cds_service.knowledge.loader import RULE_GROUPS

ROOT = Path(__file__).resolve().parents[2]


@functools.cache
def inspection() -> Inspection:
    """What a review of the checkout's files finds, at the site `us`."""
    return inspect(ROOT)


def rule_files() -> list[Path]:
    """Every file of one rule."""
    files = sorted(path for group in RULE_GROUPS for path in ROOT.glob(f"rules/{group}/*/*.yaml"))
    return [path for path in files if not path.name.endswith((".cases.yaml", tables.SUFFIX, "drug.yaml"))]


def rules() -> list[Path]:
    """Every rule as the file that it has, or that a row of a table would have."""
    rows = [
        path.with_name(f"{row['id']}.yaml")
        for path in sorted(ROOT.glob(f"rules/*/*/*{tables.SUFFIX}"))
        for row in yaml.safe_load(path.read_text(encoding="utf-8"))[tables.ROWS]
    ]
    return [*rule_files(), *rows]
