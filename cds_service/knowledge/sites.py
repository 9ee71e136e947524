"""Sites: one may extend a shipped one, override the policies that allow it, and switch rules off with a reason."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cds_service.knowledge.files import Document
from cds_service.knowledge.messages import suggestion
from cds_service.knowledge.model import Policy, RuleDefinition, Site

EXTEND = "extend"
# These are laid over those of the site below key by key; every other key replaces what is below it.
_BY_KEY = ("policies", "emptyMeans", "rulesOff")


def merged(document: Document, key: str, shipped: Mapping[str, Document]) -> tuple[dict[str, Any], list[str]]:
    """The site's keys laid over those of the site it extends, and problems. `key` is its id where it names none."""
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
        result["id"] = key
    return result, []


def _laid_over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    result = {**below, **{key: value for key, value in above.items() if key != EXTEND}}
    for key in _BY_KEY:
        lower, upper = below.get(key), above.get(key)
        if isinstance(lower, dict) and isinstance(upper, dict):
            result[key] = {**lower, **upper}
    return result


def warnings(document: Document, site: Site, rules: Mapping[str, RuleDefinition]) -> list[str]:
    """What whoever checks this site must see: the rules that it has switched off, and why; and what is silent."""
    off = [
        document.problem(("rulesOff", name), f"the {rules[name].stratum} rule {name} is switched off: {reason}")
        for name, reason in site.rules_off.items()
    ]
    if site.silent:
        off.append(document.problem(("silent",), "this site is silent: every call is recorded, and no card is shown"))
    for index, name in enumerate(site.silent_services):
        off.append(document.problem(("silentServices", index), f"{name} is silent: it shows no card"))
    for index, name in enumerate(site.silent_rules):
        text = f"the {rules[name].stratum} rule {name} is silent: what it finds is recorded and not shown"
        off.append(document.problem(("silentRules", index), text))
    return off


def located(document: Document, site: Site, folder: Path) -> tuple[Site, list[str]]:
    """The site with the key files of its issuers as absolute paths (relative ones start at `folder`), and problems."""
    found, issuers = [], []
    for index, issuer in enumerate(site.issuers):
        written = issuer.jwks
        if "://" in written:
            wrong = "" if _safe_url(written) else "expected an https URL (http on loopback only) or a file"
        else:
            written = str((folder / written).absolute())
            wrong = "" if Path(written).is_file() else f"cannot be read: there is no file {written}"
        if wrong:
            found.append(document.problem(("issuers", index, "jwks"), wrong))
        issuers.append(issuer.model_copy(update={"jwks": written}))
    return site.model_copy(update={"issuers": tuple(issuers)}), found


def _safe_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    host = parts.hostname or ""
    return bool(host) and (parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host)))


def is_loopback(host: str) -> bool:
    """Whether a name or an address is this machine's own, reached by nobody else."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


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
