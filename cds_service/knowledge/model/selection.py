"""The selection language: queries that read a chart, named statuses, readings of results, and selections of records."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from cds_service.knowledge.model.base import Id, Model
from cds_service.knowledge.model.growth import Growth, Standing
from cds_service.knowledge.model.names import (
    AnalyteId,
    FactId,
    KindId,
    QueryId,
    RecordsId,
    ResultId,
    ScaleId,
    SourceId,
    Statuses,
    StatusId,
    Threshold,
    ValueSetId,
    ValueSets,
    Window,
)

FactType = Literal["boolean", "integer", "number", "code"]


class Query(Model):
    """One read of the FHIR chart; prefetch templates and FHIR searches are both derived from it.

    `window` names the policy beyond which older resources do not matter: a read that stops earlier than its last page
    is complete where what it holds reaches back further. Without a window every page matters. `category` is a token
    (`system|code`) that narrows the search. Resources of the types `also` may come with it. A `weak` query leaves no
    fact unknown where it is not sent, or where any of it is lost: the first card says so. Without an `essential` query
    no pathway is answered, whoever the patient is; without an `essentialWhere` one, only where these words hold.
    """

    title: str
    resource: str
    by: Literal["id", "patient"] = "patient"
    codes: tuple[Id, ...] = ()
    category: str = ""
    sort: str = ""
    count: int | None = None
    window: str = ""
    also: tuple[str, ...] = ()
    weak: Literal["not-sent", "lost", ""] = ""
    essential: bool = False
    essential_where: str = ""

    @model_validator(mode="after")
    def _one_importance(self) -> Query:
        if sum((bool(self.weak), self.essential, bool(self.essential_where))) > 1:
            raise ValueError("expected one of weak, essential, essentialWhere")
        return self


class EntryBytes(Model):
    """What one entry of a search takes as compact JSON, over `measured` resources of one type; too few are no measure,
    and count `like` another type."""

    measured: Annotated[int, Field(ge=0)]
    median: Annotated[int, Field(gt=0)] | None = None
    p95: Annotated[int, Field(gt=0)] | None = None
    like: str = ""

    @model_validator(mode="after")
    def _one_measure(self) -> EntryBytes:
        if bool(self.like) == bool(self.median and self.p95):
            raise ValueError("expected median and p95, or like")
        return self


class LocalUse(Model):
    """A drug that acts where it is put: by one of these `routes`, or in one of these `forms`."""

    routes: ValueSets
    forms: ValueSets


class SaidNotGiven(Model):
    """Records of a drug that say by `words` that nothing was given, `unless` others say that something was."""

    words: ValueSetId
    unless: ValueSetId


class StatusSet(Model):
    """A named status: the records of some resources whose `element` has one of `codes`, or that are in none of other
    named statuses. `orAbated` adds those whose abatement has passed, `running` takes only those that have not run out,
    `notLocal` only drugs that act in the whole body, as far as their records say. What says that nothing was given is
    left out by `unlessSaid`, and taken in by `orSaid`.
    """

    title: str
    of: tuple[str, ...]
    element: Literal["status", "clinicalStatus", "verificationStatus", ""] = ""
    codes: tuple[str, ...] = ()
    none_of: tuple[StatusId, ...] = ()
    or_abated: bool = False
    running: bool = False
    not_local: LocalUse | None = None
    unless_said: SaidNotGiven | None = None
    or_said: SaidNotGiven | None = None

    @model_validator(mode="after")
    def _one_way(self) -> StatusSet:
        if bool(self.element and self.codes) == bool(self.none_of):
            raise ValueError("expected an element with codes, or noneOf")
        return self


class ResultReading(Model):
    """How a result is read: value sets that say yes and no; what one that says both means. Other words say neither.

    `nothing` are value sets of answers that nobody gave: they are no answer, and nothing to be understood. A result
    that is one of `yes_signs` or `no_signs` and nothing else ("+") says that. With `over_limit` a number above the
    upper limit of its own reference range says yes, and one within it no. `flag` also reads a value that is true or
    false; `unclear` says in words that a record gives no answer.
    """

    title: str
    yes: ValueSets
    no: ValueSets
    nothing: ValueSets = ()
    yes_signs: tuple[str, ...] = ()
    no_signs: tuple[str, ...] = ()
    over_limit: bool = False
    both: Literal["yes", "unknown"]
    flag: bool = False
    unclear: str = "gives no clear answer"


class SetAside(Model):
    """What an order for that very use does not count: concepts in a value set and in none of others."""

    orders: KindId
    fact: FactId
    is_: Annotated[str, Field(alias="is")]
    in_: Annotated[ValueSets, Field(alias="in")]
    not_in: ValueSets = ()


class Puzzled(Model):
    """What leaves a selection open: records of its query in its statuses, and in none of `unless`, that nobody
    understood (or that are `in` a value set of words which may mean it), dated within `within` or not at all. Without
    a window of its own that of the selection counts. An allergy that names nothing but `nameless` is open too, unless
    its notes name one of `named_by`. What says one of `elsewhere` is another kind of record. A record that only `notIn`
    of its selection keeps out is open where a code names it, or its words say one of `kept_out_but`; by `itself` so is
    what says neither the thing itself nor something else."""

    within: Window | None = None
    unless: Statuses | None = None
    in_: Annotated[ValueSets | None, Field(alias="in")] = None
    elsewhere: ValueSets | None = None
    nameless: ValueSetId | None = None
    named_by: ValueSets | None = None
    kept_out_but: ValueSets | None = None


class Meant(Model):
    """How a record must say what it says: for certain (`said`) or only in doubt; either, without `sense`. A code alone
    is said. Words that name a year which ended longer ago than `yearOver` are past. `contradicted: doubts` where words
    beside a code of something else are a doubt. So is a code whose words do no more than doubt or deny `hedgedBy`."""

    sense: Literal["said", "doubted"] | None = None
    year_over: Window | None = None
    contradicted: Literal["doubts"] | None = None
    hedged_by: ValueSets | None = None


class OnlyReactions(Model):
    """Allergies whose reactions are all `only` these: words `beside` them name no reaction; one of `never`, also in a
    note, one of `severe`, high criticality, or, unless they count `howeverSevere`, a severe one is another."""

    only: ValueSetId
    beside: ValueSetId
    never: ValueSets
    severe: ValueSetId
    however_severe: bool = False


class OnlyTolerated(Model):
    """Left out is an allergy whose words name the substances of `in` only as borne: in a clause that says `by`, or
    before one that says nothing else; or a clause that names them and says one of `alone`, and nothing else. No word of
    `never` stands in it or after it, but in a clause about `others`."""

    by: ValueSetId
    alone: ValueSetId
    never: ValueSets
    others: ValueSets


class Itself(Model):
    """Records that say the thing itself by a code, by one of `named`, by words that it was `done`, or by its name
    beside nothing but remarks (`beside`). What says one of `around` in the clause with the name, or before it, or one
    of `aims` before the name, is something else, as is what names anything else that is recognised. `joins` begin a
    clause. The rest is open, where the selection is `puzzled`."""

    named: ValueSets
    done: ValueSetId
    around: ValueSets
    aims: ValueSetId
    joins: ValueSetId
    beside: ValueSets


class After(Model):
    """Begun after the first of some records no older than `within`; one of no date may have begun before it."""

    of: RecordsId
    within: Window


class NamesResult(Model):
    """Results of which one, the record's own or a part's, says one of `in` for certain, while neither they nor the name
    of the record or its specimen says one of `notIn`."""

    in_: Annotated[ValueSets, Field(alias="in")]
    not_in: ValueSets


class Where(Model):
    """What another fact must say for the records to count; where it is unknown, they are a doubt."""

    fact: FactId
    is_: Annotated[bool, Field(alias="is")]


class Selection(Model):
    """Records of a query, or of other named records, that fit every member that is written. A reason that also says one
    of `reasonDoubtedBy` is in doubt. What a code says is in `notCodedAs` is none of `in` by its words alone. With
    `unanswered` the records that nobody understood since the newest answer are drawn, and not the answers."""

    from_: Annotated[SourceId, Field(alias="from")]
    in_: Annotated[ValueSets | None, Field(alias="in")] = None
    in_each: ValueSets | None = None
    not_in: ValueSets | None = None
    not_beside: ValueSets | None = None
    not_coded_as: ValueSets | None = None
    itself: Itself | None = None
    beside: ValueSets | None = None
    meant: Meant | None = None
    past: Literal["counts"] | None = None
    notes_under: ValueSetId | None = None
    specimen: ValueSetId | None = None
    reason: ValueSets | None = None
    reason_sense: Literal["said", "doubted"] | None = None
    reason_doubted_by: ValueSets | None = None
    unreasoned: Literal["only"] | None = None
    not_understood: Literal["only"] | None = None
    status: Statuses | None = None
    unless: Statuses | None = None
    within: Window | None = None
    beyond: Window | None = None
    ended_within: Window | None = None
    after: After | None = None
    this_encounter: Literal["counts"] | None = None
    dated: Literal["past"] | None = None
    undated: Literal["counts", "unknown"] | None = None
    puzzled: Puzzled | None = None
    unsure: StatusId | None = None
    drafts: Literal["left-out", "only"] | None = None
    severe: ValueSetId | None = None
    reactions: OnlyReactions | None = None
    tolerated: OnlyTolerated | None = None
    told_before: FactId | None = None
    except_: Annotated[RecordsId | None, Field(alias="except")] = None
    set_aside: SetAside | None = None
    where: Where | None = None
    names_result: NamesResult | None = None
    growth: Growth | None = None
    standing: Standing | None = None
    newest_answer: ResultId | None = None
    unanswered: Literal["only"] | None = None
    tell: Literal["result", "last"] | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> Selection:
        if self.undated and not self.within:
            raise ValueError("undated needs within beside it")
        if self.this_encounter and not (self.within or self.beyond):
            raise ValueError("thisEncounter needs within or beyond beside it")
        if self.reason_sense and not self.reason:
            raise ValueError("reasonSense needs reason beside it")
        if self.reason_doubted_by and not self.reason_sense:
            raise ValueError("reasonDoubtedBy needs reasonSense beside it")
        if (self.meant or self.not_coded_as) and not self.in_:
            raise ValueError("meant and notCodedAs need in beside them")
        if self.unanswered and not self.newest_answer:
            raise ValueError("unanswered needs newestAnswer beside it")
        if (self.tolerated or self.itself) and not self.in_:
            raise ValueError("tolerated and itself need in beside them")
        if self.within and self.beyond:
            raise ValueError("expected within or beyond, not both")
        return self


class Measured(Model):
    """Observations of one kind with a number, none older than `within`."""

    from_: Annotated[QueryId, Field(alias="from")]
    in_: Annotated[ValueSets, Field(alias="in")]
    status: StatusId
    within: Window


class MeasuredIn(Measured):
    """The same, read in the units of an analyte."""

    analyte: AnalyteId


class Since(Model):
    """Named records, and how long ago one may have been; those `among` which they are found may be one without a time.

    `event` and `record` are how cards call what happened and a record of it.
    """

    event: str
    record: str
    of: RecordsId
    among: RecordsId
    within: Window


class GradeSource(Model):
    """A documented grade of a scale, none older than `within`."""

    from_: Annotated[QueryId, Field(alias="from")]
    scale: ScaleId
    within: Window


class DailyDose(Model):
    """Active orders of a drug; statements and drugs given within `within` tell of doses that no order says."""

    requests: QueryId
    ordered: StatusId
    statements: QueryId
    stated: StatusId
    administrations: QueryId
    given: StatusId
    in_: Annotated[ValueSetId, Field(alias="in")]
    within: Window
    analyte: AnalyteId


class DosedDrafts(Model):
    """Drafts of a kind that the service doses; where they say an amount per kilogram, this weight counts."""

    orders: KindId
    weight: FactId


class DraftDose(Model):
    """Drafts of a kind that the service doses, against its daily maximum for this age and weight."""

    orders: KindId
    child: FactId
    weight: FactId


class LabelSize(Model):
    """The youngest age (in months) and the lowest weight that a label names."""

    child: FactId
    weight: FactId
    patient: QueryId
    months: Threshold
    kilograms: Threshold


class Age(Model):
    """The age limit under which the patient is a child."""

    patient: QueryId
    limit: Threshold


class Scope(Model):
    """Another fact, which an order for a use that no pathway answers makes false."""

    fact: FactId
    use: FactId
