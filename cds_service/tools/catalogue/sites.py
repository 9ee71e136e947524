"""Regions and sites as a reviewer reads them: each drug's status, and what a site has set. No server is named."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from cds_service.knowledge import Knowledge
from cds_service.knowledge.model import Code, Region, RuleDefinition, Site
from cds_service.tools.catalogue.sentences import shown, unit


@dataclass(frozen=True, slots=True)
class OffLine:
    """A rule that a site has switched off, its stratum, and the site's reason."""

    rule: RuleDefinition
    reason: str


@dataclass(frozen=True, slots=True)
class SiteLine:
    """One site: `one_click` is (title, allowed) of each drug, `changed` (name, title, value, unit) of each policy. Only
    the site of these pages shows what it adds: codes by value set, and its own cards."""

    of: Site
    region: Region
    is_here: bool
    one_click: tuple[tuple[str, bool], ...]
    changed: tuple[tuple[str, str, str, str], ...]
    off: tuple[OffLine, ...]
    silent: tuple[RuleDefinition, ...]
    unknown_if_empty: tuple[str, ...]
    local_codes: Mapping[str, tuple[Code, ...]]
    cards: tuple[str, ...]


def sites(knowledge: Knowledge) -> dict[str, Any]:
    """The page of regions and sites."""
    return {
        "regions": [_region(knowledge, name, region) for name, region in knowledge.regions.items()],
        "sites": [_site(knowledge, site) for site in knowledge.sites.values()],
    }


def _region(knowledge: Knowledge, name: str, region: Region) -> dict[str, Any]:
    """A region, and the status there of each drug that says one."""
    told = {drug.title: drug.regions[name] for drug in knowledge.drugs.values() if name in drug.regions}
    return {"name": name, "of": region, "drugs": told}


def _site(knowledge: Knowledge, site: Site) -> SiteLine:
    region = knowledge.regions[site.region]
    policies = knowledge.policies
    changed = tuple((n, policies[n].title, shown(v), unit(policies[n].unit)) for n, v in site.policies.items())
    there = replace(knowledge, site=site)
    one_click = tuple((drug.title, there.one_click(name)) for name, drug in knowledge.drugs.items() if drug.regions)
    is_here = site.id == knowledge.site.id
    rules = {rule.id: rule for rule in knowledge.rules}
    return SiteLine(
        of=site,
        region=region,
        is_here=is_here,
        one_click=one_click,
        changed=changed,
        off=tuple(OffLine(rules[name], reason) for name, reason in site.rules_off.items()),
        silent=tuple(rules[name] for name in site.silent_rules),
        unknown_if_empty=tuple(name for name, meaning in site.empty_means.items() if meaning == "unknown"),
        local_codes=knowledge.local_codes if is_here else {},
        cards=tuple(sorted(knowledge.site_cards)) if is_here else (),
    )
