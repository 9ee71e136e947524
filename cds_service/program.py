"""Compiles the knowledge of one site into a Program: every name is resolved here, once; nothing is looked up later.

Beside loading, this is the only place where content can be wrong: what compiles can be asked and worded.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from cds_service.advice.cards import Wording
from cds_service.advice.orders import ORDERED
from cds_service.advice.proof import card_problems
from cds_service.advice.templates import compile_cards
from cds_service.chart.chart import Chart, QueryKind
from cds_service.chart.intake import Wanted
from cds_service.chart.prefetch import searches, templates
from cds_service.chart.recognition import Recogniser
from cds_service.chart.units import UnitTable
from cds_service.chart.vocabulary import Matcher, matchers
from cds_service.contract import ASKS, FOOTER, HEADER, OWN_CARD, SERVICES
from cds_service.engine import Engine
from cds_service.errors import KnowledgeError
from cds_service.facts.dosage import Amounts, amounts_by_drug
from cds_service.facts.gather import Gatherer
from cds_service.facts.how_often import HowOften
from cds_service.facts.model import Reading
from cds_service.facts.order import OrderInHand
from cds_service.facts.select import Selections
from cds_service.knowledge import Knowledge
from cds_service.knowledge.model import RuleDefinition
from cds_service.knowledge.occasions import Occasion
from cds_service.knowledge.placeholders import facts_of
from cds_service.requirements import AMOUNTS, FACTS, HOURS, unmet


@dataclass(frozen=True, slots=True)
class Plan:
    """What one hook and occasion take: their rules, in order of evaluation, and the facts that they need."""

    rules: tuple[RuleDefinition, ...]
    gatherer: Gatherer


@dataclass(frozen=True, slots=True)
class Program:
    """All knowledge of one site, ready to be asked. Shared by all threads; `warm` prepares it again after a fork.

    `id` is `<digest> <site>`. `amounts` are the units in which each drug is dosed; `mapped` what is looked for in a
    chart at all. `policies` are values as written, `windows` the same in hours, for those whose unit is a time;
    `select` is the selection language, compiled for them.
    `templates` are the prefetch templates by query, `searches` the same as a FHIR server is asked; `not_kept` are the
    queries that this site's EHR holds nothing for; `silent` the rules whose findings are not shown. `plans` are by hook
    and key of an occasion; `every_fact` gathers the whole catalogue.
    """

    id: str
    knowledge: Knowledge
    terms: Mapping[str, Matcher]
    units: Mapping[str, UnitTable]
    amounts: Mapping[str, Amounts]
    mapped: Wanted
    policies: Mapping[str, float]
    windows: Mapping[str, float]
    select: Selections
    queries: Mapping[str, QueryKind]
    templates: Mapping[str, str]
    searches: Mapping[str, str]
    not_kept: frozenset[str]
    silent: frozenset[str]
    plans: Mapping[tuple[str, str], Plan]
    every_fact: Gatherer
    engine: Engine
    wording: Wording

    def warm(self) -> None:
        """Prepare this process's rules engine; call it again after a fork. Raises where the engine cannot run."""
        self.engine.warm()

    @property
    def quiet_repeat(self) -> timedelta:
        """For how long the same answer to the same clinician may be said briefly."""
        return timedelta(hours=self.windows["quiet-repeat-window"])

    @property
    def asked(self) -> Mapping[tuple[str, str], frozenset[str]]:
        """(hook, key of an occasion) -> the ids of the rules that are asked there."""
        return {place: frozenset(rule.id for rule in plan.rules) for place, plan in self.plans.items()}

    def wanted(self, hook: str, kinds: Iterable[str]) -> frozenset[str]:
        """The queries that the facts for these kinds of order may look at."""
        return frozenset(name for o in self.occasions(kinds) for name in self.plans[hook, o.key].gatherer.queries)

    def templates_of(self, hook: str) -> Mapping[str, str]:
        """The prefetch templates of a hook: without an order only what its status looks at."""
        wanted = self.wanted(hook, self.without_order) if hook in ASKS else self.templates.keys()
        return {name: text for name, text in self.templates.items() if name in wanted}

    @property
    def without_order(self) -> tuple[str, ...]:
        """The kinds of order of which a status is told where nothing is ordered."""
        told = {o for hook, o in self.plans if hook in ASKS}
        return tuple(kind for kind in self.knowledge.orders.kinds if kind in told)

    @property
    def no_order(self) -> Occasion:
        """The occasion of a question without an order: facts of a drug in hand are those of the first drug."""
        return Occasion("", next(iter(self.knowledge.drugs), ""))

    def occasions(self, kinds: Iterable[str]) -> tuple[Occasion, ...]:
        """The occasions of some kinds of order, in their order; "" is none."""
        return tuple(
            o for kind in kinds for o in (self.knowledge.occasions.of_kind[kind] if kind else (self.no_order,))
        )

    def horizon(self, now: datetime) -> datetime:
        """The latest moment that still counts as now: clocks differ by a few minutes."""
        return now + timedelta(hours=self.windows["clock-tolerance"])

    def reading(self, chart: Chart, order: OrderInHand, drug: str, encounter_id: str | None, now: datetime) -> Reading:
        """All that facts may look at, for one kind of order and the drug that is judged."""
        return Reading(
            chart=chart,
            order=order,
            drug=drug,
            orders=self.knowledge.orders,
            now=now,
            horizon=self.horizon(now),
            encounter_id=encounter_id,
            terms=self.terms,
            policies=self.policies,
            windows=self.windows,
            units=self.units,
            site=self.knowledge.site,
            one_click=self.knowledge.one_click(drug),
            select=self.select,
        )


