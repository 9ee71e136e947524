"""Every element of a resource, with the path by which FHIR's specification calls it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def walk(element: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Every object and value with its path, without positions: `ValueSet.compose.include.concept`."""
    yield path, element
    if isinstance(element, dict):
        for name, value in element.items():
            yield from walk(value, f"{path}.{name}")
    elif isinstance(element, list):
        for value in element:
            yield from walk(value, path)
