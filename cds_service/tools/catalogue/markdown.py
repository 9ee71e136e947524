"""The knowledge as one page of Markdown for the repository: rules by topic, statements of the sources, policies."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from cds_service.knowledge import Knowledge
from cds_service.knowledge.model import RuleDefinition, Statement
from cds_service.tools.catalogue import trace
from cds_service.tools.catalogue.sentences import shown, unit

_HEAD = """\
# What the service knows

<!-- Written by `anakinra-cds docs` (make docs) from the files under rules/ and cards/; change those, not this page. -->

Draft content, not reviewed by clinicians; not a medical device and not medical advice. The same with every criterion,
case and card: `make docs`, or `/knowledge` of a running service.
"""


def markdown(knowledge: Knowledge) -> str:
    """The page; the same text for the same files."""
    unreviewed = [f"- {count} {what}, of {total} in all" for count, total, what in trace.unreviewed(knowledge)]
    return (
        "\n".join([_HEAD, *unreviewed, "", *_rules(knowledge), *_statements(knowledge), *_policies(knowledge)]).rstrip()
        + "\n"
    )


def _rules(knowledge: Knowledge) -> Iterator[str]:
    yield f"## Rules ({len(knowledge.rules)})\n"
    topics = sorted(set(knowledge.rule_folders.values()))
    for topic in topics:
        rules = sorted((r for r in knowledge.rules if knowledge.rule_folders[r.id] == topic), key=lambda rule: rule.id)
        yield f"### {topic.partition('/')[2]}\n"
        yield from _table(("rule", "title", "decision", "version", "status"), (_rule(rule) for rule in rules))


def _rule(rule: RuleDefinition) -> tuple[str, ...]:
    decision = rule.finding.decision or "finding only"
    shown_as = f" ({rule.finding.indicator})" if rule.finding.indicator else ""
    return f"`{rule.id}`", rule.title, f"{decision}{shown_as}", rule.version, rule.status


def _statements(knowledge: Knowledge) -> Iterator[str]:
    coverage = knowledge.coverage
    if not coverage.statements:
        return
    counts = ", ".join(f"{count} {state}" for state, count in trace.coverage(knowledge)["counts"])
    yield f"## Statements of the sources ({counts})\n"
    yield "Sources: " + "; ".join(f"**{key}** {title}" for key, title in coverage.sources.items()) + ".\n"
    columns = ("id", "statement", "sources", "used by", "not used because")
    yield from _table(columns, (_statement(statement) for statement in coverage.statements))


def _statement(statement: Statement) -> tuple[str, ...]:
    users = [f"{kind}: {', '.join(names)}" for kind, names in statement.used_by if names]
    return (
        statement.id,
        statement.statement,
        ", ".join(statement.sources),
        "; ".join(users),
        statement.not_used,
    )


def _policies(knowledge: Knowledge) -> Iterator[str]:
    yield f"## Policies ({len(knowledge.policies)}, at the site {knowledge.site.id})\n"
    rows = (
        (
            f"`{name}`",
            policy.title,
            f"{shown(policy.value)} {unit(policy.unit)}".strip(),
            "" if policy.least is None or policy.most is None else f"{shown(policy.least)} to {shown(policy.most)}",
            policy.owner,
            str(policy.valid_from),
            policy.reference,
        )
        for name, policy in sorted(knowledge.policies.items())
    )
    yield from _table(("policy", "title", "value", "bounds", "owner", "valid from", "source"), rows)


def _table(columns: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    yield f"| {' | '.join(columns)} |"
    yield f"|{' --- |' * len(columns)}"
    for row in rows:
        yield f"| {' | '.join(_cell(cell) for cell in row)} |"
    yield ""


def _cell(text: str) -> str:
    """Text that cannot end its cell, begin markup, or become a link."""
    plain = " ".join(text.split())
    for mark in ("\\", "|", "<", "[", "*", "_"):
        plain = plain if plain.startswith("`") else plain.replace(mark, f"\\{mark}")
    return plain
