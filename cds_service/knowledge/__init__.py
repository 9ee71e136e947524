"""The reviewed clinical content, loaded and validated once at start: everything under `rules/` and `cards/`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from cds_service.errors import KnowledgeError
from cds_service.knowledge import checks, lock, review, site_terms, sites
from cds_service.knowledge.files import Document, YamlPath, find_root
from cds_service.knowledge.loader import (
    COVERAGE,
    DRUGS,
    GROUPS,
    SITE_CARDS,
    SOURCE_ATTRIBUTES,
    TIMELINE,
    VERSIONS,
    Loaded,
    read_all,
)
from cds_service.knowledge.model import (
    POLICY_PREFIX,
    STRATA,
    Analyte,
    Card,
    Case,
    Catalogue,
    Code,
    CodeSystems,
    Condition,
    Coverage,
    Drug,
    Evidence,
    Group,
    Languages,
    Orders,
    OverrideReason,
    Policy,
    Regimen,
    Region,
    RegionStatement,
    RuleDefinition,
    Site,
    SourceAttributes,
    ValueSet,
    Versions,
)
from cds_service.knowledge.model.timeline import Picture
from cds_service.knowledge.occasions import Occasions

__all__ = ["Inspection", "Knowledge", "KnowledgeError", "inspect", "load"]


@dataclass(frozen=True)
class Knowledge:
    """Everything that a reviewer wrote, validated, as it holds at one site. Mappings are by id or name.

    `policies` have the values of this site (`shipped_policies` those that no site has changed, for which the cases are
    written), `value_sets` its codes and words, `cards` its wording; `overridden`,
    `local_codes` (by value set) and `site_cards` say what is the site's own. `rules` are sorted by stratum, then
    id; those that the site switched off (`site.rules_off`) are among them. `rule_folders` says where each lies, such
    as `rules/shared/allergy`. `digest` identifies the files: 12 hexadecimal digits. `unrecorded` are problems of
    value sets that are not what the lock recorded under their version. `site_file` is the site's own;
    `documents` are the files by kind and id, for the lines of later problems.
    """

    policies: Mapping[str, Policy]
    overridden: frozenset[str]
    value_sets: Mapping[str, ValueSet]
    evidence: Mapping[str, Evidence]
    analytes: Mapping[str, Analyte]
    code_systems: CodeSystems
    languages: Languages
    catalogue: Catalogue
    orders: Orders
    drugs: Mapping[str, Drug]
    groups: Mapping[str, Group]
    rules: tuple[RuleDefinition, ...]
    cases: Mapping[str, tuple[Case, ...]]
    regimens: Mapping[str, Regimen]
    cards: Mapping[str, Card]
    site: Site
    digest: str
    shipped_policies: Mapping[str, Policy] = field(default_factory=dict)
    unrecorded: tuple[str, ...] = ()
    override_reasons: Mapping[str, OverrideReason] = field(default_factory=dict)
    regions: Mapping[str, Region] = field(default_factory=dict)
    sites: Mapping[str, Site] = field(default_factory=dict)
    rule_folders: Mapping[str, str] = field(default_factory=dict)
    coverage: Coverage = field(default_factory=Coverage)
    versions: Versions = field(default_factory=Versions)
    source_attributes: SourceAttributes = field(default_factory=SourceAttributes)
    timeline: Picture = field(default_factory=Picture)
    local_codes: Mapping[str, tuple[Code, ...]] = field(default_factory=dict)
    site_cards: frozenset[str] = frozenset()
    site_file: str = ""
    documents: Mapping[tuple[str, str], Document] = field(default_factory=dict, compare=False, repr=False)

    def problem(self, kind: str, key: str, path: YamlPath, text: str) -> str:
        """One line `file:line: key: text` about a file: `kind` and `key` such as `cards` and its id, or
        `rules/facts.yaml` and ""."""
        name = f"{kind}/{key}.yaml" if key else kind
        kind = SITE_CARDS if kind == "cards" and key in self.site_cards else kind
        return self.documents.get((kind, key), Document(name, b"")).problem(path, text)

    @cached_property
    def occasions(self) -> Occasions:
        """Which rules run for which order and drug."""
        return Occasions(self.orders.kinds, self.drugs, self.groups, self.rules)

    def status_here(self, drug: str) -> RegionStatement | None:
        """What is known of a drug where this site is; None for what is no drug, or where it says nothing."""
        return self.drugs[drug].regions.get(self.site.region) if drug in self.drugs else None

    def one_click(self, drug: str) -> bool:
        """Whether the site's region lets a drug be ordered with one click: a supply route that is needed is named."""
        status = self.status_here(drug)
        return status is not None and (not status.needs_supply_route or bool(self.site.supply_route))

    def reasons_against(self, card: Card | None = None) -> tuple[OverrideReason, ...]:
        """What a clinician may say who goes another way than a card says: what always fits, then the card's own."""
        always = [name for name, reason in self.override_reasons.items() if reason.always]
        own = card.override_reasons if card is not None else ()
        return tuple(self.override_reasons[name] for name in dict.fromkeys((*always, *own)))

    def operand(self, condition: Condition) -> bool | int | float | str:
        """The right-hand side of a comparison, with `policy.<name>` replaced by that policy's value at this site."""
        written = condition.operand
        if isinstance(written, str) and written.startswith(POLICY_PREFIX):
            return self.policies[written.removeprefix(POLICY_PREFIX)].value
        return written


