"""Other toxicities as clinicians documented them: ICANS grade and IEC-HS. Neither is computed here."""

from __future__ import annotations

from collections.abc import Iterator

from cds_service.facts.declared import UNCONFIRMED, boolean, is_active
from cds_service.facts.graded import current_grade
from cds_service.facts.model import Fact, Facts, Reading, usable

GRADES = tuple((n, f"icans-grade-{n}") for n in range(1, 6))


def facts(reading: Reading, known: Facts) -> Iterator[Fact]:
    """`icans-grade` (0 where none is documented) and `iec-hs-confirmed`."""
    yield current_grade("icans-grade", GRADES, "icans", reading, "icans-grade-max-age", nothing=0)
    yield _iec_hs(reading)


def _iec_hs(reading: Reading) -> Fact:
    """Only a confirmed, active Condition counts: IEC-HS is a clinician's diagnosis."""
    matched = reading.chart.matching(("conditions",), reading.terms["hlh-iechs"])
    active = [r for r in matched if is_active(r, reading.now) and r.code("verificationStatus") not in UNCONFIRMED]
    found, bad = usable(active)
    return boolean("iec-hs-confirmed", found, reading.chart.gaps(("conditions",)), bad)
