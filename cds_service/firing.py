"""Rules that fire more or less often than they did: the last seven days against the four weeks before them.

A rule that stops firing is seen by nobody, and one that fires for everybody is soon read by nobody; most of what goes
wrong with rules shows in their rate first. Whether a rule fired is what the records say (`flags`), whatever was shown.

What is counted is patients and weeks: of those about whom a rule was asked in a week, the share for whom its finding
held at least once. Calls are not counted: an order that is edited asks ten times, and would make ten of one. The two
shares are compared by Fisher's exact test, both sides, times the number of rules compared (Bonferroni). A rule is named
where that is below 1 in 100, the odds have at least doubled or halved, and there are enough patients: `LEAST_...`.
Patients who stay are in several weeks before, so that their weeks are not quite independent; the doubled odds and the
1 in 100 leave room for that.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from threading import Lock, Thread
from typing import Final, Literal

import msgspec

from cds_service.errors import StoreError

log = logging.getLogger(__name__)
WEEK: Final = 7
WEEKS_BEFORE: Final = 4
LEAST_NOW: Final = 10  # patients asked about in the last seven days
LEAST_BEFORE: Final = 40  # the same in the four weeks before, counted once a week
LEAST_FIRED: Final = 5  # of which in the last week so many fired, or would have at the earlier rate
LEAST_ODDS: Final = 2.0
MOST_CHANCE: Final = 0.01
_LATE: Final = timedelta(minutes=10)  # records are written behind the call: a day is over when they are
_AGAIN: Final = timedelta(minutes=5)

# (hook, occasion) -> the rules that are asked there.
Asked = Mapping[tuple[str, str], frozenset[str]]
# The records of a time, as JSON, in their order.
Records = Callable[[datetime, datetime], Iterable[str]]


@dataclass(slots=True)
class _Seen:
    """One patient in some time: where rules were asked, and which findings held."""

    asked: set[tuple[str, str]] = field(default_factory=set)
    fired: set[str] = field(default_factory=set)


Day = Mapping[str, _Seen]  # by the hash that stands for a patient


@dataclass(frozen=True, slots=True)
class Rate:
    """Of `asked` patients (counted once a week) so many `fired`."""

    fired: int
    asked: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """One rule's rates; `chance` is how likely a difference like this is where nothing changed, in one of all rules."""

    rule: str
    now: Rate
    before: Rate
    chance: float
    odds: float

    @property
    def change(self) -> Literal["more", "less", ""]:
        """In which direction the rate changed; "" where it did not."""
        if self.chance >= MOST_CHANCE or 1 / LEAST_ODDS < self.odds < LEAST_ODDS:
            return ""
        return "more" if self.odds > 1 else "less"


# ---------------------------------------------------------------- what the records say


class _Order(msgspec.Struct):
    occasion: str
    flags: tuple[str, ...] = ()
    trouble: str = ""


class _Record(msgspec.Struct):
    kind: str
    at: str
    hook: str = ""
    patient: str = ""
    orders: tuple[_Order, ...] = ()


_DECODER: Final = msgspec.json.Decoder(_Record)


def days_of(records: Iterable[str]) -> dict[date, dict[str, _Seen]]:
    """The patients of some records, by day (UTC). Where the rules could not be evaluated, nothing was asked."""
    found: dict[date, dict[str, _Seen]] = {}
    for text in records:
        record = _DECODER.decode(text)
        for order in record.orders if record.kind == "answer" else ():
            if not order.trouble:
                day = found.setdefault(date.fromisoformat(record.at[:10]), {})
                seen = day.setdefault(record.patient, _Seen())
                seen.asked.add((record.hook, order.occasion))
                seen.fired.update(order.flags)
    return found


# ---------------------------------------------------------------- the statistic


def compared(days: Mapping[date, Day], asked: Asked, today: date) -> list[Comparison]:
    """Every rule of which there are enough patients; `today` itself does not count. By their id."""
    weeks = [_rates(_week(days, today - timedelta(days=WEEK * back)), asked) for back in range(WEEKS_BEFORE + 1)]
    pairs = {
        rule: (now, _sum(week.get(rule, Rate(0, 0)) for week in weeks[1:])) for rule, now in sorted(weeks[0].items())
    }
    enough = {rule: pair for rule, pair in pairs.items() if _enough(*pair)}
    return [
        Comparison(rule, now, before, min(1.0, _chance(now, before) * len(enough)), _odds(now, before))
        for rule, (now, before) in enough.items()
    ]


def _week(days: Mapping[date, Day], end: date) -> Iterable[_Seen]:
    """The patients of the seven days before a day, each once."""
    found: dict[str, _Seen] = {}
    for back in range(1, WEEK + 1):
        for patient, seen in days.get(end - timedelta(days=back), {}).items():
            whole = found.setdefault(patient, _Seen())
            whole.asked |= seen.asked
            whole.fired |= seen.fired
    return found.values()


