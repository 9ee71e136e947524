"""What durable-rules can hold: how many rules and keys one ruleset may have, and keys that it can tell apart.

These are limits of its C code, measured; past them it fires nothing, or the wrong thing, without saying so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

from cds_service.knowledge.loader import FACTS, RULES, Loaded
from cds_service.knowledge.model import RuleDefinition, conditions, flat_key, runs_at

MAX_COMPILED: Final = 60
"""durable gives up (error 303) on a fact with more than 64 pending branches."""

MAX_KEYS: Final = 240
"""durable refuses (error 302) messages of 255 properties."""

RESERVED: Final = (
    "id", "sid", "$s", "$m", "sentinel", "$and", "$or", "$ex", "$nex", "$neq", "$gte", "$gt", "$lte", "$lt",
)  # fmt: skip
"""Keys that mean something to durable, or to the engine's own second fact."""


def rulesets(loaded: Loaded) -> Iterator[str]:
    """The rules of one stratum, hook and order kind become one ruleset: it must not be too large."""
    members: dict[tuple[str, str, str], list[RuleDefinition]] = {}
    rules_of = [(r, loaded.occasions.keys(r) or ("",)) for r in loaded.table(RULES).values() if r.status != "retired"]
    made = dict.fromkeys((hook, kind) for rule, kinds in rules_of for hook in rule.hooks for kind in kinds)
    for rule, kinds in rules_of:
        for hook, kind in made:
            if kind in kinds and runs_at(rule, hook):
                members.setdefault((hook, kind, rule.stratum), []).append(rule)
    for (hook, kind, stratum), rules in members.items():
        sizes = Counter({rule.id: len(rule.any) or 1 for rule in rules})
        largest, _ = sizes.most_common(1)[0]
        where = f"{stratum} rules of {kind or 'no order'} at {hook}"
        if sizes.total() > MAX_COMPILED:
            most = ", ".join(f"{name} ({size})" for name, size in sizes.most_common(3))
            told = (
                f"{sizes.total()} compiled {where} (every `any` list is one), at most {MAX_COMPILED} allowed;"
                f" most are in {most}: move rules to another stratum or compute a fact"
            )
            yield loaded.document(RULES, largest).problem(("any",), told)
        # Each may be asked for its value and for its being known: two keys.
        names = {condition.key for rule in rules for _, condition in conditions(rule)}
        if len(names) * 2 > MAX_KEYS:
            told = (
                f"{len(names)} facts and findings compared by the {where}, at most {MAX_KEYS // 2} allowed; use fewer"
            )
            yield loaded.document(RULES, largest).problem(("when",), told)


def keys(loaded: Loaded) -> Iterator[str]:
    """durable tells keys apart by a 32-bit hash only."""
    taken = {fnv(key): key for key in RESERVED}
    named = [("fact", name) for name in loaded.catalogue.facts] + [("finding", name) for name in loaded.table(RULES)]
    for kind, name in named:
        for key in (flat_key(kind, name), f"known_{flat_key(kind, name)}"):
            other = taken.setdefault(fnv(key), key)
            if other == key:
                continue
            told = f"durable cannot tell {key!r} from {other!r}; rename one of them"
            if kind == "fact":
                yield loaded.document(FACTS).problem(("facts", name), told)
            else:
                yield loaded.document(RULES, name).problem(("id",), told)


def fnv(key: str) -> int:
    """32-bit FNV-1, in the variant that durable uses (xor, then multiply)."""
    value = 2166136261
    for byte in key.encode():
        value = ((value ^ byte) * 16777619) & 0xFFFFFFFF
    return value
