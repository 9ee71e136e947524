"""Sites: names that exist, policies only within bounds, and no rule switched off that another waits for."""

from __future__ import annotations

from collections.abc import Iterator

from cds_service.contract import SERVICES
from cds_service.knowledge.checks import policies
from cds_service.knowledge.files import Document
from cds_service.knowledge.loader import RULES, Loaded
from cds_service.knowledge.messages import missing, suggestion
from cds_service.knowledge.model import RuleDefinition, Site, conditions


def sites(loaded: Loaded) -> Iterator[str]:
    """Every shipped site, so that a broken one is seen before a hospital picks it, and the chosen one."""
    for key, site in loaded.table("rules/sites").items():
        document = loaded.document("rules/sites", key)
        if site.id != key:
            yield document.problem(("id",), f"expected {key}, as the file name (found {site.id})")
        yield from missing(document, ("region",), "region", site.region, loaded.regions)
        yield from _policies(loaded, document, site)
        yield from _empty(loaded, document, site)
        yield from _rules(loaded, document, site)


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
            if name in _by_protocol(loaded) and not site.high_dose_protocol:
                yield document.problem(path, "only beside highDoseProtocol, which names the protocol of this site")


def _by_protocol(loaded: Loaded) -> set[str]:
    daily = (drug.maximum.daily for drug in loaded.orders.drugs.values())
    return {of.adult_by_protocol for of in daily if of is not None}


def _empty(loaded: Loaded, document: Document, site: Site) -> Iterator[str]:
    lists = {name: query for name, query in loaded.catalogue.queries.items() if query.by != "id"}
    for name, meaning in site.empty_means.items():
        path = ("emptyMeans", name)
        yield from missing(document, path, "query that reads a list", name, lists)
        if name in lists and meaning == "unknown" and lists[name].resource in site.not_kept:
            text = f"{lists[name].resource} is in notKept: it is never asked for, so nothing can be empty"
            yield document.problem(path, text)


def _rules(loaded: Loaded, document: Document, site: Site) -> Iterator[str]:
    """Rules switched off or silent that do not exist, or that other rules and drugs wait for."""
    rules = loaded.table(RULES)
    for name in site.rules_off:
        path = ("rulesOff", name)
        yield from missing(document, path, "rule", name, rules)
        waiting = [r.id for r in rules.values() if r.id not in site.rules_off and name in _findings(r)]
        waiting += [drug for drug, of in loaded.orders.drugs.items() if name in of.instead_of.values()]
        if waiting:
            text = f"{', '.join(waiting)} would wait for its finding for ever; switch that off too, or keep this on"
            yield document.problem(path, text)
    for index, name in enumerate(site.silent_services):
        yield from missing(document, ("silentServices", index), "service", name, SERVICES)
    for index, name in enumerate(site.silent_rules):
        here = ("silentRules", index)
        yield from missing(document, here, "rule", name, rules)
        if name in site.rules_off:
            yield document.problem(here, f"{name} is in rulesOff: what is not evaluated cannot be silent")


def _findings(rule: RuleDefinition) -> set[str]:
    return {condition.finding for _, condition in conditions(rule) if condition.finding}
