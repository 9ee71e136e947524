"""What a Medication is: its code, and what it is mixed of, in place or by reference."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from cds_service.chart.vocabulary import NOTHING, Concept, concept

ANYWHERE: Final = "*/"
# A mix of mixes; references may run in a circle, and each of many may name many: both bounds keep the reading linear.
_DEPTH: Final = 1
_MOST: Final = 32
Medication = Mapping[str, Any]
# The Medication that a reference names; None where nothing here says.
Find = Callable[[object], Medication | None]


def medication_named(medications: Mapping[str, Medication], reference: str) -> Medication | None:
    """The Medication that a reference names: by exactly that reference; an absolute one also by type and id, where the
    Medication came without an address of its own."""
    exact = medications.get(reference)
    if exact is not None or "://" not in reference:
        return exact
    return medications.get(ANYWHERE + "/".join(reference.split("/")[-2:]))


def ingredients_of(medication: Medication | None, find: Find, depth: int = _DEPTH) -> tuple[Concept, ...]:
    """What a Medication is mixed of; empty where it names no ingredients."""
    return tuple(concept(each) for each in _items(medication, find, depth)) if medication else ()


def drug_of(medication: Medication, find: Find, depth: int = _DEPTH) -> Concept:
    """What a Medication is: what it is called, with the names of its ingredients ("Bag 250 mL; norepinephrine"); where
    it has no code, with theirs."""
    written = medication.get("code")
    own = concept(written)
    if len(_list(medication.get("ingredient"))) > _MOST:
        return own if own.codes else NOTHING  # words alone may be those of any bag
    items = list(_items(medication, find, depth))
    if not items:
        return own
    words = [own.label] if own.label else []
    for item in items:
        said = concept(item).label
        if said and said.casefold() not in " ".join(words).casefold():
            words.append(said)
    codings = written.get("coding") if own.codes and isinstance(written, Mapping) else None
    if codings is None:
        codings = [c for item in items for c in _list(item.get("coding"))]
    return concept({"coding": codings, "text": "; ".join(words)})


def _items(medication: Medication | None, find: Find, depth: int) -> Iterator[Mapping[str, Any]]:
    """Each active ingredient as a CodeableConcept that says anything; none of a list that nobody would mix."""
    ingredients = _list(medication.get("ingredient")) if medication else []
    for ingredient in ingredients if len(ingredients) <= _MOST else ():
        if not isinstance(ingredient, Mapping) or ingredient.get("isActive") is False:
            continue
        item = ingredient.get("itemCodeableConcept")
        if not isinstance(item, Mapping):
            item = _referred(ingredient.get("itemReference"), find, depth)
        if not concept(item).empty:
            yield item


def _referred(reference: object, find: Find, depth: int) -> dict[str, Any]:
    """What a reference to another Medication stands for, as a CodeableConcept; else the words of the reference."""
    found = find(reference) if depth else None
    said = drug_of(found, find, depth - 1) if found is not None else None
    if said is not None and not said.empty:
        codings = [{"system": s, "code": c, "display": d} for s, c, d in said.written.codings]
        return {"coding": codings, "text": said.written.text}
    return {"text": reference.get("display")} if isinstance(reference, Mapping) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
