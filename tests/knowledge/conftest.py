"""A small, complete set of knowledge files for each test, and what loading it complains of."""

from __future__ import annotations

from pathlib import Path

import pytest

from cds_service.errors import KnowledgeError
from cds_service.knowledge import load
from tests.support.knowledge_root import Problems, write_root


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The minimal valid root."""
    return write_root(tmp_path)


@pytest.fixture
def problems(root: Path) -> Problems:
    """A function that loads the root and returns the problems."""

    def loaded(site: str = "us") -> tuple[str, ...]:
        try:
            load(root, site)
        except KnowledgeError as error:
            return error.problems
        return ()

    return loaded
