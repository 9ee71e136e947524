"""Where knowledge comes from: statements of the sources and what uses them, recorded versions, source attributes."""

from __future__ import annotations

from datetime import date as date_
from typing import Annotated, Literal, get_args

from pydantic import Field, StringConstraints, field_validator

from cds_service.knowledge.model.base import Id, Model

AttributeName = Literal[
    "citation", "developer", "funding", "dates", "race", "ethnicity", "language", "sexual-orientation",
    "gender-identity", "sex", "date-of-birth", "social-determinants", "health-status",
]  # fmt: skip
ATTRIBUTES: tuple[AttributeName, ...] = get_args(AttributeName)
Words = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]
# A: the table of actionable statements; C: claims and conflicts; E: how evidence is shown; S<n>: a source's others.
StatementId = Annotated[str, StringConstraints(pattern=r"^([ACE]\d{2}|S\d-\d{2})$")]


class UsedBy(Model):
    """What a statement became, by kind; facts are those of `rules/facts.yaml`."""

    rules: tuple[Id, ...] = ()
    policies: tuple[Id, ...] = ()
    regimens: tuple[Id, ...] = ()
    evidence: tuple[Id, ...] = ()
    cards: tuple[Id, ...] = ()
    facts: tuple[Id, ...] = ()

    def __bool__(self) -> bool:
        """Whether anything uses it."""
        return any(names for _, names in self)


class Statement(Model):
    """One statement of the sources in our words: what uses it, or why nothing does, and which tests prove it."""

    id: StatementId
    statement: Words
    sources: tuple[Id, ...] = ()
    used_by: UsedBy = UsedBy()
    not_used: str = ""
    tests: tuple[str, ...] = ()


class Coverage(Model):
    """`rules/coverage.yaml`: the source documents by key, and every statement of theirs."""

    sources: dict[Id, str] = Field(default_factory=dict)
    statements: tuple[Statement, ...] = ()


class VersionEntry(Model):
    """One recorded version of an artefact; `version` is a date where the artefact is known by one.

    `state` is set where an artefact ended with this version: it may not change any more, or is gone.
    """

    id: Id
    version: Annotated[str, StringConstraints(pattern=r"^\d+(\.\d+\.\d+|-\d{2}-\d{2})$")]
    date: date_
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    change: Words
    state: Literal["retired", "removed"] | None = None


class Versions(Model):
    """`rules/versions.yaml`: the recorded versions of every artefact, oldest first."""

    rules: tuple[VersionEntry, ...] = ()
    value_sets: tuple[VersionEntry, ...] = ()
    regimens: tuple[VersionEntry, ...] = ()
    cards: tuple[VersionEntry, ...] = ()
    drugs: tuple[VersionEntry, ...] = ()
    policies: tuple[VersionEntry, ...] = ()
    evidence: tuple[VersionEntry, ...] = ()

    def of(self, kind: str, name: str) -> tuple[VersionEntry, ...]:
        """What is recorded of one artefact; `kind` is the name of a field, as in Python."""
        recorded: tuple[VersionEntry, ...] = getattr(self, kind)
        return tuple(entry for entry in recorded if entry.id == name)


class Attribute(Model):
    """One source attribute: its title, and what is said where nothing more is known of a rule."""

    title: Words
    otherwise: Words


class SourceAttributes(Model):
    """`rules/source-attributes.yaml`: the attributes, how facts use them, and what a rule says otherwise."""

    attributes: dict[AttributeName, Attribute] = Field(default_factory=dict)
    facts: dict[Id, dict[AttributeName, Words]] = Field(default_factory=dict)
    overrides: dict[Id, dict[AttributeName, Words]] = Field(default_factory=dict)

    @field_validator("attributes")
    @classmethod
    def _all_of_them(cls, given: dict[AttributeName, Attribute]) -> dict[AttributeName, Attribute]:
        absent = [name for name in ATTRIBUTES if name not in given]
        if absent:
            raise ValueError(f"expected all {len(ATTRIBUTES)} attributes (absent: {', '.join(absent)})")
        return given
