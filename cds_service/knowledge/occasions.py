"""Which rules run when: an order in hand is an occasion to speak of a drug, the ordered one or another in its place.

An order of a drug is an occasion for that drug. It is also one for a drug that may be given instead (`insteadOf` of its
drug.yaml). An order of another kind, such as a vaccine, is an occasion for each drug that its rules are `about`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from cds_service.knowledge.model import ROLES, Drug, Group, OfGroup, OrderScope, RuleDefinition, named_for


@dataclass(frozen=True, slots=True)
class Occasion:
    """An order of `kind`, and the drug that is judged ("" where it is about none). Where `only_if` is given, only rules
    of that drug answer, and only while that finding holds or cannot be excluded."""

    kind: str
    drug: str = ""
    only_if: str = ""

    @property
    def key(self) -> str:
        """The name of the occasion: that of the kind, and of the drug where it is another one."""
        return self.kind if self.drug in ("", self.kind) else f"{self.kind}/{self.drug}"


class Occasions:
    """The occasions of each kind of order, those for another drug first, and the rules of each."""

    def __init__(
        self,
        kinds: Iterable[str],
        drugs: Mapping[str, Drug],
        groups: Mapping[str, Group],
        rules: Iterable[RuleDefinition],
    ) -> None:
        self._drugs, self._members = drugs, members(drugs, groups)
        self._rules = [rule for rule in rules if rule.status != "retired"]
        pairs = [pair for rule in self._rules for pair in self.pairs(rule)]
        self.of_kind: Mapping[str, tuple[Occasion, ...]] = {
            kind: tuple(self._occasions(kind, [drug for of, drug in pairs if of == kind])) for kind in kinds
        }

    def _occasions(self, kind: str, found: list[str]) -> Iterator[Occasion]:
        named = sorted({drug for drug in found if drug} | ({kind} & self._drugs.keys()), key=lambda d: (d == kind, d))
        for drug in named or [""]:
            gate = self._drugs[drug].instead_of.get(kind, "") if drug else ""
            yield Occasion(kind, drug, gate)

    def pairs(self, rule: RuleDefinition) -> Iterator[tuple[str, str]]:
        """(kind of order, drug) for which a rule runs, each once; the drug is "" where the rule is about none.

        A kind beside a drug that may be given instead of it is an occasion for that drug.
        """
        named = self._named((*rule.orders, *rule.about))
        found: list[tuple[str, str]] = []
        for scope in rule.orders:
            if isinstance(scope, OfGroup):
                found += [(drug, drug) for drug in self._members.get(scope.group, ())]
                continue
            instead = [drug for drug in named if scope in self._drugs[drug].instead_of]
            own = (scope,) if scope in self._drugs else self._named(rule.about) or ("",)
            found += [(scope, drug) for drug in instead or own]
        yield from dict.fromkeys(found)

    def keys(self, rule: RuleDefinition) -> tuple[str, ...]:
        """The occasions on which a rule is evaluated."""
        pairs = set(self.pairs(rule))
        found = (o for of in self.of_kind.values() for o in of if {(o.kind, o.drug), (o.kind, "")} & pairs)
        return tuple(occasion.key for occasion in found)

    def kinds(self, rule: RuleDefinition) -> tuple[str, ...]:
        """The kinds of order for which a rule runs, each once."""
        return tuple(dict.fromkeys(kind for kind, _ in self.pairs(rule)))

    def drugs(self, rule: RuleDefinition) -> tuple[str, ...]:
        """The drugs that a rule speaks of, each once."""
        return tuple(dict.fromkeys(drug for _, drug in self.pairs(rule) if drug))

    def policies(self, rule: RuleDefinition) -> tuple[str, ...]:
        """The policies that a rule names for its reader, with those of every drug that it speaks of."""
        return named_policies(rule, [self._drugs[drug] for drug in self.drugs(rule)])

    def names(self, rule: RuleDefinition) -> tuple[str, ...]:
        """The ids under which a rule is shown: its own, and that of each drug in hand where it has one."""
        drugs = self.drugs(rule) if rule.shown_as else ()
        return tuple(dict.fromkeys((rule.id, *(rule.shown_as.replace("<drug>", drug) for drug in drugs))))

    def rules(self, occasion: Occasion) -> Iterator[RuleDefinition]:
        """The rules of an occasion, as they hold for its drug: `orders` is its key."""
        for rule in self._rules:
            pairs = set(self.pairs(rule))
            if (occasion.kind, occasion.drug) in pairs or (occasion.kind, "") in pairs:
                yield self._bound(rule, occasion)

    def _named(self, scopes: Iterable[OrderScope]) -> tuple[str, ...]:
        found: list[str] = []
        for scope in scopes:
            if isinstance(scope, OfGroup):
                found += self._members.get(scope.group, ())
            elif scope in self._drugs:
                found.append(scope)
        return tuple(dict.fromkeys(found))

    def _bound(self, rule: RuleDefinition, occasion: Occasion) -> RuleDefinition:
        drug = self._drugs.get(occasion.drug)
        changed: dict[str, object] = {"orders": (occasion.key,)}
        if drug is not None:
            changed |= {
                "id": (rule.shown_as or rule.id).replace("<drug>", drug.id),
                "title": named_for(drug, rule.title),
                "policies": named_policies(rule, [drug]),
                "evidence": tuple(e for e in rule.evidence if self._says(e, drug)),
            }
        return rule.model_copy(update=changed)

    def _says(self, evidence: str, drug: Drug) -> bool:
        """Whether a piece of evidence is about this drug, or about none in particular."""
        return evidence in drug.evidence or all(evidence not in other.evidence for other in self._drugs.values())


def members(drugs: Mapping[str, Drug], groups: Mapping[str, Group]) -> dict[str, tuple[str, ...]]:
    """Group -> the drugs that belong to it."""
    return {group: tuple(name for name, drug in drugs.items() if group in drug.groups) for group in groups}


def named_policies(rule: RuleDefinition, drugs: Iterable[Drug]) -> tuple[str, ...]:
    """The policies that a rule names for its reader: for `drug-...` those that the drugs name so."""
    found: list[str] = []
    roles = [drug.roles for drug in drugs]
    for name in rule.policies:
        found += [policy for of in roles for policy in of.get(name, ())] if name in ROLES else [name]
    return tuple(dict.fromkeys(found))
