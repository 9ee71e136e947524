"""Regions and sites as a reviewer reads them: the drug's status, and what a site has set. No server is named."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cds_service.knowledge import Knowledge
from cds_service.knowledge.model import Region, Site
from cds_service.tools.catalogue.sentences import shown, unit


@dataclass(frozen=True, slots=True)
class SiteLine:
    """One site: what it changed is (name, title, value, unit) of policies."""

    of: Site
    region: Region
    is_here: bool
    one_click: bool
    changed: tuple[tuple[str, str, str, str], ...]


def sites(knowledge: Knowledge) -> dict[str, Any]:
    """The page of regions and sites."""
    return {
        "regions": knowledge.regions,
        "sites": [_site(knowledge, site) for site in knowledge.sites.values()],
    }


def _site(knowledge: Knowledge, site: Site) -> SiteLine:
    region = knowledge.regions[site.region]
    policies = knowledge.policies
    changed = tuple((n, policies[n].title, shown(v), unit(policies[n].unit)) for n, v in site.policies.items())
    one_click = bool(site.supply_route) or not region.needs_supply_route
    return SiteLine(site, region, site.id == knowledge.site.id, one_click, changed)
