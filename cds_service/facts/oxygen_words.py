"""Which device words name as one in use: "nasal cannula off, room air" names none."""

from __future__ import annotations

from cds_service.chart.vocabulary import Concept, clauses_of, concept
from cds_service.facts.model import Reading
from cds_service.facts.observed import words_of
from cds_service.knowledge.model import Device, Oxygen


def device_of(given: Oxygen, found: Concept, reading: Reading) -> Device | None:
    """The first of the table that a concept is in."""
    return next((device for device in given.devices if reading.terms[device.in_].matches(found)), None)


def in_use(given: Oxygen, found: Concept, reading: Reading) -> Concept:
    """Of words that say room air, what is left without the clauses that name a device as taken off; all of others."""
    air, off = reading.terms[given.room_air], reading.terms[given.off]
    if found.codes or not (air.matches(found) and off.matches(found)):
        return found
    clauses = clauses_of(words_of(found))
    kept = [c.written.text for c in clauses if not (off.matches(c) and device_of(given, c, reading))]
    return concept({"text": "; ".join(kept) or air.phrase})
