"""Mutants that no case can tell from the original, each with the reason: a YAML list that a reviewer reads."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from cds_service.errors import KnowledgeError
from cds_service.knowledge.files import Document, read
from cds_service.knowledge.messages import validated
from cds_service.knowledge.model.base import Model


class _Entry(Model):
    """One mutant by its name, and why nothing can tell it from the original."""

    mutant: str
    reason: str


def read_table(path: Path) -> tuple[Document, Mapping[str, int]]:
    """The file, and mutant name -> number of its entry; KnowledgeError says what is wrong in which line."""
    document = read(path, str(path))
    if document.problems:
        raise KnowledgeError(document.problems)
    entries, problems = validated(document, tuple[_Entry, ...], document.data or [])
    if problems:
        raise KnowledgeError(problems)
    return document, {entry.mutant: number for number, entry in enumerate(entries)}


def stale(document: Document, table: Mapping[str, int], survivors: Collection[str]) -> list[str]:
    """One line for each entry that excuses nothing: its mutant is noticed by now, or is not made any more."""
    expected = "expected the name of a mutant that no case notices; remove the entry"
    return [
        document.problem((number, "mutant"), f"{expected} (found {name})")
        for name, number in table.items()
        if name not in survivors
    ]
