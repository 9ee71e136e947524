"""Where facts come from: one model for each kind of source, with exactly the members that it needs."""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import Field

from cds_service.knowledge.model.base import Model
from cds_service.knowledge.model.names import (
    CourseId,
    FactId,
    KindId,
    QueryId,
    RecordsId,
    Switch,
    ValueSetId,
    Window,
    named_in,
)
from cds_service.knowledge.model.selection import (
    Age,
    DailyDose,
    DosedDrafts,
    DraftDose,
    FactType,
    GradeSource,
    LabelSize,
    Measured,
    MeasuredIn,
    Scope,
    Selection,
    Since,
)


@cache
def _key(source: type[Source]) -> str:
    return next(iter(source.model_fields))


class Source(Model):
    """Where a fact comes from: one model for each kind, with exactly the members that it needs."""

    gives: ClassVar[tuple[FactType, ...]]
    empty_means: ClassVar[Literal["no", "unknown"]] = "unknown"
    bounds: ClassVar[bool] = False
    """Whether only the least or the most of it may be known."""

    @property
    def kind(self) -> str:
        """The one key, in snake case."""
        return _key(type(self))

    @property
    def max_age(self) -> str:
        """The policy beyond which its value is too old to count; "" where there is none."""
        return str(getattr(getattr(self, self.kind), "within", ""))

    @property
    def analyte(self) -> str:
        """The table of units that it is read in; "" where it has none."""
        return str(getattr(getattr(self, self.kind), "analyte", ""))

    def named(self, what: str) -> tuple[str, ...]:
        """What it names of a kind (`value set`, `query`, `fact`, ...), each once, in order."""
        return tuple(dict.fromkeys(found.name for found in named_in(self) if found.what == what))


class Exists(Source):
    """Whether a record fits any of some selections. Where one of `certainBeside` is found, doubts are left aside."""

    gives = ("boolean",)
    empty_means = "no"
    exists: Annotated[tuple[Selection, ...], Field(min_length=1)]
    certain_beside: RecordsId | None = None


class Newest(Source):
    """The newest number."""

    gives = ("number",)
    bounds = True
    newest: MeasuredIn


class Rise(Source):
    """The newest number over the lowest one within the window before it."""

    gives = ("number",)
    rise: MeasuredIn


class Increase(Source):
    """The newest number less the lowest one within the window before it."""

    gives = ("number",)
    increase: MeasuredIn


class Fall(Source):
    """By how many per cent the newest number lies below the highest one within the window before it."""

    gives = ("number",)
    fall: MeasuredIn


class TimesUpperLimit(Source):
    """The newest number over the upper limit that its own reference range states."""

    gives = ("number",)
    bounds = True
    times_upper_limit: Measured


class Sum(Source):
    """The sum of the amounts given."""

    gives = ("number",)
    sum: MeasuredIn


class Happened(Source):
    """Whether the newest of named records is recent enough."""

    gives = ("boolean",)
    empty_means = "no"
    happened: Since


class DaysSince(Source):
    """Whole days since the newest of named records."""

    gives = ("integer",)
    days_since: Since

    @property
    def max_age(self) -> str:
        """It counts time itself."""
        return ""


class Documented(Source):
    """The documented grade that holds now."""

    gives = ("integer",)
    documented: GradeSource


class Drafted(Source):
    """Whether a drug of a value set is among the unsigned orders."""

    gives = ("boolean",)
    drafted: ValueSetId


class DraftsOf(Source):
    """Whether there is a draft of this kind of order."""

    gives = ("boolean",)
    drafts_of: KindId


class DraftCount(Source):
    """How many drafts of this kind of order there are."""

    gives = ("number",)
    draft_count: KindId


class Drafts(Source):
    """Whether a draft is of another patient, or of a drug that nothing names."""

    gives = ("boolean",)
    drafts: Literal["another-patient", "unresolved-drug"]


