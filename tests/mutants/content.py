"""Knowledge with one thing changed that is no criterion of a rule: a policy, a unit, a regimen, what a rule finds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, get_args

from cds_service.contract import DecisionName, Indicator
from cds_service.knowledge import Knowledge
from cds_service.knowledge.model import Dose, Regimen, RuleDefinition
from cds_service.tools.mutation.steps import moved

AMOUNTS, INTERVAL = ("mg", "mg_per_kg", "cap_mg"), ("interval_hours",)
BESIDE_AN_ORDER = ("order-exceeds-max", "caution", "monitoring")  # beside the other decisions nothing is ordered
OWN = "insufficient-data"  # always the service's own card, a warning, whatever its rule says
SHARE = 0.01  # A factor that is wrong by this much must be noticed.


@dataclass(frozen=True, slots=True)
class Change:
    """One change of the knowledge, as it is named in messages, and what in a case it touches, as `trials` says it."""

    name: str
    touches: str
    apply: Callable[[Knowledge], Knowledge]


def changes(knowledge: Knowledge) -> Iterator[Change]:
    """Every change of the shipped knowledge, whose values `knowledge` has."""
    yield from _policies(knowledge)
    yield from _sites(knowledge)
    yield from _units(knowledge)
    for regimen in knowledge.regimens.values():
        yield from _regimen(regimen)
    for rule in knowledge.rules:
        if rule.status != "retired":
            yield from _rule(rule, knowledge)


def _policies(knowledge: Knowledge) -> Iterator[Change]:
    for name, policy in knowledge.policies.items():
        for value in moved(policy.value):
            yield Change(f"policy {name}: {policy.value} as {value}", f"policy {name}", _policy(name, value))


def _policy(name: str, value: object) -> Callable[[Knowledge], Knowledge]:
    def apply(knowledge: Knowledge) -> Knowledge:
        if name in knowledge.overridden:
            return knowledge  # There the site's own value counts.
        other = knowledge.policies[name].model_copy(update={"value": value})
        return replace(knowledge, policies={**knowledge.policies, name: other})

    return apply


def _sites(knowledge: Knowledge) -> Iterator[Change]:
    """What shipped sites say themselves: an overridden policy, the supply route, the shortage, the region."""
    for site in knowledge.sites.values():
        for name, value in site.policies.items():
            for other in moved(value):
                yield Change(f"site {site.id}: {name} as {other}", f"policy {name}", _site_policy(site.id, name, other))
        shortage = {"tocilizumab_shortage": not site.tocilizumab_shortage}
        route = {"supply_route": "" if site.supply_route else "some route"}
        told = [drug.regions[site.region] for drug in knowledge.drugs.values() if site.region in drug.regions]
        routes = [route] if any(region.needs_supply_route for region in told) else []
        regions = [{"region": region} for region in knowledge.regions if region != site.region]
        for changed in (shortage, *routes, *regions):
            yield Change(f"site {site.id}: {changed}", f"site {site.id}", _site(site.id, changed))


def _site_policy(site: str, name: str, value: object) -> Callable[[Knowledge], Knowledge]:
    def apply(knowledge: Knowledge) -> Knowledge:
        if knowledge.site.id != site:
            return knowledge
        other = knowledge.policies[name].model_copy(update={"value": value})
        return replace(knowledge, policies={**knowledge.policies, name: other})

    return apply


def _site(site: str, changed: Mapping[str, Any]) -> Callable[[Knowledge], Knowledge]:
    def apply(knowledge: Knowledge) -> Knowledge:
        if knowledge.site.id != site:
            return knowledge
        return replace(knowledge, site=knowledge.site.model_copy(update=changed))

    return apply


def _units(knowledge: Knowledge) -> Iterator[Change]:
    for name, analyte in knowledge.analytes.items():
        for index, unit in enumerate(analyte.units):
            for field in ("factor", "offset"):
                written = float(getattr(unit, field))
                for share in (1 - SHARE, 1 + SHARE) if written else ():
                    other = unit.model_copy(update={field: str(written * share)})
                    units = (*analyte.units[:index], other, *analyte.units[index + 1 :])
                    changed = analyte.model_copy(update={"units": units})
                    what = f"unit {unit.code} of {name}: {field} times {share:g}"
                    yield Change(what, f"analyte {name}", _table("analytes", name, changed))


def _table(table: str, name: str, other: object) -> Callable[[Knowledge], Knowledge]:
    def apply(knowledge: Knowledge) -> Knowledge:
        return replace(knowledge, **{table: {**getattr(knowledge, table), name: other}})

    return apply


def _regimen(regimen: Regimen) -> Iterator[Change]:
    for what, update in _regimen_updates(regimen):
        other = regimen.model_copy(update=update)
        yield Change(f"regimen {regimen.id}: {what}", f"regimen {regimen.id}", _table("regimens", regimen.id, other))


def _regimen_updates(regimen: Regimen) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for what, dose in _doses(regimen.dose, (*AMOUNTS, *INTERVAL)):
        yield f"dose {what}", {"dose": dose}
    for field in ("alternatives", "permitted"):
        doses: Sequence[Dose] = getattr(regimen, field)
        together = field == "permitted" and regimen.permitted_up_to
        for index, written in enumerate(doses):
            rest = (*doses[:index], *doses[index + 1 :])
            yield f"{field}[{index}] dropped", {field: rest}
            for what, dose in _doses(written, INTERVAL if together else (*AMOUNTS, *INTERVAL)):
                yield f"{field}[{index}] {what}", {field: (*doses[:index], dose, *doses[index + 1 :])}
        # Where less is permitted too, the largest amount of all rows is the limit.
        for changed in zip(*(_doses(dose, AMOUNTS) for dose in doses), strict=True) if together else ():
            yield f"{field} {changed[0][0]}", {field: tuple(dose for _, dose in changed)}
    for days in moved(regimen.duration_days):
        yield f"durationDays {days}", {"duration_days": days}
    yield "permittedUpTo turned", {"permitted_up_to": not regimen.permitted_up_to}
    route = "intravenous" if regimen.route == "subcutaneous" else "subcutaneous"
    yield f"route {route}", {"route": route}


def _doses(dose: Dose, fields: Sequence[str]) -> Iterator[tuple[str, Dose]]:
    for field in fields:
        value = getattr(dose, field)
        # Doses are whole milligrams, however their number was read.
        whole = int(value) if value is not None and value == int(value) else value
        for other in moved(whole) if value is not None else ():
            yield f"{field} {other}", dose.model_copy(update={field: type(value)(other)})


def _rule(rule: RuleDefinition, knowledge: Knowledge) -> Iterator[Change]:
    for what, touches, update in _rule_updates(rule, knowledge):
        yield Change(f"rule {rule.id}: {what}", f"{touches} {rule.id}", _with_rule(rule.model_copy(update=update)))


def _with_rule(rule: RuleDefinition) -> Callable[[Knowledge], Knowledge]:
    def apply(knowledge: Knowledge) -> Knowledge:
        return replace(knowledge, rules=tuple(rule if each.id == rule.id else each for each in knowledge.rules))

    return apply


def _rule_updates(rule: RuleDefinition, knowledge: Knowledge) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """(what, what it touches, update). A rule without a decision speaks only through the rules that ask for it."""
    # What a quiet rule lacks is said no less than what a noting one lacks: in the explanation.
    if rule.if_unknown == "insufficient-data":
        yield "ifUnknown note", "unknown", {"if_unknown": "note"}
    for field in ("hooks", "orders"):
        written = getattr(rule, field)
        for name in written:
            yield f"{field} without {name}", "true", {field: tuple(each for each in written if each != name)}
    if rule.finding.decision:
        for what, changed in _findings(rule):
            yield what, "true", {"finding": rule.finding.model_copy(update=changed)}
        for field, names in (("card", knowledge.cards), ("regimen", knowledge.regimens)):
            if getattr(rule, field) and (field, rule.finding.decision) != ("card", OWN):
                other = _neighbour(getattr(rule, field), sorted(names))
                yield f"{field} {other}", "true", {field: other}
        # Elsewhere a pathway without an answer of its own changes nothing that is said.
        if rule.pathway or rule.finding.decision == "review":
            other = _neighbour(rule.pathway, ("", *knowledge.orders.pathways))
            yield f"pathway {other or 'none'}", "true", {"pathway": other}


def _findings(rule: RuleDefinition) -> Iterator[tuple[str, Mapping[str, Any]]]:
    finding = rule.finding
    names = get_args(DecisionName)
    at = names.index(finding.decision)
    for decision in {names[at - 1], names[(at + 1) % len(names)]}:
        yield f"decision {decision}", {"decision": decision}
    for indicator in get_args(Indicator):
        if indicator != finding.indicator and finding.decision != OWN:
            yield f"indicator {indicator}", {"indicator": indicator}
    if finding.decision in BESIDE_AN_ORDER:
        yield "withholdsOrder turned", {"withholds_order": not finding.withholds_order}
    if finding.until:
        yield "until dropped", {"until": None}


def _neighbour(name: str, names: Sequence[str]) -> str:
    return names[(names.index(name) + 1) % len(names)]
