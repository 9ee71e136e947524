"""The shipped knowledge and its export, made once for all tests that look at them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cds_service.knowledge import Knowledge, load
from cds_service.tools.export import checked, text
from tests.support.knowledge_root import write_root
from tests.support.shipped import ROOT

Resources = dict[str, dict[str, Any]]


def exported(knowledge: Knowledge) -> Resources:
    """`<Type>/<id>` -> the resource, as whoever reads its file gets it."""
    return {f"{each['resourceType']}/{each['id']}": json.loads(text(each)) for each in checked(knowledge)}


@pytest.fixture(scope="session")
def ours() -> Knowledge:
    return load(ROOT)


@pytest.fixture(scope="session")
def resources(ours: Knowledge) -> Resources:
    return exported(ours)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_root(tmp_path / "root")
