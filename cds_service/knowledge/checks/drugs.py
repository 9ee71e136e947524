"""Cross checks of drugs and groups: what a drug names must exist, and a drug with a regimen must be safe to offer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pydantic.alias_generators import to_camel

from cds_service.knowledge.files import Document, YamlPath
from cds_service.knowledge.loader import DRUGS, GROUPS, ORDERS, Loaded
from cds_service.knowledge.messages import missing
from cds_service.knowledge.model import Drug, Group, Judged, Model, Regimen, RuleDefinition

# The units of the limits by their key; every other one is a time.
_UNITS: Mapping[str, tuple[str, ...]] = {
    "adult": ("mg/d",),
    "childPerKg": ("mg/kg/d",),
    "adultByProtocol": ("mg/d",),
    "perKg": ("mg/kg",),
    "perKgLight": ("mg/kg",),
    "lightBelow": ("kg",),
    "whateverWeight": ("mg",),
    "tolerance": ("%",),
    "perDay": ("{dose}",),
    "inAll": ("{dose}",),
}


def drugs(loaded: Loaded) -> Iterator[str]:
    """Every dangling or unfitting reference of drugs and groups, one line each."""
    for name, group in loaded.groups.items():
        for index, rule in enumerate(group.rules):
            path: YamlPath = (name, "rules", index)
            yield from missing(loaded.document(GROUPS, ""), path, "rule", rule, loaded.table("rules"))
    for name, drug in loaded.table(DRUGS).items():
        document = loaded.document(DRUGS, name)
        yield from _names(loaded, document, drug)
        yield from _limits(loaded, document, drug)
        yield from _collisions(loaded, document, drug)
        if any(regimen.order_kind == name for regimen in loaded.table("regimens").values()):
            yield from _offered(loaded, document, drug)


def policies_of(drug: Drug) -> Iterator[tuple[YamlPath, str]]:
    """Every policy that a drug names, with its place in the file."""
    parts: dict[YamlPath, Model | None] = {
        ("maximum", "daily"): drug.maximum.daily,
        ("maximum", "dose"): drug.maximum.dose,
        ("active",): drug.active,
        ("spacing",): drug.spacing,
    }
    for path, part in parts.items():
        yield from (((*path, to_camel(name)), policy) for name, policy in part or () if policy)


def _names(loaded: Loaded, document: Document, drug: Drug) -> Iterator[str]:
    """What the file names is there, and an order of it can be coded."""
    for path, what, name, known in _named(loaded, drug):
        yield from missing(document, path, what, name, known)
    for kind, finding in drug.instead_of.items():
        rule = loaded.table("rules").get(finding)
        if rule is not None and (kind, drug.id) not in set(loaded.occasions.pairs(rule)):
            text = f"expected a rule that is evaluated for {kind}; {finding} is not"
            yield document.problem(("insteadOf", kind), text)
    for index, product in enumerate(drug.products):
        if product.mg <= 0:
            yield document.problem(("products", index, "mg"), f"expected more than 0 mg (found {product.mg:g})")
    for key in ("system", "code", "display") if drug.medication else ():
        if not getattr(drug.medication, key).strip():
            yield document.problem(("medication", key), "required: an order is coded")


def _named(loaded: Loaded, drug: Drug) -> Iterator[tuple[YamlPath, str, str, Iterable[str]]]:
    """(place, what it is, name, all that there are) of everything that the file names."""
    value_sets, judged = loaded.table("rules/terms"), drug.judged or Judged(routes=drug.routes)
    lists: tuple[tuple[YamlPath, str, Iterable[str], Iterable[str]], ...] = (
        (("valueSets",), "value set", drug.value_sets, value_sets),
        (("judged", "notIn"), "value set", judged.not_in, value_sets),
        (("judged", "routes"), "route of the drug", judged.routes, drug.routes),
        (("routes",), "route", drug.routes, loaded.orders.routes),
        (("groups",), "group", drug.groups, loaded.groups),
        (("evidence",), "evidence", drug.evidence, loaded.table("rules/evidence")),
    )
    for place, what, names, known in lists:
        yield from (((*place, index), what, name, known) for index, name in enumerate(names))
    for kind, finding in drug.instead_of.items():
        yield ("insteadOf", kind), "order kind", kind, loaded.orders.kinds
        yield ("insteadOf", kind), "rule", finding, loaded.table("rules")
    yield from ((("uses", name, "valueSet"), "value set", use.value_set, value_sets) for name, use in drug.uses.items())
    yield from ((("regions", region), "region", region, loaded.regions) for region in drug.regions)


def _limits(loaded: Loaded, document: Document, drug: Drug) -> Iterator[str]:
    """Each limit is a policy, in the unit that it is read in."""
    for path, policy in policies_of(drug):
        yield from missing(document, path, "policy", policy, loaded.policies)
        units = _UNITS.get(str(path[-1]), ("h", "d"))
        if policy in loaded.policies and loaded.policies[policy].unit not in units:
            found = loaded.policies[policy].unit or "no unit"
            yield document.problem(path, f"expected a policy in {' or '.join(units)} ({policy} is in {found})")


def _collisions(loaded: Loaded, document: Document, drug: Drug) -> Iterable[str]:
    """A drug is an order kind of its own: `rules/orders.yaml` must not have a kind of its name."""
    plain: Mapping[str, Any] = loaded.document(ORDERS).data["kinds"]
    if drug.id in plain:
        yield document.problem(("id",), f"{drug.id} is already a kind of order in rules/orders.yaml; remove it there")


def _offered(loaded: Loaded, document: Document, drug: Drug) -> Iterable[str]:
    """What is offered needs the shared safety rules of a group, a status in each region, and routes that it permits."""
    groups: Mapping[str, Group] = loaded.groups
    rules: Mapping[str, RuleDefinition] = loaded.table("rules")
    if not drug.groups:
        yield document.problem(
            ("groups",), f"a drug with a regimen needs the safety rules of a group; expected one of {', '.join(groups)}"
        )
    for index, name in enumerate(drug.groups):
        for needed in groups[name].rules if name in groups else ():
            rule = rules.get(needed)
            if rule is not None and (
                rule.status == "retired" or (drug.id, drug.id) not in set(loaded.occasions.pairs(rule))
            ):
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
    for fact in (f"{drug.id}-active", f"{drug.id}-active-daily-dose"):
        yield from missing(document, ("active",), "fact", fact, loaded.catalogue.facts)
    if drug.maximum.daily is None:
        yield document.problem(("maximum",), "expected `daily`: regimens are compared with the daily maximum")
    for region in loaded.regions:
        if region not in drug.regions:
            yield document.problem(
                ("regions",), f"a drug with a regimen says its status in every region; {region} is missing"
            )
    for key, regimen in loaded.table("regimens").items():
        yield from _route(loaded, loaded.document("regimens", key), regimen, drug)


def _route(loaded: Loaded, document: Document, regimen: Regimen, drug: Drug) -> Iterable[str]:
    known = regimen.route in loaded.orders.routes
    if regimen.order_kind == drug.id and known and regimen.route not in drug.routes:
        yield document.problem(("route",), f"expected a route of {drug.id}: {', '.join(drug.routes)}")
