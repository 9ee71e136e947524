"""Which records began after something happened: by when they began, else by when they were written down."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from cds_service.chart.resource import Resource
from cds_service.facts.model import Reading
from cds_service.knowledge.model import After

_STATED = ("onsetDateTime", "onsetPeriod")
# The records that began after it, and a line for each that may have.
Begun = Callable[[Iterable[Resource], Reading], tuple[list[Resource], list[str]]]


def begun_after(after: After, hours: float, queries: tuple[str, ...]) -> Begun:
    """Of several happenings no older than `hours` the first counts: one may be charted twice. Where not all of them
    are known, for what was read of `queries`, a record may have followed one of the others."""

    def begun(records: Iterable[Resource], reading: Reading) -> tuple[list[Resource], list[str]]:
        drawn = reading.select.records[after.of](reading, {})
        happened = [r.when for r in drawn.found if r.when is not None]
        unread = "; ".join((*reading.chart.gaps(queries), *drawn.doubts))
        # As the scope counts: in whole days.
        moments = [when.start for when in happened if reading.hours_since(when.start) // 24 * 24 <= hours]
        found: list[Resource] = []
        doubts: list[str] = []
        for record in records if moments or unread else ():
            if record.when is None:
                doubts.append(f"{record.ref} has no usable date")
            elif moments and record.when.start >= min(moments):
                found.append(record)
            elif unread:
                doubts.append(f"what {record.ref} followed is not known: {unread}")
            elif record.when.end >= min(moments):
                doubts.append(f"the date of {record.ref} is too coarse to tell what it followed")
        return found, doubts

    return begun


def as_dated(record: Resource) -> str:
    """What a record is about, and whether it says when it began."""
    stated = any(record.time(element) is not None for element in _STATED)
    return record.concept.label if stated else f"{record.concept.label}, onset not stated"
