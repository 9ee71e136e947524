"""Cross checks of drugs and groups: what a drug names must exist, and a drug with a regimen must be safe to offer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pydantic.alias_generators import to_camel

from cds_service.knowledge.files import Document, YamlPath
from cds_service.knowledge.loader import DRUGS, GROUPS, Loaded
from cds_service.knowledge.messages import missing
from cds_service.knowledge.model import Drug, Group, Model, Orders, Regimen, RuleDefinition
from cds_service.knowledge.occasions import Occasions


def check(loaded: Loaded, occasions: Occasions) -> Iterator[str]:
    """Every dangling or unfitting reference of drugs and groups, one line each."""
    for name, group in loaded.singles[GROUPS].items():
        for index, rule in enumerate(group.rules):
            path: YamlPath = (name, "rules", index)
            yield from missing(loaded.document(GROUPS, ""), path, "rule", rule, loaded.table("rules"))
    for name, drug in loaded.table(DRUGS).items():
        document = loaded.document(DRUGS, name)
        yield from _names(loaded, document, drug)
        yield from _collisions(loaded, document, drug)
        if any(regimen.order_kind == name for regimen in loaded.table("regimens").values()):
            yield from _offered(loaded, occasions, document, drug)


def policies_of(drug: Drug) -> Iterator[tuple[YamlPath, str]]:
    """Every policy that a drug names, with its place in the file."""
    parts: dict[YamlPath, Model | None] = {
        ("maximum", "daily"): drug.maximum.daily,
        ("maximum", "dose"): drug.maximum.dose,
        ("active",): drug.active,
        ("spacing",): drug.spacing,
    }
    for path, part in parts.items():
        for name, policy in part or ():
            yield (*path, to_camel(name)), policy


def _names(loaded: Loaded, document: Document, drug: Drug) -> Iterable[str]:
    orders: Orders = loaded.singles["rules/orders.yaml"]
    value_sets: Mapping[str, Any] = loaded.table("rules/terms")
    for index, value_set in enumerate(drug.value_sets):
        yield from missing(document, ("valueSets", index), "value set", value_set, value_sets)
    if drug.judged:
        for index, value_set in enumerate(drug.judged.not_in):
            yield from missing(document, ("judged", "notIn", index), "value set", value_set, value_sets)
        for index, route in enumerate(drug.judged.routes):
            yield from missing(document, ("judged", "routes", index), "route of the drug", route, drug.routes)
    for kind, finding in drug.instead_of.items():
        yield from missing(document, ("insteadOf", kind), "order kind", kind, orders.kinds)
        yield from missing(document, ("insteadOf", kind), "rule", finding, loaded.table("rules"))
    for index, item in enumerate(drug.evidence):
        yield from missing(document, ("evidence", index), "evidence", item, loaded.table("rules/evidence"))
    for name, use in drug.uses.items():
        yield from missing(document, ("uses", name, "valueSet"), "value set", use.value_set, value_sets)
    for index, route in enumerate(drug.routes):
        yield from missing(document, ("routes", index), "route", route, orders.routes)
    for index, group in enumerate(drug.groups):
        yield from missing(document, ("groups", index), "group", group, loaded.singles[GROUPS])
    for region in drug.regions:
        yield from missing(document, ("regions", region), "region", region, loaded.singles["rules/regions.yaml"])
    for path, policy in policies_of(drug):
        yield from missing(document, path, "policy", policy, loaded.singles["rules/policies.yaml"])


def _collisions(loaded: Loaded, document: Document, drug: Drug) -> Iterable[str]:
    """A drug is an order kind of its own: `rules/orders.yaml` must not have a kind of its name."""
    plain: Mapping[str, Any] = loaded.document("rules/orders.yaml", "").data["kinds"]
    if drug.id in plain:
        yield document.problem(("id",), f"{drug.id} is already a kind of order in rules/orders.yaml; remove it there")


def _offered(loaded: Loaded, occasions: Occasions, document: Document, drug: Drug) -> Iterable[str]:
    """What is offered needs the shared safety rules of a group, a status in each region, and routes that it permits."""
    groups: Mapping[str, Group] = loaded.singles[GROUPS]
    rules: Mapping[str, RuleDefinition] = loaded.table("rules")
    if not drug.groups:
        yield document.problem(
            ("groups",), f"a drug with a regimen needs the safety rules of a group; expected one of {', '.join(groups)}"
        )
    for index, name in enumerate(drug.groups):
        for needed in groups[name].rules if name in groups else ():
            rule = rules.get(needed)
            if rule is not None and (rule.status == "retired" or (drug.id, drug.id) not in set(occasions.pairs(rule))):
                text = f"{drug.id} has a regimen, and the safety rule {needed} of the group {name} does not run for it"
                yield document.problem(("groups", index), text)
    for key, value in (
        ("medication", drug.medication),
        ("products", drug.products),
        ("active", drug.active),
        ("allergies", drug.allergies),
    ):
        if not value:
            yield document.problem((key,), "required: a drug with a regimen is offered")
    if drug.maximum.daily is None:
        yield document.problem(("maximum",), "expected `daily`: regimens are compared with the daily maximum")
    for region in loaded.singles["rules/regions.yaml"]:
        if region not in drug.regions:
            yield document.problem(
                ("regions",), f"a drug with a regimen says its status in every region; {region} is missing"
            )
    for key, regimen in loaded.table("regimens").items():
        yield from _route(loaded.document("regimens", key), regimen, drug)


def _route(document: Document, regimen: Regimen, drug: Drug) -> Iterable[str]:
    if regimen.order_kind == drug.id and regimen.route not in drug.routes:
        yield document.problem(("route",), f"expected a route of {drug.id}: {', '.join(drug.routes)}")
