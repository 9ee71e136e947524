"""Which drugs are among the unsigned orders, and which orders are of another patient or of a drug that is not known."""

from __future__ import annotations

from cds_service.chart.resource import Resource
from cds_service.chart.validation import is_resource_type
from cds_service.chart.vocabulary import Matcher
from cds_service.facts.exists import Find
from cds_service.facts.model import Fact, Facts, Reading, refs, unknown
from cds_service.facts.order import UNRESOLVED, Draft, is_unwritten
from cds_service.facts.puzzles import shown
from cds_service.facts.select import Selections


def drafted(name: str, value_set: str, select: Selections) -> Find:
    """A drug of the value set among the unsigned orders of this session."""
    matcher = select.terms[value_set]

    def find(reading: Reading, known: Facts) -> Fact:
        found = [d.resource for d in reading.order.drafts if d.resource.matches(matcher)]
        if not found and reading.order.unresolved:
            return unknown(name, f"drug not resolved in the draft {', '.join(reading.order.unresolved)}")
        text = "; ".join(dict.fromkeys(r.concept.label for r in found))
        return Fact(name, bool(found), sources=refs(found), text=text)

    return find


def drafts_of(name: str, kind: str) -> Find:
    """Whether there is a draft of this kind for the patient of the call."""

    def find(reading: Reading, known: Facts) -> Fact:
        sources = tuple(d.resource.ref for d in _own(kind, reading))
        return Fact(name, bool(sources), sources=sources)

    return find


def count_of(name: str, kind: str, unit: str) -> Find:
    """How many drafts of this kind there are for the patient of the call."""

    def find(reading: Reading, known: Facts) -> Fact:
        sources = tuple(d.resource.ref for d in _own(kind, reading))
        return Fact(name, len(sources), unit, sources=sources)

    return find


def drafts(name: str, which: str, select: Selections) -> Find:
    """Whether a draft is of another patient (`another-patient`), or of a drug that is not understood."""
    any_set = next(iter(select.terms.values()))

    def of_another(reading: Reading, known: Facts) -> Fact:
        ours = ("", reading.chart.patient_id)
        foreign = [d.resource.ref for d in reading.order.drafts if d.resource.patient_id not in ours]
        why = "its subject is not the patient of this call"
        return Fact(name, bool(foreign), sources=tuple(foreign), text=why if foreign else "")

    def unresolved(reading: Reading, known: Facts) -> Fact:
        lost = reading.order.unresolved
        return Fact(
            name,
            bool(lost),
            sources=lost,
            text="; ".join(_told(d.resource, any_set) for d in reading.order.of_kind(UNRESOLVED)),
        )

    return of_another if which == "another-patient" else unresolved


def _told(draft: Resource, any_set: Matcher) -> str:
    if draft.unresolved:
        return "its Medication is only referred to, and was neither sent nor could be read"
    if not is_resource_type(draft.type):
        return "it is no order of FHIR R4, so nobody can tell what it orders"
    if draft.concept.empty and not is_unwritten(draft):
        return "what stands in it for the drug cannot be read"
    return f"its drug is not understood: {shown(draft.concept)} ({any_set.recognised(draft.concept).puzzle})"


def _own(kind: str, reading: Reading) -> tuple[Draft, ...]:
    ours = ("", reading.chart.patient_id)
    return tuple(d for d in reading.order.of_kind(kind) if d.resource.patient_id in ours)
