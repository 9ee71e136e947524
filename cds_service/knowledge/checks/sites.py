"""Sites: a region that exists, and policies changed only where they may be and within their bounds."""

from __future__ import annotations

from collections.abc import Iterator

from cds_service.knowledge.checks import policies
from cds_service.knowledge.files import Document
from cds_service.knowledge.loader import Loaded
from cds_service.knowledge.messages import missing, suggestion
from cds_service.knowledge.model import Site


def sites(loaded: Loaded) -> Iterator[str]:
    """Every shipped site, so that a broken one is seen before a hospital picks it, and the chosen one."""
    for key, site in loaded.table("rules/sites").items():
        document = loaded.document("rules/sites", key)
        if site.id != document.stem:
            yield document.problem(("id",), f"expected {document.stem}, as the file name (found {site.id})")
        yield from missing(document, ("region",), "region", site.region, loaded.regions)
        yield from _policies(loaded, document, site)


def _policies(loaded: Loaded, document: Document, site: Site) -> Iterator[str]:
    for name, given in site.policies.items():
        path = ("policies", name)
        policy = loaded.policies.get(name)
        if policy is None:
            yield document.problem(path, f"no such policy{suggestion(name, loaded.policies)}")
        elif not policy.site_may_override:
            yield document.problem(path, "a site may not override this policy; ask its owner, or remove it")
        elif isinstance(policy.value, bool) != isinstance(given, bool):
            wanted = "true or false" if isinstance(policy.value, bool) else f"a number of {policy.unit}"
            yield document.problem(path, f"expected {wanted} (found {str(given).lower()})")
        elif not isinstance(given, bool):
            yield from policies.value(document, path, given, policy)
