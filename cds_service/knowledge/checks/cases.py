"""The cases beside a rule: by the first of them the running service tries whether it still fires and stays silent."""

from __future__ import annotations

from collections.abc import Iterator

from cds_service.knowledge.checks.comparisons import misfit
from cds_service.knowledge.files import YamlPath
from cds_service.knowledge.loader import RULES, Loaded
from cds_service.knowledge.messages import missing
from cds_service.knowledge.model import conditions


def cases(loaded: Loaded) -> Iterator[str]:
    """What a case gives is a fact of the catalogue with a value of its type, or a finding that the rule asks for."""
    facts, rules = loaded.catalogue.facts, loaded.table(RULES)
    for key, group in loaded.table("cases").items():
        document = loaded.document("cases", key)
        asked = {c.finding for _, c in conditions(rules[key]) if c.finding} if key in rules else set()
        for index, case in enumerate(group):
            for name, value in case.facts.items():
                path: YamlPath = (index, "facts", name)
                yield from missing(document, path, "fact", name, facts)
                if name in facts and (expected := misfit(facts[name], value)):
                    yield document.problem(path, f"expected {expected} (found {value})")
            for name in case.findings if key in rules else ():
                yield from missing(document, (index, "findings", name), "finding in the rule's conditions", name, asked)
