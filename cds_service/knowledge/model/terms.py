"""Value sets, policy values, evidence and units: what rules refer to."""

from __future__ import annotations

from datetime import date as date_
from typing import Literal

from pydantic import field_validator

from cds_service.knowledge.model.base import Id, Model, Status, Version


class Code(Model):
    """One code of a value set; `match: prefix` also takes the code's children (ATC classes)."""

    system: str
    code: str
    display: str
    source: str
    match: Literal["exact", "prefix"] = "exact"


class Exclusion(Model):
    """A code or a phrase that must never match, and why. A name of two words or more is meant in the order of an index
    too ("pneumonia, organizing"), unless it is not `inverted`: "sepsis, alert" is no sepsis alert."""

    system: str = ""
    code: str = ""
    display: str = ""
    text: str = ""
    inverted: bool = True
    reason: str


class Tree(Model):
    """Parts of code systems with a tree (ICD-10, ATC), by the beginnings of their codes, without dots.

    `family` is a family of `rules/code-systems.yaml` or a group of them (`icd-10`: all national editions); `without`
    are beginnings that do not belong here although a shorter one does.
    """

    family: Id
    codes: tuple[str, ...]
    without: tuple[str, ...] = ()
    source: str


class Pairs(Model):
    """Names that two words make together, in each of some forms: "{of} {word}", "{word} gegen {of}"."""

    of: tuple[str, ...]
    words: tuple[str, ...]
    forms: tuple[str, ...]

    @field_validator("forms")
    @classmethod
    def _hold_both(cls, forms: tuple[str, ...]) -> tuple[str, ...]:
        lacking = [form for form in forms if form.count("{of}") != 1 or form.count("{word}") != 1]
        if lacking or not forms:
            raise ValueError(f"expected {{of}} and {{word}} once in each form, found {lacking or 'no form'}")
        return forms

    @property
    def names(self) -> tuple[str, ...]:
        """Each name once."""
        made = (
            form.replace("{of}", of).replace("{word}", word)
            for form in self.forms
            for of in self.of
            for word in self.words
        )
        return tuple(dict.fromkeys(made))


class UnverifiedCode(Model):
    """A code that was met but could not be verified: recorded, never used for matching."""

    system: str
    code: str
    display: str
    reason: str


class ValueSet(Model):
    """Codes and words with one clinical meaning. One that only `qualifies` says nothing alone: a record of it and
    nothing else is not understood by it. `fillers` are words that name nothing: no concept is recognised by them, they
    are only taken away from others. Single words of one that is `international` are found in the spelling of every
    language too: mycosis, mykose, micosi. A denial goes on over the commas of a list among the terms of those that are
    `listed`: "no pneumonia, sepsis or meningitis". What is `ordinary` only tells a record from what nobody understood:
    in a script that the site does not read its words are not understood either. `pairs` make names of two words, a
    disease and a word for vaccine. Illnesses of one that is `indexed` are found as an index writes them too:
    "myocarditis, viral"; what a set excludes always is."""

    id: Id
    title: str
    qualifies: bool = False
    fillers: bool = False
    international: bool = False
    listed: bool = False
    ordinary: bool = False
    indexed: bool = False
    status: Status
    version: Version
    date: date_
    purpose: str
    method: str
    codes: tuple[Code, ...]
    trees: tuple[Tree, ...] = ()
    text: tuple[str, ...]
    pairs: tuple[Pairs, ...] = ()
    exclusions: tuple[Exclusion, ...]
    unverified: tuple[UnverifiedCode, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Every name that it is known by: those that are written, and those that pairs of words make."""
        return (*self.text, *(name for pair in self.pairs for name in pair.names))


class Policy(Model):
    """A threshold or window with an owner and a source. Rules fire on these, never on a study's figure.

    A number stays within `least` and `most`, both included and in its unit, whoever sets it: the files or a site.
    `analyte` names the measurement that it is compared with, where that is one of `rules/units.yaml`.
    """

    title: str
    value: float | int | bool
    unit: str
    least: float | int | None = None
    most: float | int | None = None
    analyte: str = ""
    owner: str
    valid_from: date_
    reference: str
    site_may_override: bool = False


class Evidence(Model):
    """What a rule leans on, how it was checked, and what may be said of it."""

    id: Id
    title: str
    citation: str
    url: str
    population: str
    n: int | None
    design: str
    statement: str
    status: Literal["verified", "partly", "unverified", "refuted"]
    why: str
    checked_on: date_
    seeds: tuple[str, ...]
    forbidden: tuple[str, ...]


class Unit(Model):
    """One accepted unit of an analyte: canonical value = value * factor + offset. Decimal numbers as strings."""

    code: str
    aliases: tuple[str, ...] = ()
    factor: str = "1"
    offset: str = "0"


class Analyte(Model):
    """The closed table of units of one kind of measurement, and the range outside which a value is implausible."""

    title: str
    unit: str
    units: tuple[Unit, ...]
    plausible: tuple[float, float]
    plausible_adult: tuple[float, float] | None = None
    without_unit: tuple[str, ...] = ()
    """Units of which a bare number is in the one in which it is plausible."""
