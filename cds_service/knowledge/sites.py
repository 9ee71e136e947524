"""Sites: one may extend a shipped one, and may override only the policies that allow it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cds_service.knowledge.files import Document, read
from cds_service.knowledge.messages import suggestion
from cds_service.knowledge.model import Policy, Site

EXTEND = "extend"


def outside_document(site: str) -> Document | None:
    """The hospital's own site file, where the setting is a path; None where it is the id of a shipped site."""
    path = Path(site)
    if path.suffix != ".yaml" and path.name == site:
        return None
    name = path.as_posix()
    if path.suffix != ".yaml":
        return Document(name, b"", problems=(f"{name}:1: (file name): expected a name that ends in .yaml",))
    return read(path, name)


def merged(document: Document, shipped: Mapping[str, Document]) -> tuple[dict[str, Any], list[str]]:
    """The site's keys laid over those of the site it extends (policies one by one), and problems."""
    chain: list[Document] = []
    here: Document | None = document
    while here is not None:
        if here.problems:
            return {}, list(here.problems)
        if not isinstance(here.data, dict):
            return {}, [here.problem((), "expected the keys of a site")]
        chain.append(here)
        parent = here.data.get(EXTEND)
        if parent is None:
            break
        following = shipped.get(parent) if isinstance(parent, str) else None
        if following is None:
            return {}, [here.problem((EXTEND,), f"no shipped site {parent!r}{suggestion(str(parent), shipped)}")]
        if following in chain:
            return {}, [here.problem((EXTEND,), f"{parent} extends this site in turn; expected an end of the chain")]
        here = following
    result: dict[str, Any] = {}
    for layer in reversed(chain):
        result = _laid_over(result, layer.data)
    # A hospital's own file need not repeat its name as an id, and never takes over that of the site it extends.
    if "id" not in document.data:
        result["id"] = document.stem
    return result, []


def _laid_over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    result = {**below, **{key: value for key, value in above.items() if key != EXTEND}}
    lower, upper = below.get("policies"), above.get("policies")
    if isinstance(lower, dict) and isinstance(upper, dict):
        result["policies"] = {**lower, **upper}
    return result


def effective(policies: Mapping[str, Policy], site: Site) -> tuple[dict[str, Policy], frozenset[str]]:
    """The policies as they hold at this site, and the names of those whose value it changed."""
    changed = {name for name, value in site.policies.items() if policies[name].value != value}
    return (
        {
            name: policy.model_copy(update={"value": site.policies[name]}) if name in changed else policy
            for name, policy in policies.items()
        },
        frozenset(changed),
    )
