"""Reads every file under `rules/` and `cards/` into the models, collecting all problems of all files."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from cds_service.knowledge import drug_facts, site_files, site_terms, sites, tables
from cds_service.knowledge.files import Document, YamlPath, read
from cds_service.knowledge.messages import missing, suggestion, validated
from cds_service.knowledge.model import (
    Analyte,
    Card,
    Case,
    Catalogue,
    CodeSystems,
    Coverage,
    Drug,
    Evidence,
    FactsFile,
    Group,
    Id,
    Languages,
    Opposites,
    Orders,
    OrdersFile,
    OverrideReason,
    Policy,
    Regimen,
    Region,
    RuleDefinition,
    Site,
    SiteTerms,
    SourceAttributes,
    StatusSet,
    ValueSet,
    Versions,
    assembled,
)
from cds_service.knowledge.model.timeline import Picture
from cds_service.knowledge.occasions import Occasions
from cds_service.knowledge.tree import yaml_files

FACTS = "rules/facts.yaml"
STATUSES = "rules/statuses.yaml"
ORDERS = "rules/orders.yaml"
REGIONS = "rules/regions.yaml"
UNITS = "rules/units.yaml"
GROUPS = "rules/groups.yaml"
OVERRIDE_REASONS = "rules/override-reasons.yaml"
SINGLE: Mapping[str, Any] = {
    FACTS: FactsFile,
    STATUSES: dict[Id, StatusSet],
    "rules/code-systems.yaml": CodeSystems,
    "rules/languages.yaml": Languages,
    ORDERS: OrdersFile,
    GROUPS: dict[Id, Group],
    OVERRIDE_REASONS: dict[Id, OverrideReason],
    REGIONS: dict[str, Region],
    UNITS: dict[Id, Analyte],
}
COVERAGE = "rules/coverage.yaml"
OPPOSITES = "rules/opposites.yaml"
SOURCE_ATTRIBUTES = "rules/source-attributes.yaml"
TIMELINE = "rules/timeline.yaml"
VERSIONS = "rules/versions.yaml"
# What traces, guards or pictures the others: knowledge of another origin may lack it.
OPTIONAL: Mapping[str, Any] = {
    COVERAGE: Coverage,
    OPPOSITES: Opposites,
    SOURCE_ATTRIBUTES: SourceAttributes,
    TIMELINE: Picture,
    VERSIONS: Versions,
}
FOLDERS: Mapping[str, Any] = {
    "rules/terms": ValueSet,
    "rules/evidence": Evidence,
    "rules/sites": Site,
    "rules/policies": dict[Id, Policy],
    "cards": Card,
}
SITE_CARDS = "site cards"
CASES = "cases"
RULES = "rules"
REGIMENS = "regimens"
DRUGS = "drugs"
POLICIES = "rules/policies"
# What rules are about: one drug, one toxicity, or something that many drugs share. Each holds a folder a topic.
RULE_GROUPS = ("drugs", "toxicities", "shared")
_RULE_FOLDER = re.compile(rf"rules/(?:{'|'.join(RULE_GROUPS)})/[a-z0-9-]+")
_DRUG_FILE = re.compile(r"rules/drugs/([a-z0-9-]+)/drug\.yaml")
_REGIMEN_FOLDER = re.compile(r"rules/drugs/[a-z0-9-]+/regimens")

_OF_MANY: Mapping[str, Any] = {DRUGS: Drug, RULES: RuleDefinition, CASES: tuple[Case, ...], REGIMENS: Regimen}


@dataclass(slots=True)
class Loaded:
    """All files as models, by kind and id, with their documents for the lines of later problems.

    `tables` has one entry per kind, as shipped: `drugs`, `rules`, `cases`, `regimens`, and the keys of FOLDERS;
    `singles` one for each file of SINGLE and OPTIONAL, empty where such a file is not there. A file of policies holds
    many of them: each has an entry of its own, and shares the document. What the chosen site lays over them:
    `additions` to value sets, and its wording in the table SITE_CARDS; `site_file` is what messages call its file.
    """

    tables: dict[str, dict[str, Any]] = field(default_factory=dict)
    documents: dict[tuple[str, str], Document] = field(default_factory=dict)
    singles: dict[str, Any] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    site: Site | None = None
    site_file: str = ""
    additions: list[site_terms.Addition] = field(default_factory=list)
    digest: str = ""
    whole: Catalogue | None = None
    ruled: Occasions | None = None

    def table(self, kind: str) -> dict[str, Any]:
        """id -> model of this kind, sorted by id; empty where the folder is."""
        return self.tables.get(kind, {})

    def document(self, kind: str, key: str = "") -> Document:
        """The document that this model was read from; without a key, that of a file of SINGLE or OPTIONAL."""
        return self.documents[kind, key]

    @property
    def policies(self) -> Mapping[str, Policy]:
        """Every policy with the value that ships."""
        return self.table(POLICIES)

    @property
    def catalogue(self) -> Catalogue:
        """`rules/facts.yaml` and `rules/statuses.yaml` as one, put together once."""
        if self.whole is None:
            found = self.singles[FACTS]
            parts = {name: getattr(found, name) for name in FactsFile.model_fields}
            self.whole = Catalogue(**parts, statuses=self.singles[STATUSES])
        return self.whole

    @property
    def orders(self) -> Orders:
        """`rules/orders.yaml`."""
        return cast(Orders, self.singles[ORDERS])

    @property
    def groups(self) -> Mapping[str, Group]:
        """`rules/groups.yaml`."""
        return cast(Mapping[str, Group], self.singles[GROUPS])

    @property
    def occasions(self) -> Occasions:
        """Which rules run for which order and drug, put together once."""
        if self.ruled is None:
            self.ruled = Occasions(self.orders.kinds, self.table(DRUGS), self.groups, self.table(RULES).values())
        return self.ruled

    @property
    def analytes(self) -> Mapping[str, Analyte]:
        """`rules/units.yaml`."""
        return cast(Mapping[str, Analyte], self.singles[UNITS])

    @property
    def override_reasons(self) -> Mapping[str, OverrideReason]:
        """`rules/override-reasons.yaml`."""
        return cast(Mapping[str, OverrideReason], self.singles[OVERRIDE_REASONS])

    @property
    def regions(self) -> Mapping[str, Region]:
        """`rules/regions.yaml`."""
        return cast(Mapping[str, Region], self.singles[REGIONS])


def read_all(root: Path, site: str) -> Loaded:
    """Everything under `root`, and the site of that id, file or folder. Problems are collected, never raised."""
    loaded = Loaded()
    documents = [read(path, name) for name, path in _files(root, loaded.problems)]
    by_name = {document.name: document for document in documents}
    for document in documents:
        if _kind(document.name) == DRUGS:
            _one_of_many(loaded, document)
    if FACTS in by_name:
        by_name[FACTS] = drug_facts.expanded(by_name[FACTS], loaded.table(DRUGS).values())
    for name, shape in SINGLE.items():
        _single(loaded, by_name.get(name), name, shape)
    for name, shape in OPTIONAL.items():
        loaded.singles[name] = shape()
        if name in by_name:
            _single(loaded, by_name[name], name, shape)
    for document in documents:
        if document.name not in SINGLE and document.name not in OPTIONAL and _kind(document.name) != DRUGS:
            _one_of_many(loaded, document)
    if "rules/orders.yaml" in loaded.singles:
        loaded.singles["rules/orders.yaml"] = assembled(loaded.singles["rules/orders.yaml"], loaded.table(DRUGS))
    outside = site_files.outside(site, _shipped_sites(loaded))
    _sites(loaded, site, outside)
    if outside is not None:
        _own(loaded, outside)
    loaded.digest = _digest(documents, outside)
    return loaded


def _files(root: Path, problems: list[str]) -> Iterable[tuple[str, Path]]:
    """(name below the root, path) of every file that has its place, sorted by name; any other is a problem."""
    for name, path in yaml_files(root, problems):
        if _kind(name) is None and name not in SINGLE and name not in OPTIONAL:
            problems.append(f"{name}:1: (file name): not a place for knowledge; expected {_places()}")
        else:
            yield name, path


def _places() -> str:
    folders = ", ".join(f"{folder}/<id>.yaml" for folder in FOLDERS)
    drug = "rules/drugs/<drug>"
    rules = f"rules/<{'|'.join(RULE_GROUPS)}>/<topic>/<rule-id>.yaml or <table-id>.table.yaml"
    return f"{', '.join((*SINGLE, *OPTIONAL))}, {folders}, {rules}, {drug}/drug.yaml or {drug}/regimens/<id>.yaml"


def _kind(name: str) -> str | None:
    """Which table a file belongs to, by its folder; None for a file that lies elsewhere."""
    folder, _, file = name.rpartition("/")
    if folder in FOLDERS:
        return folder
    if _DRUG_FILE.fullmatch(name):
        return DRUGS
    if _RULE_FOLDER.fullmatch(folder):
        return CASES if file.endswith(".cases.yaml") else RULES
    return REGIMENS if _REGIMEN_FOLDER.fullmatch(folder) else None


def _single(loaded: Loaded, document: Document | None, name: str, shape: Any) -> None:
    if document is None:
        loaded.problems.append(f"{name}:1: (whole file): expected this file, it does not exist")
        return
    model = _model(loaded, document.stem, document, shape)
    if model is not None:
        loaded.singles[name] = model
        loaded.documents[name, ""] = document


def _one_of_many(loaded: Loaded, document: Document) -> None:
    kind = str(_kind(document.name))
    if kind == "rules/sites":
        loaded.documents[kind, document.stem] = document
        return  # a site may extend another: read when all are there
    if kind == POLICIES:
        _policies(loaded, document, _model(loaded, document.stem, document, FOLDERS[kind]) or {})
        return
    shape = _OF_MANY.get(kind) or FOLDERS[kind]
    if kind == RULES and document.name.endswith(tables.SUFFIX):
        for key, row in tables.rows_of(document):
            _keep(loaded, kind, key, row, shape)
    else:
        _keep(loaded, kind, _key(document), document, shape)


def _keep(loaded: Loaded, kind: str, key: str, document: Document, shape: Any) -> None:
    model = _model(loaded, key, document, shape)
    if (kind, key) in loaded.documents:
        other = loaded.documents[kind, key].name
        loaded.problems.append(document.problem(("id",), f"the id {key} is already used by {other}"))
        return
    loaded.documents[kind, key] = document
    if model is not None:
        loaded.tables.setdefault(kind, {})[key] = model


def _key(document: Document) -> str:
    """The id that a file must carry: its name, and of a drug that of its folder."""
    drug = _DRUG_FILE.fullmatch(document.name)
    return drug[1] if drug else document.stem


def _policies(loaded: Loaded, document: Document, policies: Mapping[str, Policy]) -> None:
    """The policies of one file, each under its own name."""
    for name, policy in policies.items():
        if (POLICIES, name) in loaded.documents:
            other = loaded.documents[POLICIES, name]
            where = f"{other.name}:{other.line((name,))}"
            loaded.problems.append(document.problem((name,), f"the policy {name} is already written in {where}"))
            continue
        loaded.documents[POLICIES, name] = document
        loaded.tables.setdefault(POLICIES, {})[name] = policy


def _model(loaded: Loaded, key: str, document: Document, shape: Any) -> Any:
    """The document as this shape; None, and its problems noted, where it does not fit."""
    if document.problems:
        loaded.problems.extend(document.problems)
        return None
    model, problems = validated(document, shape, document.data)
    loaded.problems.extend(problems)
    named = getattr(model, "id", key)
    if named != key:
        what = "file name" if key == document.stem else "folder"
        loaded.problems.append(document.problem(("id",), f"expected {key}, as the {what} (found {named})"))
    return model


def _shipped_sites(loaded: Loaded) -> dict[str, Document]:
    return {key: document for (kind, key), document in loaded.documents.items() if kind == "rules/sites"}


def _sites(loaded: Loaded, chosen: str, outside: site_files.SiteFiles | None) -> None:
    """Every shipped site, so that a broken one is seen before a hospital picks it, and the chosen one."""
    shipped = _shipped_sites(loaded)
    wanted = {**shipped, **({outside.key: outside.site} if outside else {})}
    for key, document in wanted.items():
        merged, problems = sites.merged(document, key, shipped)
        if not problems:
            model, problems = validated(document, Site, merged)
            if model is not None:
                if outside is not None and document is outside.site:
                    model, unread = sites.located(document, model, outside.folder)
                    problems += unread
                loaded.tables.setdefault("rules/sites", {})[key] = model
        loaded.problems.extend(problem for problem in problems if problem not in loaded.problems)
    if outside is not None:
        loaded.documents["rules/sites", outside.key] = outside.site
    elif chosen not in shipped:
        loaded.problems.append(f"rules/sites/{chosen}.yaml:1: id: no such site{suggestion(chosen, shipped)}")
    key = outside.key if outside else chosen
    loaded.site = loaded.table("rules/sites").get(key)
    loaded.site_file = loaded.documents["rules/sites", key].name if key in wanted else ""


def _own(loaded: Loaded, outside: site_files.SiteFiles) -> None:
    """The terms and cards of a site's folder, and what of them does not fit what is shipped."""
    loaded.problems.extend(outside.problems)
    for document in outside.terms:
        several = isinstance(document.data, list)
        shape = tuple[SiteTerms, ...] if several else SiteTerms
        entries = _model(loaded, document.stem, document, shape)
        paths: list[YamlPath] = [(index,) for index in range(len(document.data))] if several else [()]
        read_ = () if entries is None else entries if several else (entries,)
        loaded.additions += [site_terms.Addition(e, document, p) for e, p in zip(read_, paths, strict=False)]
    opposites = loaded.singles.get(OPPOSITES, Opposites())
    loaded.problems.extend(site_terms.problems(loaded.additions, loaded.table("rules/terms"), opposites))
    for document in outside.cards:
        card = _model(loaded, document.stem, document, Card)
        if card is None:
            continue
        loaded.problems.extend(missing(document, ("id",), "shipped card", document.stem, loaded.table("cards")))
        loaded.tables.setdefault(SITE_CARDS, {})[document.stem] = card
        loaded.documents[SITE_CARDS, document.stem] = document


def _digest(documents: Iterable[Document], outside: site_files.SiteFiles | None) -> str:
    """The first 12 hex digits of a SHA-256 over names and contents, the same whatever the line ends are.

    Of a site from elsewhere all files count, by the site's id: not the folder that they lie in.
    """
    total = hashlib.sha256()
    named = [(document.name, document) for document in documents]
    for name, document in [*named, *(outside.documents if outside else ())]:
        text = document.content.replace(b"\r\n", b"\n")
        total.update(f"{name}\0{len(text)}\0".encode())
        total.update(text)
    return total.hexdigest()[:12]
