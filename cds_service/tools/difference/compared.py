"""Two versions side by side. Each is loaded, compiled and asked about every example patient at the same site."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cds_service.errors import CdsError, KnowledgeError
from cds_service.knowledge import Knowledge, load
from cds_service.program import compile_program
from cds_service.service import Service
from cds_service.tools.catalogue.shown import Shown, shown_by
from cds_service.tools.difference.answers import AnswerChange, answer_changes
from cds_service.tools.difference.content import FileChange, Item, content_changes, file_changes
from cds_service.tools.examples import Example, answered

Progress = Callable[[str], None]


class DifferenceError(CdsError):
    """One of the two versions cannot be used; the message says which and why."""


@dataclass(frozen=True, slots=True)
class Version:
    """One version: its folder, and what it answers to each example."""

    name: str
    root: Path
    knowledge: Knowledge
    service: Service
    examples: tuple[Example, ...]

    @property
    def shown(self) -> Shown:
        """Its cards on the example patients."""
        return shown_by(self.service, self.examples)


@dataclass(frozen=True, slots=True)
class Difference:
    """Everything that differs. `asked` answers were compared: each example as its list says, and as its chart opens."""

    old: Version
    new: Version
    files: tuple[FileChange, ...]
    items: tuple[Item, ...]
    answers: tuple[AnswerChange, ...]
    asked: int


def compare(old: Path, new: Path, site: str, examples: Path, progress: Progress) -> Difference:
    """Compare two folders that hold rules/ and cards/. Raises CdsError."""
    before = _version("OLD", old, site, examples, progress)
    after = _version("NEW", new, site, examples, progress)
    progress("comparing")
    return Difference(
        old=before,
        new=after,
        files=file_changes(old, new),
        items=content_changes(before.knowledge, after.knowledge, before.shown, after.shown),
        answers=answer_changes(before.service, before.examples, after.service, after.examples),
        asked=len(after.examples),
    )


def _version(name: str, root: Path, site: str, examples: Path, progress: Progress) -> Version:
    progress(f"{name}: reading {root}")
    try:
        knowledge = load(root, site)
        service = Service(compile_program(knowledge))
    except KnowledgeError as error:
        raise DifferenceError(f"{name}, {root}, cannot be used:\n{error}") from error
    service.warm()
    progress(f"{name}: knowledge {knowledge.digest}; asking about the example patients")
    return Version(name, root, knowledge, service, tuple(answered(service, examples)))
