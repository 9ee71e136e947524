"""Where knowledge comes from and what became of it: statements, recorded versions, what nobody has reviewed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from cds_service.knowledge import Knowledge
from cds_service.knowledge.model import RuleDefinition, Statement

# Kind of user of a statement -> the page of one name, and what it is called.
_TARGETS: Final = {
    "rules": ("rules/{}", "Rule"),
    "policies": ("policies#{}", "Policy"),
    "regimens": ("regimens#{}", "Regimen"),
    "cards": ("cards#{}", "Card"),
    "facts": ("facts#{}", "Fact"),
    "evidence": ("evidence#{}", "Evidence"),
}
_GROUPS: Final = {
    "A": "Statements that a decision could act on",
    "C": "Conflicts and claims that were checked",
    "E": "How evidence may be shown",
    "S": "Further statements of the sources",
}
USED, PARTLY, NOT_USED = "used", "partly used", "not used"


@dataclass(frozen=True, slots=True)
class User:
    """What uses a statement: the link to it, its kind and its title."""

    target: str
    kind: str
    name: str
    title: str


@dataclass(frozen=True, slots=True)
class Row:
    """One statement: `state` is one of USED, PARTLY and NOT_USED."""

    of: Statement
    state: str
    sources: tuple[str, ...]
    users: tuple[User, ...]


def coverage(knowledge: Knowledge) -> dict[str, Any]:
    """The page of statements: groups of rows, how many are of each state, and the rules that none asked for."""
    rows = [_row(knowledge, statement) for statement in knowledge.coverage.statements]
    named = {name for row in rows for name in row.of.used_by.rules}
    return {
        "groups": [(title, [r for r in rows if r.of.id.startswith(mark)]) for mark, title in _GROUPS.items()],
        "counts": [(state, sum(row.state == state for row in rows)) for state in (USED, PARTLY, NOT_USED)],
        "sources": knowledge.coverage.sources,
        "rules_of_our_own": [rule for rule in knowledge.rules if rule.id not in named],
    }


def state_of(statement: Statement) -> str:
    """Whether something uses it, all of it or a part."""
    if not statement.used_by:
        return NOT_USED
    return PARTLY if statement.not_used else USED


def statements_of(knowledge: Knowledge, rule: RuleDefinition) -> list[Statement]:
    """The statements that this rule serves."""
    return [statement for statement in knowledge.coverage.statements if rule.id in statement.used_by.rules]


def unreviewed(knowledge: Knowledge) -> list[tuple[int, int, str]]:
    """(how many, of how many, what) still lack what only a person can give."""
    rules, policies, value_sets = knowledge.rules, knowledge.policies.values(), knowledge.value_sets.values()
    items = knowledge.evidence.values()
    return [
        (sum(rule.approval_date is None for rule in rules), len(rules), "rules are approved by nobody"),
        (sum(policy.owner == "unassigned" for policy in policies), len(policies), "policies have no owner"),
        (sum(v.status == "draft" for v in value_sets), len(value_sets), "value sets are drafts"),
        (sum(item.status != "verified" for item in items), len(items), "pieces of evidence are not fully verified"),
    ]


def _row(knowledge: Knowledge, statement: Statement) -> Row:
    users = tuple(
        User(page.format(name), kind, name, _title(knowledge, field, name))
        for field, (page, kind) in _TARGETS.items()
        for name in getattr(statement.used_by, field)
    )
    sources = tuple(knowledge.coverage.sources[name] for name in statement.sources)
    return Row(statement, state_of(statement), sources, users)


def _title(knowledge: Knowledge, field: str, name: str) -> str:
    """Its title; evidence and cards are called by their id: what is refuted must not speak through its title."""
    titled: Mapping[str, Mapping[str, Any]] = {
        "rules": {rule.id: rule for rule in knowledge.rules},
        "policies": knowledge.policies,
        "regimens": knowledge.regimens,
        "facts": knowledge.catalogue.facts,
    }
    found = titled.get(field, {}).get(name)
    return str(found.title) if found is not None else name
