"""All facts that the rules of a ruleset need, in one pass over the chart, each after those that it is made of."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any

from msgspec.structs import replace

from cds_service.facts import (
    active,
    distinct_doses,
    dose,
    dose_spacing,
    draft_dose,
    draft_end,
    drug_course,
    graded,
    icans,
    measured,
    order_use,
    patient,
    renal,
    site,
    weight,
)
from cds_service.facts import crs as crs_grade
from cds_service.facts.exists import Find, exists
from cds_service.facts.model import Fact, Facts, Reading, bounded
from cds_service.facts.select import Selections
from cds_service.facts.since import days_since, happened
from cds_service.knowledge import model
from cds_service.knowledge.model import Computed, FactDefinition

Step = Callable[[Reading, Facts], Iterable[Fact]]
_BUILD: Mapping[type[model.Source], Callable[[str, Any, str, Selections], Find]] = {
    model.Exists: lambda name, s, unit, select: exists(name, s, select),
    model.Newest: lambda name, s, unit, select: measured.newest(name, s.newest, unit, select),
    model.Rise: lambda name, s, unit, select: measured.rise(name, s.rise, unit, select),
    model.Fall: lambda name, s, unit, select: measured.fall(name, s.fall, unit, select),
    model.Increase: lambda name, s, unit, select: measured.increase(name, s.increase, unit, select),
    model.TimesUpperLimit: lambda name, s, unit, select: measured.times_upper_limit(
        name, s.times_upper_limit, unit, select
    ),
    model.Sum: lambda name, s, unit, select: measured.total(name, s.sum, unit, select),
    model.Happened: lambda name, s, unit, select: happened(name, s.happened, select),
    model.DaysSince: lambda name, s, unit, select: days_since(name, s.days_since, select),
    model.Documented: lambda name, s, unit, select: graded.documented_grade(name, s.documented),
    model.Drafted: lambda name, s, unit, select: dose.drafted(name, s.drafted, select),
    model.DraftsOf: lambda name, s, unit, select: dose.drafts_of(name, s.drafts_of),
    model.DraftCount: lambda name, s, unit, select: dose.count_of(name, s.draft_count, unit),
    model.Drafts: lambda name, s, unit, select: dose.drafts(name, s.drafts, select),
    model.DraftDailyDose: lambda name, s, unit, select: draft_dose.daily_dose(name, s.draft_daily_dose, unit),
    model.DraftDoseComputable: lambda name, s, unit, select: draft_dose.computable(name, s.draft_dose_computable),
    model.DraftDoseReadable: lambda name, s, unit, select: draft_dose.readable(name, s.draft_dose_readable),
    model.DraftExceedsMaximum: lambda name, s, unit, select: draft_dose.exceeds_maximum(
        name, s.draft_exceeds_maximum.orders
    ),
    model.DraftJudged: lambda name, s, unit, select: draft_dose.judged(name, s.draft_judged),
    model.DraftDays: lambda name, s, unit, select: draft_end.days(name, s.draft_days, unit),
    model.DraftRoutePermitted: lambda name, s, unit, select: draft_dose.route_permitted(name, s.draft_route_permitted),
    model.ActiveDailyDose: lambda name, s, unit, select: active.active_daily_dose(
        name, s.active_daily_dose, unit, select
    ),
    model.PatientAge: lambda name, s, unit, select: patient.age(name),
    model.Deceased: lambda name, s, unit, select: patient.deceased(name),
    model.Gender: lambda name, s, unit, select: patient.gender(name),
    model.Unread: lambda name, s, unit, select: patient.unread(name, s),
    model.YoungerThan: lambda name, s, unit, select: patient.younger_than(name, s.younger_than),
    model.SmallerThan: lambda name, s, unit, select: patient.smaller_than(name, s.smaller_than),
    model.InScope: lambda name, s, unit, select: order_use.in_scope(name, s.in_scope),
    model.SitePolicy: lambda name, s, unit, select: site.policy(name, s.policy),
    model.SiteSays: lambda name, s, unit, select: site.says(name, s.site),
}
_COMPUTE: Mapping[type[model.Model], Callable[[Any, Reading, Facts], Iterator[Fact]]] = {
    model.BodyWeight: weight.facts,
    model.OrderUse: order_use.facts,
    model.CrsGrade: crs_grade.facts,
    model.DistinctDoses: distinct_doses.facts,
    model.DoseSpacing: dose_spacing.facts,
    model.DrugCourse: drug_course.facts,
    model.NeurologicalScore: icans.facts,
    model.RenalFunction: renal.facts,
}
# Whichever facts are needed: who the patient is.
_ALWAYS_READ = "patient"


class Gatherer:
    """Compiled once for a set of fact names: which facts to find, in which order, and which queries they read.

    `drugs` are those that may be judged: an alias among the names stands for the fact of each of them. `beside` are
    queries that are read whatever the facts look at.
    """

    def __init__(
        self, select: Selections, names: Iterable[str], drugs: Iterable[str] = (), beside: Iterable[str] = ()
    ) -> None:
        catalogue, judged = select.catalogue, tuple(drugs)
        wanted = tuple(names)
        self._aliases = {name: catalogue.of_drug[name] for name in wanted if name in catalogue.of_drug}
        own = [of[drug] for of in self._aliases.values() for drug in judged if drug in of]
        needed = with_needs(catalogue, [*own, *(name for name in wanted if name not in self._aliases)])
        read = {_ALWAYS_READ, *beside, *(query for name in needed for query in catalogue.reads(name))}
        self.queries = tuple(q for q in catalogue.queries if q in read)
        self._steps = tuple(_steps(select, [name for name in select.order if name in needed]))

    def gather(self, reading: Reading) -> dict[str, Fact]:
        """Every fact by name."""
        known: dict[str, Fact] = {}
        for step in self._steps:
            for fact in step(reading, known):
                value = fact.value  # most are yes, no or unknown, which nothing bounds
                known[fact.name] = fact if value is None or value is True or value is False else bounded(fact)
        for alias, of in self._aliases.items():
            own = known.get(of.get(reading.drug, ""))
            if own is not None:
                # Where the alias says nothing of a drug, cards and explanations know the fact by it.
                known[alias] = replace(own, name=alias) if own.name == f"{reading.drug}-{alias}" else own
        return known


def with_needs(catalogue: model.Catalogue, names: Iterable[str]) -> set[str]:
    """The facts of these names and all that they are made of."""
    found: set[str] = set()
    left = list(names)
    while left:
        name = left.pop()
        if name not in found:
            found.add(name)
            left += catalogue.needs(name)
    return found


def _steps(select: Selections, ordered: Iterable[str]) -> Iterator[Step]:
    facts, seen = select.catalogue.facts, set()
    for name in ordered:
        source = facts[name].source
        if not isinstance(source, Computed):
            yield select.once(name, partial(_declared, name, facts[name], select))
        elif source.computed not in seen:
            seen.add(source.computed)
            yield select.once(("computed", source.computed), partial(_computed, source.computed, select))


def _declared(name: str, definition: FactDefinition, select: Selections) -> Step:
    find = _BUILD[type(definition.source)](name, definition.source, definition.unit, select)
    return lambda reading, known: (find(reading, known),)


def _computed(computation: str, select: Selections) -> Step:
    """All facts that a computation gives, under the names of the catalogue."""
    given = select.catalogue.computed[computation]
    catalogue = select.catalogue
    sources = ((name, d.source) for name, d in catalogue.facts.items() if name not in catalogue.of_drug)
    names = {s.give: name for name, s in sources if isinstance(s, Computed) and s.computed == computation}
    compute = partial(_COMPUTE[type(given)], given)

    def step(reading: Reading, known: Facts) -> Iterator[Fact]:
        for fact in compute(reading, known):
            if fact.name in names:
                yield replace(fact, name=names[fact.name])

    return step
