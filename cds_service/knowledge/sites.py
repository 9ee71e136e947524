"""Sites: one may extend a shipped one, override the policies that allow it, and switch rules off with a reason."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cds_service.knowledge.files import Document
from cds_service.knowledge.messages import missing, suggestion
from cds_service.knowledge.model import Catalogue, Orders, Policy, RuleDefinition, Site

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


def problems(
    document: Document, key: str, site: Site, singles: Mapping[str, Any], rules: Mapping[str, RuleDefinition]
) -> list[str]:
    """What is wrong with this site: names that do not exist, and what a site may not set, or not to such a value.

    `singles` are the files of the loader's SINGLE as models, `rules` all rules by id, as far as they could be read.
    """
    found = []
    regions = singles.get("rules/regions.yaml")
    if regions is not None:
        found += missing(document, ("region",), "region", site.region, regions)
    if site.id != key:
        found.append(document.problem(("id",), f"expected {key}, as the file name (found {site.id})"))
    policies = singles.get("rules/policies.yaml")
    if policies is not None:
        found += _policies(document, site, policies)
    catalogue = singles.get("rules/facts.yaml")
    if catalogue is not None:
        found += _empty(document, site, catalogue)
    return [*found, *_rules(document, site, rules, singles.get("rules/orders.yaml"))]


def _policies(document: Document, site: Site, policies: Mapping[str, Policy]) -> Iterator[str]:
    for name, value in site.policies.items():
        path = ("policies", name)
        policy = policies.get(name)
        if policy is None:
            yield document.problem(path, f"no such policy{suggestion(name, policies)}")
        elif not policy.site_may_override:
            yield document.problem(path, "a site may not override this policy; ask its owner, or remove it")
        elif isinstance(policy.value, bool) != isinstance(value, bool):
            wanted = "true or false" if isinstance(policy.value, bool) else f"a number of {policy.unit}"
            yield document.problem(path, f"expected {wanted} (found {str(value).lower()})")


def _empty(document: Document, site: Site, catalogue: Catalogue) -> Iterator[str]:
    lists = {name: query for name, query in catalogue.queries.items() if query.by != "id"}
    for name, meaning in site.empty_means.items():
        path = ("emptyMeans", name)
        yield from missing(document, path, "query that reads a list", name, lists)
        if name in lists and meaning == "unknown" and lists[name].resource in site.not_kept:
            text = f"{lists[name].resource} is in notKept: it is never asked for, so nothing can be empty"
            yield document.problem(path, text)


def _rules(document: Document, site: Site, rules: Mapping[str, RuleDefinition], orders: Orders | None) -> Iterator[str]:
    """Rules switched off or silent that do not exist, or that other rules and drugs wait for."""
    for name in site.rules_off if rules else ():
        path = ("rulesOff", name)
        yield from missing(document, path, "rule", name, rules)
        waiting = [r.id for r in rules.values() if r.id not in site.rules_off and name in _findings(r)]
        drugs = orders.drugs if orders is not None else {}
        waiting += [drug for drug, of in drugs.items() if name in of.instead_of.values()]
        if waiting:
            text = f"{', '.join(waiting)} would wait for its finding for ever; switch that off too, or keep this on"
            yield document.problem(path, text)
    for index, name in enumerate(site.silent_rules if rules else ()):
        here = ("silentRules", index)
        yield from missing(document, here, "rule", name, rules)
        if name in site.rules_off:
            yield document.problem(here, f"{name} is in rulesOff: what is not evaluated cannot be silent")


def warnings(document: Document, site: Site, rules: Mapping[str, RuleDefinition]) -> list[str]:
    """What whoever checks this site must see: the rules that it has switched off, and why."""
    return [
        document.problem(("rulesOff", name), f"the {rules[name].stratum} rule {name} is switched off: {reason}")
        for name, reason in site.rules_off.items()
    ]


def _findings(rule: RuleDefinition) -> set[str]:
    conditions = (*rule.when, *rule.unless, *(c for option in rule.any for c in option))
    return {c.finding for c in conditions if c.finding}


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
    return bool(host) and (parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(host)))


def _is_loopback(host: str) -> bool:
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