def _rates(patients: Iterable[_Seen], asked: Asked) -> dict[str, Rate]:
    counts: dict[str, list[int]] = {}
    for seen in patients:
        rules = frozenset[str]().union(*(asked.get(place, frozenset()) for place in seen.asked))
        for rule in rules:
            count = counts.setdefault(rule, [0, 0])
            count[0] += rule in seen.fired
            count[1] += 1
    return {rule: Rate(*count) for rule, count in counts.items()}


def _sum(rates: Iterable[Rate]) -> Rate:
    told = list(rates)
    return Rate(sum(rate.fired for rate in told), sum(rate.asked for rate in told))


def _enough(now: Rate, before: Rate) -> bool:
    if now.asked < LEAST_NOW or before.asked < LEAST_BEFORE:
        return False
    return max(now.fired, now.asked * before.fired / before.asked) >= LEAST_FIRED


def _odds(now: Rate, before: Rate) -> float:
    """How the odds compare; a half is added to each count, so that none is divided by nothing."""
    return ((now.fired + 0.5) * (before.asked - before.fired + 0.5)) / (
        (now.asked - now.fired + 0.5) * (before.fired + 0.5)
    )


def _chance(now: Rate, before: Rate) -> float:
    """Fisher's exact test: twice the smaller tail of the hypergeometric distribution, 1 at most."""
    fired, asked = now.fired + before.fired, now.asked + before.asked
    least, most = max(0, fired - before.asked), min(fired, now.asked)

    def tail(counts: Iterable[int]) -> float:
        return math.fsum(math.exp(_ways(now.asked, k) + _ways(before.asked, fired - k) - whole) for k in counts)

    whole = _ways(asked, fired)
    return min(1.0, 2 * min(tail(range(least, now.fired + 1)), tail(range(now.fired, most + 1))))


def _ways(of: int, some: int) -> float:
    """The logarithm of the number of ways to choose some."""
    return math.lgamma(of + 1) - math.lgamma(some + 1) - math.lgamma(of - some + 1)


# ---------------------------------------------------------------- kept up to date


def newest(
    records: Records, asked: Asked, today: date, known: Mapping[date, Day] | None = None
) -> tuple[Mapping[date, Day], list[Comparison]]:
    """The days that count for `today`, and the comparison; days that are `known` are not read again. Raises StoreError
    where `records` does."""
    wanted = [today - timedelta(days=back) for back in range(WEEK * (WEEKS_BEFORE + 1), 0, -1)]
    days = {day: known[day] for day in wanted if known and day in known}
    if left := [day for day in wanted if day not in days]:
        since, until = (datetime.combine(day, time(), UTC) for day in (left[0], left[-1] + timedelta(days=1)))
        found = days_of(records(since, until))  # in one pass: records have no index by time
        days |= {day: found.get(day, {}) for day in left}
    return days, compared(days, asked, today)


class Watch:
    """The comparison of the newest whole day, for a process that is asked again and again. Safe under threads.

    Each day is read once, when it is over, in the background: whoever asks gets what is known, at once.
    """

    def __init__(self, records: Records, asked: Asked) -> None:
        """`records` may raise StoreError: then it is asked again some minutes later."""
        self._records, self._asked = records, asked
        self._days: Mapping[date, Day] = {}
        self._found: Sequence[Comparison] = ()
        self._of: date | None = None
        self._not_before = datetime.min.replace(tzinfo=UTC)
        self._lock = Lock()
        self._thread: Thread | None = None

    def found(self, now: datetime) -> Sequence[Comparison]:
        """What is known now; where a day is over that was not looked at, that begins."""
        today = (now - _LATE).date()
        with self._lock:
            if self._of != today and now >= self._not_before and (self._thread is None or not self._thread.is_alive()):
                self._not_before = now + _AGAIN
                self._thread = Thread(target=self._look, args=(today,), name="firing-watch", daemon=True)
                self._thread.start()
            return self._found

    def wait(self) -> None:
        """Until what was begun has ended."""
        if self._thread is not None:
            self._thread.join()

    def _look(self, today: date) -> None:
        try:
            days, found = newest(self._records, self._asked, today, self._days)
        except StoreError as error:
            log.warning("how often rules fire could not be looked at: %s", error)
            return
        for each in found:
            if each.change:
                log.warning("rule %s fires %s often than in the weeks before", each.rule, each.change)
        with self._lock:
            self._days, self._found, self._of = days, found, today


def samples(found: Iterable[Comparison]) -> Iterator[tuple[Mapping[str, str], float]]:
    """For a gauge: (labels, value) of each rule that could be compared: 1 where it fires more often than before, -1
    less often, 0 where its rate did not change."""
    values = {"more": 1.0, "less": -1.0, "": 0.0}
    yield from (({"rule": each.rule}, values[each.change]) for each in found)
