"""Policies: every number inside its bounds, and every window a time that passes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping

from cds_service.knowledge.checks import facts as facts_check
from cds_service.knowledge.checks.comparisons import DECIMALS, MAX_NUMBER
from cds_service.knowledge.files import Document, YamlPath
from cds_service.knowledge.loader import FACTS, POLICIES, TIMELINE, Loaded
from cds_service.knowledge.messages import missing
from cds_service.knowledge.model import Policy, named_in

HOURS: Mapping[str, float] = {"min": 1 / 60, "h": 1.0, "d": 24.0}
"""How long the units of time are that a window may have."""


def bounds(loaded: Loaded) -> Iterator[str]:
    """Numbers have bounds, lie within them, and are whole where they count something; yes and no have none."""
    for name, policy in loaded.policies.items():
        document = loaded.document(POLICIES, name)
        if isinstance(policy.value, bool):
            for key in ("least", "most"):
                if getattr(policy, key) is not None:
                    yield document.problem((name, key), "a policy of true or false has no bounds; remove this")
            continue
        lacking = [key for key in ("least", "most") if getattr(policy, key) is None]
        for key in lacking:
            yield document.problem((name, key), f"required for a number: the {key} value that makes sense")
        if lacking:
            continue
        for key in ("least", "most"):
            yield from _number(document, (name, key), getattr(policy, key), policy)
        if policy.least is not None and policy.most is not None and policy.least > policy.most:
            yield document.problem((name, "least"), f"expected at most {policy.most:g}, which `most` says")
        yield from value(document, (name, "value"), policy.value, policy)


def value(document: Document, path: YamlPath, given: float, policy: Policy) -> Iterator[str]:
    """What is wrong with a number in place of this policy's value: as it ships, or as a site sets it."""
    told = list(_number(document, path, given, policy))
    yield from told
    if not told and policy.least is not None and policy.most is not None and not policy.least <= given <= policy.most:
        unit = f" {policy.unit}" if policy.unit else ""
        yield document.problem(path, f"expected {policy.least:g} to {policy.most:g}{unit} (found {given:g})")


def _number(document: Document, path: YamlPath, given: float, policy: Policy) -> Iterator[str]:
    if not math.isfinite(given) or abs(given) >= MAX_NUMBER or round(given, DECIMALS) != given:
        yield document.problem(path, f"expected a number of at most {DECIMALS} decimals, below 10^12 (found {given})")
    elif policy.unit.startswith("{") and given != int(given):
        yield document.problem(path, f"expected a whole number of {policy.unit} (found {given:g})")


def windows(loaded: Loaded) -> Iterator[str]:
    """Whatever is used as a window is a policy in a unit of time, and never less than some time."""
    for document, path, name in _used_as_windows(loaded):
        yield from missing(document, path, "policy", name, loaded.policies)
        policy = loaded.policies.get(name)
        if policy is None:
            continue
        if policy.unit not in HOURS or isinstance(policy.value, bool):
            yield document.problem(
                path, f"expected a policy in {_listed(HOURS)} ({name} is in {policy.unit or 'no unit'})"
            )
        elif policy.least is not None and policy.least <= 0:
            there = loaded.document(POLICIES, name)
            yield there.problem((name, "least"), f"expected more than 0: {name} is a window of time")


def _used_as_windows(loaded: Loaded) -> Iterator[tuple[Document, YamlPath, str]]:
    facts = loaded.document(FACTS)
    for name, query in loaded.catalogue.queries.items():
        if query.window:
            yield facts, ("queries", name, "window"), query.window
    yield from ((facts, path, name) for path, name in facts_check.windows(loaded.catalogue))
    for index, track in enumerate(loaded.singles[TIMELINE].tracks):
        windows_of = (named for named in named_in(track) if named.what == "window")
        yield from ((loaded.document(TIMELINE), ("tracks", index, *named.path), named.name) for named in windows_of)
    for key, rule in loaded.table("rules").items():
        if rule.finding.until:
            yield loaded.document("rules", key), ("finding", "until", "policy"), rule.finding.until.policy
        if rule.finding.once_in:
            yield loaded.document("rules", key), ("finding", "onceIn"), rule.finding.once_in


def _listed(names: Iterable[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} or {last}"
