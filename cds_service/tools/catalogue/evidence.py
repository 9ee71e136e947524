"""What may be shown of a piece of evidence. What may not be shown never reaches a template."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from typing import Final

from cds_service.knowledge import Knowledge
from cds_service.knowledge.model import Evidence

STATUSES: Final = ("verified", "partly", "unverified", "refuted")
_LABELS: Final = {"partly": "partly verified"}


@dataclass(frozen=True, slots=True)
class EvidenceLine:
    """One item: an unverified one without statement and numbers, a refuted one without anything of its claim."""

    id: str
    status: str
    label: str
    why: str
    checked_on: date
    title: str = ""
    citation: str = ""
    url: str = ""
    design: str = ""
    population: str = ""
    n: int | None = None
    statement: str = ""
    used_by: tuple[tuple[str, str], ...] = ()


def line(knowledge: Knowledge, name: str) -> EvidenceLine:
    """The item of this id, as far as it may be shown; `used_by` are (id, title) of rules."""
    item = knowledge.evidence[name]
    label = _LABELS.get(item.status, item.status)
    bare = EvidenceLine(item.id, item.status, label, item.why, item.checked_on)
    if item.status == "refuted":
        return bare
    used = tuple((rule.id, rule.title) for rule in knowledge.rules if name in rule.evidence)
    named = replace(bare, title=item.title, citation=item.citation, url=_safe(item), design=item.design, used_by=used)
    if item.status == "unverified":
        return named
    return replace(named, population=item.population, n=item.n, statement=item.statement)


def _safe(item: Evidence) -> str:
    """Its address, where a browser may follow it: escaping alone would let `javascript:` pass."""
    return item.url if item.url.startswith(("https://", "http://")) else ""
