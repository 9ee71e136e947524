"""When something happened, and whether that is recent enough: the newest of some named records."""

from __future__ import annotations

from datetime import datetime

from cds_service.chart.resource import Resource
from cds_service.facts.exists import Find, queries_of, unresolved_drugs
from cds_service.facts.model import Fact, Facts, Reading, refs, unknown
from cds_service.facts.select import Drawn, Selections
from cds_service.knowledge.model import Since


class _Happened:
    """Both facts of one `Since`, resolved."""

    def __init__(self, since: Since, select: Selections) -> None:
        self.since = since
        self.hours = select.windows[since.within]
        self._among = select.records[since.among]
        self._queries, self._drugs = queries_of((since.among,), select)

    def recent(self, name: str, reading: Reading, known: Facts) -> Fact:
        """Whether the newest record is recent enough."""
        dated = happenings(self.since.of, reading)
        drawn, undated = self._rest(reading, known)
        if dated and (coarse := self._coarse(dated[-1], reading)):
            return unknown(name, coarse, sources=refs(dated), unusable=drawn.unusable)
        if dated and dated[-1].when is not None:
            newest = dated[-1]
            is_recent = _days(dated[-1].when.start, reading) * 24 <= self.hours
            if is_recent or not undated:
                when, text = dated[-1].when.start, newest.concept.label
                fact = Fact(name, is_recent, as_of=when, sources=refs(dated), text=text)
                return fact if is_recent else self._unless_gaps(reading, fact, drawn)
        if undated or drawn.unusable:
            told = f"a {self.since.event} is recorded without a usable time"
            why = told if undated else f"a {self.since.record} could not be used"
            return unknown(name, why, sources=refs(undated), unusable=drawn.unusable)
        return self._unless_gaps(reading, Fact(name, False), drawn)

    def days(self, name: str, reading: Reading, known: Facts) -> Fact:
        """Whole days since the newest record."""
        dated = happenings(self.since.of, reading)
        if not dated or dated[-1].when is None:
            return unknown(name, f"no dated {self.since.event}")
        if coarse := self._coarse(dated[-1], reading):
            return unknown(name, coarse, sources=refs(dated))
        start = dated[-1].when.start
        days = _days(start, reading)
        if days * 24 > self.hours and self._rest(reading, known)[1]:
            return unknown(name, f"no dated {self.since.event}")
        return Fact(name, max(days, 0), "d", start, (dated[-1].ref,))

    def _rest(self, reading: Reading, known: Facts) -> tuple[Drawn, list[Resource]]:
        """All records, and those that may be one: no time or another status leaves it open, the future is a plan."""
        drawn = self._among(reading, known)
        counted = {id(r) for r in happenings(self.since.of, reading)}
        undated = [r for r in drawn.found if id(r) not in counted and self._may_be(r, reading)]
        return drawn, undated

    def _may_be(self, record: Resource, reading: Reading) -> bool:
        return record.when is None or reading.past(record)

    def _coarse(self, newest: Resource, reading: Reading) -> str:
        """Why a date that may be in or out of the window does not tell; "" where it does."""
        if newest.when is None or _days(newest.when.start, reading) * 24 <= self.hours:
            return ""
        latest = _days(min(newest.when.end, reading.now), reading)
        if latest * 24 > self.hours:
            return ""
        return f"the date of the {self.since.event} ({newest.when.start:%Y-%m}) is too coarse to tell"

    def _unless_gaps(self, reading: Reading, fact: Fact, drawn: Drawn) -> Fact:
        """A "no" needs complete reads that were understood: it may have happened on the page that was not read."""
        bad = drawn.unusable
        lost = unresolved_drugs(reading, self._drugs, reach=tuple((query, self.hours) for query in self._drugs))
        gaps = (*reading.chart.gaps(self._queries), *lost, *drawn.doubts)
        if bad or gaps:
            why = "; ".join(gaps) or f"a {self.since.record} could not be used"
            return unknown(fact.name, why, unusable=bad)
        return fact


def happened(name: str, since: Since, select: Selections) -> Find:
    """Whether the newest of some records is recent enough."""
    resolved = _Happened(since, select)
    return lambda reading, known: resolved.recent(name, reading, known)


def days_since(name: str, since: Since, select: Selections) -> Find:
    """Whole days since the newest of some records."""
    resolved = _Happened(since, select)
    return lambda reading, known: resolved.days(name, reading, known)


def happenings(records: str, reading: Reading) -> list[Resource]:
    """The records of a named set by time, oldest first."""

    def find() -> list[Resource]:
        found = reading.select.records[records](reading, {}).found
        return sorted(found, key=lambda r: r.when.start if r.when else reading.now)

    return reading.once(("happenings", records), find)


def last_at(records: str, reading: Reading) -> datetime | None:
    """When the newest record of a named set began."""
    found = happenings(records, reading)
    return found[-1].when.start if found and found[-1].when else None


def _days(moment: datetime, reading: Reading) -> int:
    return int((reading.now - moment).total_seconds() // 86400)
