"""The truth of courses made by hand, by the lines of the clinical policy: proven apart from any service."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest

from cds_service.tools.synth.course import (
    DAY,
    HOUR,
    Allergy,
    Course,
    Culture,
    Dose,
    Grading,
    Lab,
    Order,
    Person,
    Problem,
    Running,
    SignSet,
)
from cds_service.tools.synth.orders import Draft
from cds_service.tools.synth.policy import policy
from cds_service.tools.synth.verdict import verdict

NOW = 96 * HOUR
PLAIN = Draft("order-select", None, None, "", False)
REGIMEN = Draft("order-sign", 100, 12, "subcutaneous", False)
ZERO = datetime(2026, 1, 1, tzinfo=UTC)
ADULT = Person("p", 0, False, 52, date(1973, 1, 1), False, 75, "axi-cel", "lymphoma", ZERO, -6 * DAY)
CHILD = replace(ADULT, child=True, age=9, weight=30.0)


def toci(*hours_ago: float) -> tuple[Dose, ...]:
    times = [NOW - round(ago * HOUR) for ago in hours_ago]
    return tuple(Dose("tocilizumab", at, at, 600, "intravenous") for at in times)


def signs(systolic: int = 82, device: str = "", temperature: float = 38.8) -> tuple[SignSet, ...]:
    times = (NOW - 5 * HOUR, NOW - 2 * HOUR, NOW - HOUR)
    return tuple(SignSet(at, temperature, systolic, 50, 96, device, 2 if device else 0) for at in times)


def grade(number: int, hours_ago: float = 4, since: float = 30) -> tuple[Grading, ...]:
    return (Grading(NOW - round(hours_ago * HOUR), number, NOW - round(since * HOUR), NOW + DAY),)


def documented(number: int) -> tuple[Grading, ...]:
    """The same grade from before the doses until now, written again not long ago."""
    first = NOW - 30 * HOUR
    return (Grading(first, number, first, NOW - 4 * HOUR), Grading(NOW - 4 * HOUR, number, first, NOW + DAY))


# Policy 5, the base case: grade 2 for 30 h, doses 20 h and 10 h ago, clearance of about 100.
BASE = Course(
    person=ADULT,
    plot="by hand",
    stays=((-6 * DAY, 20 * DAY),),
    stretches=(),
    gradings=documented(2),
    neuro=(),
    doses=toci(20, 10),
    running=(),
    orders=(),
    signs=signs(),
    labs=(Lab("creatinine", NOW - 6 * HOUR, 0.9),),
    weights=(Lab("weight", NOW - DAY, 75),),
    ice=(),
    cultures=(),
    problems=(),
    allergies=(),
    pregnant=None,
)
KLEBSIELLA = Culture(NOW - 20 * HOUR, NOW - 4 * HOUR, "klebsiella")
CLEARED = (
    Culture(NOW - 90 * HOUR, NOW - 80 * HOUR, "klebsiella"),
    Culture(NOW - 70 * HOUR, NOW - 20 * HOUR, ""),
    Culture(NOW - 46 * HOUR, NOW - HOUR, ""),
)
NORMAL, MASK = signs(systolic=120), signs(systolic=120, device="reservoir-mask")
PRESSOR = (Running("norepinephrine", NOW - 20 * HOUR, NOW + DAY),)
SEPSIS = Problem("sepsis", NOW - DAY, NOW - DAY)
OLD_WEIGHT = Lab("weight", NOW - 9 * DAY, 30)
IEC_HS: dict[str, Any] = {"problems": (Problem("iec-hs", NOW - HOUR, NOW - HOUR),)}
QUIET: dict[str, Any] = {"gradings": (), "doses": (), "signs": signs(systolic=120, temperature=36.8)}

CASES: list[tuple[str, dict[str, Any], Draft, set[str]]] = [
    ("V01: two doses, the last 10 h ago", {}, PLAIN, {"suggest"}),
    ("order-ok: the same as a permitted draft", {}, REGIMEN, {"order-ok"}),
    ("V44: no frequency at signing", {}, replace(REGIMEN, hours=None), {"insufficient-data"}),
    ("V41: 800 mg a day", {}, replace(REGIMEN, mg=200, hours=6), {"order-exceeds-max"}),
    ("V03: one dose", {"doses": toci(10)}, PLAIN, {"not-indicated"}),
    ("V06: exactly 8 h", {"doses": toci(16, 8)}, PLAIN, {"suggest"}),
    ("R-TOCI: 7.9 h", {"doses": toci(16, 7.9)}, PLAIN, {"wait"}),
    ("V02: grade 1", {"gradings": documented(1), "signs": NORMAL}, PLAIN, {"not-indicated"}),
    ("3.1: derived higher", {"gradings": documented(1)}, PLAIN, {"review"}),
    ("C4: documented 2 not long ago, derived 1", {"signs": NORMAL}, PLAIN, {"suggest"}),
    ("C2: documented 2, 20 h old, derived 1", {"gradings": grade(2, 20), "signs": NORMAL}, PLAIN, {"review"}),
    ("C2: documented 2, 20 h old, no signs", {"gradings": grade(2, 20), "signs": ()}, PLAIN, {"insufficient-data"}),
    ("E3: one dose at grade 3", {"gradings": documented(3), "running": PRESSOR, "doses": toci(10)}, PLAIN, {"review"}),
    ("0: at grade 3 the mild regimen is none", {"gradings": documented(3), "signs": MASK}, REGIMEN, {"suggest"}),
    ("V37: clearance 29", {"labs": (Lab("creatinine", NOW - 6 * HOUR, 3.4),)}, PLAIN, {"suggest-reduced"}),
    ("V18: Klebsiella", {"cultures": (KLEBSIELLA,)}, PLAIN, {"block"}),
    ("V18 before its result", {"cultures": (replace(KLEBSIELLA, resulted=NOW + HOUR),)}, PLAIN, {"suggest"}),
    ("I4: cleared not long ago", {"cultures": CLEARED}, PLAIN, {"review"}),
    ("I4: one negative does not clear", {"cultures": CLEARED[:2]}, PLAIN, {"block"}),
    ("I3: a commensal in one set", {"cultures": (replace(KLEBSIELLA, organism="s-epidermidis"),)}, PLAIN, {"review"}),
    ("V20: sepsis refuted", {"problems": (replace(SEPSIS, refuted=True),)}, PLAIN, {"suggest"}),
    ("other infection", {"problems": (replace(SEPSIS, name="urinary-infection"),)}, PLAIN, {"block"}),
    ("V22: E. coli protein", {"allergies": (Allergy("ecoli-protein", -DAY),)}, PLAIN, {"block"}),
    ("V23: refuted", {"allergies": (Allergy("ecoli-protein", -DAY, refuted=True),)}, PLAIN, {"suggest"}),
    ("V26: filgrastim", {"allergies": (Allergy("filgrastim", -DAY, anaphylaxis=True),)}, PLAIN, {"review"}),
    ("V55: pregnant", {"pregnant": True}, PLAIN, {"review"}),
    ("duplicate", {"orders": (Order("anakinra", NOW - 3 * HOUR, NOW + DAY, "crs"),)}, PLAIN, {"duplicate"}),
    ("V33: a child weighed 9 days ago", {"person": CHILD, "weights": (OLD_WEIGHT,)}, PLAIN, {"insufficient-data"}),
    ("V45: ICANS 3 without refractory CRS", QUIET | {"neuro": grade(3, 2)}, PLAIN, {"review"}),
    ("V47: IEC-HS", QUIET | IEC_HS, PLAIN, {"suggest"}),
    ("H3: IEC-HS of a child", QUIET | IEC_HS | {"person": CHILD}, PLAIN, {"review", "insufficient-data"}),
    ("no release", QUIET, PLAIN, {"not-indicated"}),
    ("no cells, no sign", QUIET | {"person": replace(ADULT, product="")}, PLAIN, {"no-card"}),
    ("S3: signs without cells", {"person": replace(ADULT, product="")}, PLAIN, {"not-indicated"}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "changes", "draft", "decisions"), CASES, ids=[case[0] for case in CASES])
def test_the_policy_line_by_line(name: str, changes: dict[str, Any], draft: Draft, decisions: set[str]) -> None:
    assert set(verdict(replace(BASE, **changes), NOW, draft, policy(), "us").decisions) == decisions, name


def test_a_site_whose_region_forbids_it() -> None:
    for draft in (PLAIN, REGIMEN):
        assert verdict(BASE, NOW, draft, policy(), "site-japanese").decisions == ["suggest-restricted"]


def test_day_0_and_late() -> None:
    early = replace(BASE, **QUIET | {"signs": (SignSet(HOUR, 36.8, 120, 70, 97, "", 0),)})
    assert verdict(early, 2 * HOUR, PLAIN, policy(), "us").decisions == ["investigational"]
    lupus = replace(early, person=replace(ADULT, disease="lupus"))
    assert verdict(lupus, 2 * HOUR, PLAIN, policy(), "us").decisions == ["not-recommended"]
    late = replace(BASE, gradings=(Grading(40 * DAY, 2, 40 * DAY, 45 * DAY),), doses=())
    assert verdict(late, 41 * DAY, PLAIN, policy(), "us").decisions == ["review"]
