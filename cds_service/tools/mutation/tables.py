"""Which changed rules no case of the rule tells from the rule itself, under three-valued evaluation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from cds_service.engine.logic import Stratum
from cds_service.engine.values import Normaliser, Scalar, finding_key
from cds_service.knowledge import Knowledge
from cds_service.knowledge.model import Case, RuleDefinition
from cds_service.tools.mutation.criteria import Mutant, mutants

Truths = tuple[bool | None, ...]


class Tables:
    """The cases of all rules, ready to be put to other rules. `knowledge` has the policies that the cases are for."""

    def __init__(self, knowledge: Knowledge) -> None:
        self._knowledge = knowledge
        self._normalise = Normaliser(knowledge.catalogue)

    def mutants(self, rule: RuleDefinition) -> Iterator[tuple[Mutant, bool]]:
        """Every mutant of a rule's criteria, and whether some case of the rule gives another result for it."""
        cases = [self._values(case) for case in self._knowledge.cases.get(rule.id, ())]
        expected = self._truths(rule, cases)
        for mutant in mutants(rule, self._knowledge.policies):
            yield mutant, self._truths(mutant.rule, cases) != expected

    def notices(self, changed: Knowledge) -> str:
        """The id of a rule of which some case gives another result with other policies; "" where there is none."""
        for rule in self._knowledge.rules:
            cases = [self._values(case) for case in self._knowledge.cases.get(rule.id, ())]
            if self._truths(rule, cases) != self._truths(rule, cases, changed):
                return rule.id
        return ""

    def _values(self, case: Case) -> Mapping[str, Scalar]:
        values = self._normalise(case.facts)
        return values | {finding_key(name): value for name, value in case.findings.items()}

    def _truths(
        self, rule: RuleDefinition, cases: Iterable[Mapping[str, Scalar]], knowledge: Knowledge | None = None
    ) -> Truths:
        stratum = Stratum(knowledge or self._knowledge, [rule])
        return tuple(stratum.evaluate(values)[rule.id].truth for values in cases)
