"""Rebuilds knowledge from exported JSON alone: the reverse of `cds_service.tools.export`, written from FHIR's side."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from typing import Any

from cds_service.knowledge.model import Code, Condition, Dose, Exclusion, Policy, Tree, UnverifiedCode, ValueSet

Json = dict[str, Any]
BASE = "https://anakinra-cds.org/fhir/StructureDefinition/"


def values(element: Json, name: str) -> list[Any]:
    """The values of the extensions of this name; of one with parts, its parts as a mapping of lists."""
    found = []
    for extension in element.get("extension", []):
        if extension["url"].removeprefix(BASE) == name:
            found.append(parts(extension) if "extension" in extension else _value(extension))
    return found


def first(element: Json, name: str, default: Any = "") -> Any:
    """The value of the one extension of this name, or the default."""
    found = values(element, name)
    assert len(found) <= 1
    return found[0] if found else default


def parts(extension: Json) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for part in extension["extension"]:
        found.setdefault(part["url"], []).append(_value(part))
    return found


def part(found: dict[str, list[Any]], name: str, default: Any = "") -> Any:
    (value,) = found.get(name, [default])
    return value


def _value(extension: Json) -> Any:
    (value,) = (value for key, value in extension.items() if key.startswith("value"))
    return value


def _coded(coding: Json) -> Json:
    return {"system": coding.get("system", ""), "code": coding.get("code", ""), "display": coding.get("display", "")}


# ---------------------------------------------------------------- value sets


def value_set(resource: Json) -> ValueSet:
    compose = resource.get("compose", {})
    unverified = values(resource, "unverified-code")
    return ValueSet(
        id=resource["id"],
        title=resource["title"],
        status=resource["status"],
        version=resource["version"],
        date=date.fromisoformat(resource["date"]),
        purpose=resource["purpose"],
        method=resource["description"].removeprefix(resource["purpose"]).lstrip("\n"),
        codes=tuple(code for include in compose.get("include", []) for code in _codes(include)),
        trees=tuple(map(_tree, values(resource, "code-tree"))),
        qualifies=first(resource, "only-qualifies", default=False),
        indexed=first(resource, "indexed", default=False),
        ordinary=first(resource, "ordinary", default=False),
        fillers=first(resource, "only-fills", default=False),
        international=first(resource, "international", default=False),
        listed=first(resource, "listed", default=False),
        text=tuple(values(resource, "matching-text")),
        exclusions=(*_composed(compose), *map(_apart, values(resource, "exclusion"))),
        unverified=tuple(UnverifiedCode(**_coded(part(u, "code")), reason=part(u, "reason")) for u in unverified),
    )


def _codes(include: Json) -> Iterator[Code]:
    system = include["system"]
    for concept in include.get("concept", []):
        yield Code(**_coded({**concept, "system": system}), source=first(concept, "code-source"))
    for each in include.get("filter", []):
        assert (each["property"], each["op"]) == ("concept", "is-a")
        yield Code(
            system=system,
            code=each["value"],
            display=first(each, "code-display"),
            source=first(each, "code-source"),
            match="prefix",
        )


def _tree(told: dict[str, list[Any]]) -> Tree:
    codes, without = tuple(told.get("begins", ())), tuple(told.get("without", ()))
    return Tree(family=part(told, "family"), codes=codes, without=without, source=part(told, "source"))


def _composed(compose: Json) -> Iterator[Exclusion]:
    for exclude in compose.get("exclude", []):
        for concept in exclude["concept"]:
            coded = _coded({**concept, "system": exclude["system"]})
            reason, text = first(concept, "exclusion-reason"), first(concept, "matching-text")
            yield Exclusion(**coded, text=text, reason=reason)


def _apart(exclusion: dict[str, list[Any]]) -> Exclusion:
    coded = _coded(part(exclusion, "code", {}))
    inverted = not part(exclusion, "as-spoken", default=False)
    return Exclusion(**coded, text=part(exclusion, "text"), inverted=inverted, reason=part(exclusion, "reason"))


# ---------------------------------------------------------------- policies and doses


def policies(library: Json) -> dict[str, Policy]:
    return {p["name"].removeprefix("policy."): _policy(p) for p in library["parameter"]}


def _policy(parameter: Json) -> Policy:
    said = first(parameter, "policy")
    value = part(said, "value")
    quantity = isinstance(value, dict)
    return Policy(
        title=parameter["documentation"],
        value=value["value"] if quantity else value,
        unit=value.get("code", "") if quantity else part(said, "unit"),
        least=_bound(said, "least"),
        most=_bound(said, "most"),
        analyte=part(said, "analyte"),
        owner=part(said, "owner"),
        valid_from=date.fromisoformat(part(said, "validFrom")),
        reference=part(said, "reference"),
        site_may_override=part(said, "siteMayOverride"),
    )


def _bound(said: Json, name: str) -> float | None:
    bound = part(said, name)
    return bound["value"] if bound else None


def dose(dosage: Json) -> Dose:
    (rate,) = dosage["doseAndRate"]
    amount, repeat = rate["doseQuantity"], dosage["timing"]["repeat"]
    assert (repeat["frequency"], repeat["periodUnit"]) == (1, "h")
    interval = repeat["period"]
    if amount["code"] == "mg":
        return Dose(mg=amount["value"], interval_hours=interval)
    assert amount["code"] == "mg/kg"
    cap = dosage["maxDosePerAdministration"]
    assert cap["code"] == "mg"
    return Dose(mg_per_kg=amount["value"], cap_mg=cap["value"], interval_hours=interval)


# ---------------------------------------------------------------- conditions

Conditions = tuple[tuple[Condition, ...], tuple[tuple[Condition, ...], ...], tuple[Condition, ...]]
SYMBOLS = {"=": "is_", "!=": "is_not", ">=": "at_least", ">": "above", "<=": "at_most", "<": "below"}
COMPARISON = re.compile(r"%`(?P<name>[^`]+)`(?: (?P<symbol>[!=<>]+) (?P<operand>.+)|\.(?P<known>exists|empty)\(\))")


def conditions(action: Json) -> Conditions:
    """`when`, `any` and `unless` of the rule that the action's conditions were made from."""
    when: list[Condition] = []
    alternatives: tuple[tuple[Condition, ...], ...] = ()
    unless: list[Condition] = []
    for condition in action["condition"]:
        assert condition["kind"] == "applicability"
        assert condition["expression"]["language"] == "text/fhirpath"
        written: str = condition["expression"]["expression"]
        if not written.startswith("("):
            when.append(comparison(written))
        elif written.endswith(").not()"):
            unless.append(comparison(written[1 : -len(").not()")]))
        else:
            assert alternatives == ()
            alternatives = tuple(
                tuple(map(comparison, option.split(" and "))) for option in written[1:-1].split(") or (")
            )
    return tuple(when), alternatives, tuple(unless)


def comparison(written: str) -> Condition:
    found = COMPARISON.fullmatch(written)
    assert found, written
    name = found["name"]
    members: Json = {"finding": name[8:]} if name.startswith("finding.") else {"fact": name}
    if found["known"]:
        return Condition(**members, known=found["known"] == "exists")
    return Condition(**members, **{SYMBOLS[found["symbol"]]: _operand(found["operand"])})


def _operand(written: str) -> bool | int | float | str:
    if written in ("true", "false"):
        return written == "true"
    if written.startswith("%`"):
        return written[2:-1]
    if written.startswith("'"):
        return re.sub(r"\\(.)", r"\1", written[1:-1])
    return float(written) if "." in written else int(written)
