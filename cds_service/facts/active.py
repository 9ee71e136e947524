"""The daily dose of a drug that is already active."""

from __future__ import annotations

from cds_service.chart.resource import Resource
from cds_service.facts.dosage import Amounts, dosage_of
from cds_service.facts.exists import Find
from cds_service.facts.model import Fact, Facts, Reading, refs, unknown
from cds_service.facts.select import Selections
from cds_service.facts.status import running_instructions
from cds_service.knowledge.model import DailyDose


def active_daily_dose(name: str, dose: DailyDose, unit: str, select: Selections) -> Find:
    """mg a day over the active orders of a value set; unknown where one of them does not say."""
    matcher, hours = select.terms[dose.in_], select.windows[dose.within]
    queries = (dose.requests, dose.administrations, dose.statements)

    def find(reading: Reading, known: Facts) -> Fact:
        chart = reading.chart

        def others(query: str, status: str) -> list[Resource]:
            return [r for r in reading.in_status(status, query, matcher) if not reading.of_draft(r)]

        orders = others(dose.requests, dose.ordered)
        if gaps := chart.gaps(queries):
            return unknown(name, "; ".join(gaps))
        amounts = Amounts(reading.units[dose.analyte])
        running = [{"dosageInstruction": running_instructions(r, reading.now)} for r in orders]
        ordered = [dosage_of(instructions, amounts, None) for instructions in running]
        for order, said in zip(orders, ordered, strict=True):
            if said.daily_mg is None:
                return unknown(name, f"{order.ref}: {said.why}", sources=refs(orders))
        doses = others(dose.administrations, dose.given)
        given = [
            *others(dose.statements, dose.stated),
            *(r for r in doses if r.when is None or reading.within(r, hours)),
        ]
        if given and not orders:
            return unknown(name, "given or stated, and no active order says the dose", sources=refs(given))
        return Fact(name, sum(d.daily_mg or 0.0 for d in ordered), unit, sources=refs(orders))

    return find