def compile_program(knowledge: Knowledge) -> Program:
    """Resolve, compile and try everything. Raises KnowledgeError, one line a problem."""
    if problems := list(unmet(knowledge)):
        raise KnowledgeError(problems)
    cards = compile_cards(knowledge.cards, lambda card, key, text: knowledge.problem("cards", card, (key,), text))
    occasions = {o: tuple(knowledge.occasions.rules(o)) for each in knowledge.occasions.of_kind.values() for o in each}
    if problems := card_problems(knowledge, cards, occasions):
        raise KnowledgeError(problems)
    windows = {n: float(p.value) * HOURS[p.unit] for n, p in knowledge.policies.items() if p.unit in HOURS}
    catalogue, site = knowledge.catalogue, knowledge.site
    recogniser = Recogniser(knowledge.value_sets, knowledge.code_systems, knowledge.languages, site.scripts)
    not_kept = frozenset(n for n, q in catalogue.queries.items() if q.resource in site.not_kept)
    unordered = [rule for rule in knowledge.rules if not rule.orders]
    off = _shown_as(knowledge, site.rules_off)
    engine = Engine(replace(knowledge, rules=(*(rule for of in occasions.values() for rule in of), *unordered)), off)
    terms = matchers(knowledge.value_sets, recogniser)
    policies = {name: float(p.value) for name, p in knowledge.policies.items()}
    select = Selections(catalogue, terms, policies, windows)
    units = {name: UnitTable(analyte) for name, analyte in knowledge.analytes.items()}
    asked = {(hook, o): engine.rules(hook, o.key) for hook in SERVICES.values() for o in occasions}
    rules = {(hook, o): of for (hook, o), of in asked.items() if of or hook not in ASKS}
    return Program(
        id=f"{knowledge.digest} {site.id}",
        knowledge=knowledge,
        terms=terms,
        units=units,
        amounts=amounts_by_drug(
            units[AMOUNTS],
            {name: drug.products for name, drug in knowledge.orders.drugs.items()},
            HowOften(knowledge.orders.frequencies),
        ),
        mapped=Wanted(
            next(iter(terms.values())),
            {name: frozenset(sets) for name, sets in catalogue.looked_for().items()},
            {name: tuple(units[a] for a in analytes) for name, analytes in catalogue.measured().items()},
        ),
        policies=policies,
        windows=windows,
        select=select,
        queries={
            name: QueryKind(
                query.resource,
                windows.get(query.window),
                site.empty_means.get(name) == "unknown",
                query.also,
                query.weak,
            )
            for name, query in catalogue.queries.items()
        },
        templates={name: text for name, text in templates(knowledge).items() if name not in not_kept},
        searches={name: text for name, text in searches(knowledge).items() if name not in not_kept},
        not_kept=not_kept,
        silent=frozenset(_shown_as(knowledge, site.silent_rules)),
        plans={
            (hook, o.key): Plan(of, Gatherer(select, _needed(of, knowledge), [o.drug], _beside(hook)))
            for (hook, o), of in rules.items()
        },
        every_fact=Gatherer(select, catalogue.facts, knowledge.drugs, _beside("")),
        engine=engine,
        wording=Wording(knowledge, cards, occasions),
    )


def _shown_as(knowledge: Knowledge, rules: Container[str]) -> set[str]:
    """Every id under which some rules are evaluated."""
    return {name for rule in knowledge.rules if rule.id in rules for name in knowledge.occasions.names(rule)}


def _beside(hook: str) -> tuple[str, ...]:
    """What is read beside facts: where something may be ordered, what is ordered already."""
    return () if hook in ASKS else (ORDERED,)


def _needed(rules: Iterable[RuleDefinition], knowledge: Knowledge) -> set[str]:
    """Facts that the rules compare, that their cards print, and that every decision needs."""
    conditions = [c for r in rules for c in (*r.when, *r.unless, *(c for option in r.any for c in option))]
    shown = {name for r in rules for name in (r.card, r.first_card) if name} | OWN_CARD | {HEADER, FOOTER}
    shown |= {part for name in shown for part in knowledge.cards[name].parts}
    printed = (facts_of(knowledge.cards[name]) for name in shown)
    dosed = [k.dosing for k in knowledge.orders.kinds.values() if k.dosing]
    running = (name for d in dosed for name in (d.active, d.active_daily_dose))
    timed = (r.finding.until.fact for r in rules if r.finding.until)
    return {c.fact for c in conditions if c.fact}.union(FACTS, running, timed, *printed)