class DraftDailyDose(Source):
    """The daily dose of the drafts of a kind."""

    gives = ("number",)
    draft_daily_dose: DosedDrafts


class DraftDoseComputable(Source):
    """Whether every draft of a kind says a certain daily dose."""

    gives = ("boolean",)
    draft_dose_computable: DosedDrafts


class DraftDoseReadable(Source):
    """Whether no draft of a drug writes an amount that cannot be read."""

    gives = ("boolean",)
    draft_dose_readable: KindId


class DraftJudged(Source):
    """Whether there is a draft of a drug whose dose is judged."""

    gives = ("boolean",)
    draft_judged: KindId


class DraftDays(Source):
    """For how many days the drafts of a drug run."""

    gives = ("number",)
    draft_days: KindId


class DraftRoutePermitted(Source):
    """Whether no draft of a drug names a route that is not permitted."""

    gives = ("boolean",)
    draft_route_permitted: KindId


class DraftExceedsMaximum(Source):
    """Whether the drafts of a kind exceed the daily maximum."""

    gives = ("boolean",)
    draft_exceeds_maximum: DraftDose


class ActiveDailyDose(Source):
    """The daily dose of the active orders of a drug."""

    gives = ("number",)
    active_daily_dose: DailyDose


class PatientAge(Source):
    """The age of the patient in years."""

    gives = ("number",)
    age: QueryId


class Deceased(Source):
    """Whether the patient is recorded as deceased."""

    gives = ("boolean",)
    deceased: QueryId


class Gender(Source):
    """The administrative gender of the patient."""

    gives = ("code",)
    gender: QueryId


class Unread(Source):
    """Whether a query was not read whole, what another fact says of it is so (`beside`), or a record of the fact that
    it answers (`about`) could not be used: for a fact that an empty answer leaves open without a stop."""

    gives = ("boolean",)
    unread: QueryId
    beside: FactId | None = None
    about: FactId | None = None


class YoungerThan(Source):
    """Whether the patient is younger than an age."""

    gives = ("boolean",)
    younger_than: Age


class SmallerThan(Source):
    """Whether a child is below the age or weight of a label."""

    gives = ("boolean",)
    smaller_than: LabelSize


class InScope(Source):
    """Another fact as it holds for this order's use."""

    gives = ("boolean",)
    empty_means = "no"
    in_scope: Scope


class SitePolicy(Source):
    """A yes-or-no policy of the site."""

    gives = ("boolean",)
    policy: Switch


class SiteSays(Source):
    """What the site declares about itself."""

    gives = ("boolean",)
    site: Literal["tocilizumab-shortage", "one-click-allowed"]


class Computed(Source):
    """One result of a computation; `lasts` is the policy beyond which it is too old to count."""

    gives = get_args(FactType)
    computed: CourseId
    give: str
    lasts: Window | None = None

    @property
    def max_age(self) -> str:
        """As the fact says."""
        return self.lasts or ""


SOURCES: tuple[type[Source], ...] = (
    Exists, Newest, Rise, Increase, Fall, TimesUpperLimit, Sum, Happened, DaysSince, Documented, Drafted, DraftsOf,
    DraftCount, Drafts, DraftDailyDose, DraftDoseComputable, DraftDoseReadable, DraftExceedsMaximum, DraftJudged,
    DraftDays, DraftRoutePermitted,
    ActiveDailyDose, PatientAge, Deceased, Gender, Unread, YoungerThan, SmallerThan, InScope, SitePolicy,
    SiteSays, Computed,
)  # fmt: skip


def key_of(source: type[Source]) -> str:
    """The key that a fact's `from` has for this kind of source."""
    field, info = next(iter(source.model_fields.items()))
    return info.alias or field


KEYS = {key_of(source): source for source in SOURCES}


def kind_of(value: Any) -> str | None:
    """The key that says which kind of source this is."""
    if isinstance(value, Source):
        return key_of(type(value))
    return next((key for key in value if key in KEYS), None) if isinstance(value, dict) else None
