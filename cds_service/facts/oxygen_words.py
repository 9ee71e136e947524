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
    """Of words that say room air or two devices, what is left without the clauses that name a device as taken off: "off
    HFNC, now NC 4 L/min"; all of others."""
    air, off = reading.terms[given.room_air], reading.terms[given.off]
    if found.codes or not off.matches(found):
        return found
    clauses = clauses_of(words_of(found))
    kept = [c for c in clauses if not (off.matches(c) and device_of(given, c, reading))]
    if not (air.matches(found) or any(device_of(given, c, reading) for c in kept)):
        return found
    return concept({"text": "; ".join(c.written.text for c in kept) or air.phrase})
