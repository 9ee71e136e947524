"""What the result of a culture says, wherever it stands: value, interpretation, components, members, conclusion."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from cds_service.chart.resource import Resource
from cds_service.chart.vocabulary import Concept, Matcher, concept
from cds_service.facts.model import Reading
from cds_service.facts.observed import components_of
from cds_service.facts.result import NEGATIVE, POSITIVE, codes_of, value_of

Outcome = Literal["growth", "none", "pending", "unclear"]
Matchers = tuple[Matcher, ...]
_RESULTS: Final = ("Observation", "DiagnosticReport")


@dataclass(frozen=True, slots=True)
class Lab:
    """How results are read: what says that something grew, that nothing did, that it is to come, or nothing at all;
    `named` names what grew, and a `contaminant` is called one."""

    grew: Matchers
    named: Matchers
    nothing: Matchers
    pending: Matchers
    unreadable: Matchers
    contaminant: Matchers

    def outcome(self, culture: Resource, parts: tuple[Resource, ...]) -> Outcome:
        """What a culture and its parts say together. Growth beside a "no" of its own is unclear, unless its words name
        what grew: one of two bottles, or a report that was amended."""
        own = self._own(culture)
        others = [self._part(part) for part in parts]
        if own == "growth" or "growth" in others:
            grown = [culture, *(part for part, said in zip(parts, others, strict=True) if said == "growth")]
            return "growth" if self._is_sure(grown) or not self._is_doubted(culture, own, parts) else "unclear"
        unread = any(_any_said(said_of(part), self.unreadable) and not self._says_none(part) for part in parts)
        if own != "none" and unread:
            return "unclear"  # one of two bottles, of which nobody can read the other
        for said in (own, *others):
            if said in ("none", "pending"):
                return said
        return "pending" if culture.status == "registered" and not said_of(culture) else "unclear"

    def names(self, culture: Resource, parts: tuple[Resource, ...]) -> tuple[Concept, ...]:
        """What a culture or a part that says growth is called, where it names no organism otherwise: a row of a panel
        is a question ("S. epidermidis DNA"), and its result only "detected"."""
        grown = [culture] if self._own(culture) == "growth" else []
        grown += [part for part in parts if self._part(part) == "growth"]
        return tuple(each.concept for each in grown if not _any_said(said_of(each), self.named))

    def _is_sure(self, grown: list[Resource]) -> bool:
        """Whether an organism is named, and no code beside it says that nothing grew."""
        if any(codes_of(each) & NEGATIVE or each.raw.get("valueBoolean") is False for each in grown):
            return False
        told = [c for each in grown for c in (*said_of(each), each.concept)]
        return _any_said(told, self.named)

    def _is_doubted(self, culture: Resource, own: Outcome, parts: tuple[Resource, ...]) -> bool:
        """Whether the same result also says that nothing grew, or calls what it does not name a contaminant."""
        told = (*said_of(culture), *(c for part in parts for c in said_of(part)))
        return own == "none" or self._says_none(culture) or _any_said(told, self.contaminant)

    def _says_none(self, culture: Resource) -> bool:
        denied = bool(codes_of(culture) & NEGATIVE) or culture.raw.get("valueBoolean") is False
        return denied or _any_said(said_of(culture), self.nothing)

    def _says_growth(self, culture: Resource) -> bool:
        found, codes = said_of(culture), codes_of(culture)
        yes = (
            any(_said(c, self.grew) for c in found) or bool(codes & POSITIVE) or culture.raw.get("valueBoolean") is True
        )
        return yes or any(self._names_other(c) for c in _values(culture))

    def _own(self, culture: Resource) -> Outcome:
        """What its own value, interpretation or conclusion says; words that were understood name what grew."""
        if self._says_growth(culture):
            return "growth"
        return self._less(culture)

    def _part(self, part: Resource) -> Outcome:
        """What a component or a member says: an organism may be what it is called."""
        codes = codes_of(part)
        if any(_said(c, self.grew) for c in said_of(part)) or codes & POSITIVE:
            return "growth"
        found = self._less(part)
        return "growth" if found == "unclear" and not said_of(part) and _said(part.concept, self.grew) else found

    def _less(self, culture: Resource) -> Outcome:
        found = said_of(culture)
        denied = any(m.recognised(c).denies(m.id) for c in found for m in self.grew)
        no = any(_said(c, self.nothing) for c in found) or culture.raw.get("valueBoolean") is False
        if _any_said(found, (*self.unreadable, *self.contaminant)) and not no:
            return "unclear"
        if no or denied or codes_of(culture) & NEGATIVE:
            return "none"
        return "pending" if any(_said(c, self.pending) for c in found) else "unclear"

    def _names_other(self, value: Concept) -> bool:
        """Whether a coded result whose words no value set knows can only be what grew: a code is chosen, and codes of
        other results are few. Free words may say anything, such as that there is no result."""
        if not (value.text or value.displays):
            return False
        known = self.grew[0].recognised(value)
        told = (*self.grew, *self.nothing, *self.pending, *self.unreadable, *self.contaminant)
        if any(known.negates(m.id) for m in self.nothing):
            return True  # "not sterile"
        return bool(value.codes) and not known.puzzle and not any(m.id in known.meanings for m in told)


@dataclass(frozen=True, slots=True)
class Result:
    """A culture, its parts, and what they say together; `names` are what those that grew are called, where their
    results name nothing."""

    culture: Resource
    parts: tuple[Resource, ...]
    outcome: Outcome
    names: tuple[Concept, ...] = ()

    @property
    def said(self) -> tuple[Concept, ...]:
        """Everything that it says, its own first; what a part without a result is called, and what grew."""
        own = said_of(self.culture)
        return own + tuple(c for part in self.parts for c in said_of(part) or (part.concept,)) + self.names


def said_of(culture: Resource) -> tuple[Concept, ...]:
    """Every result that a culture, a part of one or a report states itself."""
    return culture.remember("said", _said_of)


def _said_of(culture: Resource) -> tuple[Concept, ...]:
    return tuple(found for found in (*_values(culture), *_concluded(culture)) if not found.empty)


def parts_of(culture: Resource, reading: Reading) -> tuple[Resource, ...]:
    """Its components, and the Observations that are its members: named by it, held in it, or derived from it."""
    by_ref, derived = reading.once("results", lambda: _index(reading))
    held = {f"#{c.get('id')}": Resource(c) for c in _listed(culture.raw, "contained")}
    named = [ref for element in ("hasMember", "result") for ref in _references(culture.raw, element)]
    members = [found for ref in named if (found := held.get(ref) or by_ref.get(_bare(ref))) is not None]
    members += derived.get(culture.ref, [])
    return tuple({id(r): r for r in (*components_of(culture), *members)}.values())


def naming(wanted: Matchers, never: Matchers) -> Callable[[Resource, Reading, object], bool]:
    """Whether a result, or a part of it, says one of some value sets for certain, and nothing about it one of others:
    neither what it says, nor what it or its specimen is called."""

    def names(culture: Resource, reading: Reading, _: object) -> bool:
        told = Result(culture, parts_of(culture, reading), "unclear").said
        if not _any_said(told, wanted):
            return False
        return not any(m.matches(c) for c in (*told, culture.concept, *specimens_of(culture)) for m in never)

    return names


def specimens_of(resource: Resource) -> Iterator[Concept]:
    """What a result was taken from, as far as it says so itself."""
    written = resource.raw.get("specimen")
    held = {f"#{c.get('id')}": c for c in _listed(resource.raw, "contained")}
    for found in written if isinstance(written, list) else [written]:
        if isinstance(found, Mapping):
            reference = str(found.get("reference") or "")
            yield concept({"text": str(found.get("display") or "")})
            yield concept(held.get(reference, {}).get("type"))


def _index(reading: Reading) -> tuple[dict[str, Resource], dict[str, list[Resource]]]:
    by_ref: dict[str, Resource] = {}
    derived: dict[str, list[Resource]] = {}
    for read in reading.chart.reads.values():
        for resource in read.resources:
            if resource.type in _RESULTS:
                by_ref[resource.ref] = resource
                for ref in _references(resource.raw, "derivedFrom"):
                    derived.setdefault(_bare(ref), []).append(resource)
    return by_ref, derived


def _values(culture: Resource) -> tuple[Concept, ...]:
    found = value_of(culture)
    return () if found.empty else (found,)


def _concluded(report: Resource) -> Iterator[Concept]:
    if report.type == "DiagnosticReport":
        yield value_of(Resource({"valueString": report.raw.get("conclusion")}))
        yield from (concept(code) for code in _listed(report.raw, "conclusionCode"))
    yield from (concept(mark) for mark in _listed(report.raw, "interpretation"))


def _said(found: Concept, matchers: Matchers) -> bool:
    return any(m.recognised(found).says(m.id) for m in matchers)


def _any_said(found: Iterable[Concept], matchers: Matchers) -> bool:
    return any(_said(each, matchers) for each in found)


def _listed(raw: Mapping[str, Any], element: str) -> list[Mapping[str, Any]]:
    written = raw.get(element)
    return [item for item in written if isinstance(item, Mapping)] if isinstance(written, list) else []


def _references(raw: Mapping[str, Any], element: str) -> Iterator[str]:
    for item in _listed(raw, element):
        if isinstance(item.get("reference"), str):
            yield item["reference"]


def _bare(reference: str) -> str:
    """`Type/id` of a reference, whatever server or version it names."""
    return "/".join(reference.split("/_history/", maxsplit=1)[0].split("/")[-2:])
