"""A fact, and what may be looked at to find one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from msgspec import Struct, field
from msgspec.structs import replace

from cds_service.chart.chart import Chart
from cds_service.chart.resource import Resource
from cds_service.chart.units import UnitTable
from cds_service.chart.vocabulary import Matcher
from cds_service.facts.order import OrderInHand
from cds_service.knowledge.checks.comparisons import MAX_NUMBER
from cds_service.knowledge.model import Orders, Site

if TYPE_CHECKING:
    from cds_service.facts.select import Selections

Scalar = bool | int | float | str
T = TypeVar("T")


class LeftOut(Struct, frozen=True):
    """A record that a count did not count, and why, in a few words."""

    what: str
    why: str


class Fact(Struct, frozen=True):
    """One fact. `value` None means unknown, and then `why` says why; unknown is never false.

    A struct is made ten times as fast as a frozen dataclass, and every call makes a hundred facts.

    `text` is what a person should read beside the value (may hold chart text: escape it when rendering),
    `notes` what they must know about it (converted, stale, derived), `unusable` inputs that were left out. `until` is
    when time alone ends it, where its computation knows better than the policy of its age. `left_out` says what a count
    did not count, and why; `not_understood` names records that are neither one of ours nor recognisably something else.
    Of a number that is not known itself `least` or `most` may be: ">16500".
    """

    name: str
    value: Scalar | None
    unit: str = ""
    as_of: datetime | None = None
    sources: tuple[str, ...] = ()
    why: str = ""
    text: str = ""
    notes: tuple[str, ...] = ()
    unusable: tuple[str, ...] = ()
    until: datetime | None = None
    left_out: tuple[LeftOut, ...] = ()
    not_understood: tuple[str, ...] = ()
    least: float | None = None
    most: float | None = None

    @property
    def is_bounded(self) -> bool:
        """Whether something of the number is known, though not the number."""
        return self.value is None and (self.least is not None or self.most is not None)


Facts = Mapping[str, Fact]


def unknown(name: str, why: str, **more: object) -> Fact:
    """A fact that is not known, with the reason."""
    return Fact(name, None, why=_short(why), **more)  # type: ignore[arg-type]


_LONGEST_WHY = 800  # characters: of thousands of records that leave a fact open, nobody reads more than the first


def _short(why: str) -> str:
    """The first reasons, and how many more there are."""
    if len(why) <= _LONGEST_WHY:
        return why
    kept = why[:_LONGEST_WHY].rpartition("; ")[0] or why[:_LONGEST_WHY]
    return f"{kept}; and {max(why.count('; ') - kept.count('; '), 1)} more"


def bounded(fact: Fact) -> Fact:
    """The fact; unknown where its number is beyond any that a chart can mean."""
    value = fact.value
    if not isinstance(value, int | float) or -MAX_NUMBER < value < MAX_NUMBER:
        return fact
    return replace(fact, value=None, why="its number is beyond any that can be meant")


class Reading(Struct, frozen=True, eq=False):
    """Everything that a fact may look at. Nothing here reads the clock, the environment or the network.

    `policies` are values as written; `windows` the same in hours, for those whose unit is a time. `drug` is the one
    that is judged ("" for none). `horizon` is the latest moment that still counts as now: clocks differ by minutes.
    """

    chart: Chart
    order: OrderInHand
    drug: str
    orders: Orders
    now: datetime
    encounter_id: str | None
    terms: Mapping[str, Matcher]
    policies: Mapping[str, float]
    windows: Mapping[str, float]
    units: Mapping[str, UnitTable]
    site: Site
    one_click: bool
    horizon: datetime
    select: Selections
    _found: dict[object, Any] = field(default_factory=dict)

    def once(self, key: object, find: Callable[[], T]) -> T:
        """What several facts ask for, found once a reading. The key names what is found."""
        if key not in self._found:
            self._found[key] = find()
        found: T = self._found[key]
        return found

    @property
    def condition_refs(self) -> frozenset[str]:
        """The references of all Conditions of the chart."""
        return self.once("condition refs", lambda: frozenset(r.ref for r in self.chart.of("conditions")))

    @property
    def draft_refs(self) -> frozenset[str]:
        """The references of all drafts in hand."""
        return self.once("draft refs", lambda: frozenset(d.resource.ref for d in self.order.drafts))

    def of_draft(self, resource: Resource) -> bool:
        """Whether it is one of the drafts in hand, as the chart has it, or carries one out: an order that runs already
        is signed again under its own id."""
        return resource.ref in self.draft_refs or not self.draft_refs.isdisjoint(resource.ordered_by)

    def is_(self, status: str, resource: Resource) -> bool:
        """Whether a resource is in a named status of the catalogue now."""
        return self.select.statuses[status](resource, self.now)

    def in_status(self, status: str, query: str, *value_sets: Matcher) -> Sequence[Resource]:
        """Own resources of a query in one of some value sets (all where none is named) that are in a status now. Where
        the clock has no say they are found once for all calls that bring the same ones."""
        holds = self.select.statuses[status]

        def find(resources: Iterable[Resource]) -> tuple[Resource, ...]:
            among = self.chart.found(query, value_sets) if value_sets else resources
            return tuple(r for r in among if holds(r, self.now))

        if status not in self.select.timeless:
            return find(self.chart.of(query))
        return self.chart.remember(query, (holds, value_sets), find)

    def hours_since(self, moment: datetime) -> float:
        """Hours from a moment until now."""
        return (self.now - moment).total_seconds() / 3600

    def past(self, resource: Resource) -> bool:
        """Dated, and not in the future."""
        return resource.when is not None and resource.when.start <= self.horizon

    def within(self, resource: Resource, hours: float) -> bool:
        """Dated, not in the future, and possibly no older than `hours` (a partial date counts to its end)."""
        when = resource.when
        return when is not None and when.start <= self.horizon and when.end >= self.now - timedelta(hours=hours)


def refs(resources: Iterable[Resource]) -> tuple[str, ...]:
    """References of resources, each once, in order."""
    return tuple(dict.fromkeys(r.ref for r in resources))


def usable(resources: Iterable[Resource]) -> tuple[list[Resource], tuple[str, ...]]:
    """The valid ones, and a line for each invalid one."""
    good: list[Resource] = []
    bad: list[str] = []
    for resource in resources:
        if resource.problem:
            bad.append(f"{resource.ref}: {resource.problem}")
        else:
            good.append(resource)
    return good, tuple(bad)