def load(root: Path | None = None, site: str = "us") -> Knowledge:
    """Load and check everything under `root` (default: the checkout's files, else the installed ones).

    `site` is the id of a shipped site, or the path of a `.yaml` file or of a folder with `site.yaml`. Raises
    KnowledgeError with every problem found, one line each: `file:line: key: what was expected`.
    """
    loaded = read_all(find_root(root), site)
    if loaded.problems:
        raise KnowledgeError(loaded.problems)
    problems = checks.problems(loaded)
    if problems:
        raise KnowledgeError(problems)
    return _knowledge(loaded)


@dataclass(frozen=True, slots=True)
class Inspection:
    """What a reviewer is told about a set of files: `knowledge` is None where they cannot be used at all.

    `problems` and `warnings` are one line each; `places` tells where each case stands: (rule id, number of the case
    from 0) -> `file:line`.
    """

    knowledge: Knowledge | None
    problems: tuple[str, ...]
    warnings: tuple[str, ...] = ()
    places: Mapping[tuple[str, int], str] = field(default_factory=dict)


def inspect(root: Path | None = None, site: str = "us") -> Inspection:
    """Like `load`, with the checks of a review (cases, length, unused files), and telling instead of raising."""
    try:
        loaded = read_all(find_root(root), site)
    except KnowledgeError as error:
        return Inspection(None, error.problems)
    problems = loaded.problems or checks.problems(loaded)
    if problems:
        # What follows from the files as models cannot be said of files that are not understood.
        reviewed = [] if loaded.problems else review.check(loaded)
        return Inspection(None, (*problems, *reviewed))
    return Inspection(
        knowledge=_knowledge(loaded),
        problems=tuple(review.check(loaded)),
        warnings=tuple(review.warnings(loaded)),
        places=review.places(loaded),
    )


def _knowledge(loaded: Loaded) -> Knowledge:
    assert loaded.site is not None
    policies, overridden = sites.effective(loaded.policies, loaded.site)
    rules: Iterable[RuleDefinition] = loaded.table("rules").values()
    return Knowledge(
        policies=policies,
        overridden=overridden,
        value_sets=site_terms.extended(loaded.table("rules/terms"), loaded.additions),
        evidence=loaded.table("rules/evidence"),
        analytes=loaded.analytes,
        code_systems=loaded.singles["rules/code-systems.yaml"],
        languages=loaded.singles["rules/languages.yaml"],
        catalogue=loaded.catalogue,
        orders=loaded.orders,
        drugs=loaded.table(DRUGS),
        groups=loaded.singles[GROUPS],
        rules=tuple(sorted(rules, key=lambda rule: (STRATA.index(rule.stratum), rule.id))),
        cases=loaded.table("cases"),
        regimens=loaded.table("regimens"),
        cards={**loaded.table("cards"), **loaded.table(SITE_CARDS)},
        site=loaded.site,
        digest=loaded.digest,
        shipped_policies=loaded.policies,
        unrecorded=tuple(lock.changed_value_sets(loaded)),
        override_reasons=loaded.override_reasons,
        regions=loaded.regions,
        sites=loaded.table("rules/sites"),
        rule_folders={key: loaded.document("rules", key).name.rpartition("/")[0] for key in loaded.table("rules")},
        coverage=loaded.singles[COVERAGE],
        versions=loaded.singles[VERSIONS],
        source_attributes=loaded.singles[SOURCE_ATTRIBUTES],
        timeline=loaded.singles[TIMELINE],
        documents=loaded.documents,
        local_codes=site_terms.local_codes(loaded.additions),
        site_cards=frozenset(loaded.table(SITE_CARDS)),
        site_file=loaded.site_file,
    )
