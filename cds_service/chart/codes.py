"""Codes under every name that charts give them: one family for all URIs of a system, one spelling for each code."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from cds_service.knowledge.model import Code, CodeFamily, CodeSystems

_BETWEEN: Final = re.compile(r"[\s,;/]+")
_OF_ICD: Final = re.compile(r"[A-Za-z]\d[\dA-Za-z](?:\.[\dA-Za-z]{1,4})?[!*†+]?")
_NOT_DIGITS: Final = re.compile(r"[^0-9-]")
# NDC: labeler, product and package in ten digits, of which one part lacks its leading zero; eleven digits are 5-4-2.
_NDC_PARTS: Final = (5, 4, 2)
_SEVENTH: Final = 7


@dataclass(frozen=True, slots=True)
class Spelling:
    """A code as it is compared: its family (or its system, where none is known) and its canonical forms."""

    family: str
    forms: tuple[str, ...]


class Systems:
    """Which family a system URI belongs to, and how codes of that family are spelled."""

    def __init__(self, table: CodeSystems) -> None:
        self._family = {uri: name for name, family in table.families.items() for uri in family.systems}
        self._families: Mapping[str, CodeFamily] = table.families
        self._none = frozenset(table.none)
        self._no_information = frozenset((each.system, each.code) for each in table.no_information)
        self._groups: dict[str, tuple[str, ...]] = {}
        for name, family in table.families.items():
            group = family.group or name
            self._groups[group] = (*self._groups.get(group, ()), name)

    def members(self, name: str) -> tuple[str, ...]:
        """The families of a group such as `icd-10`; a family is a group of its own."""
        return self._groups.get(name) or (name,)

    def spelled(self, system: str, code: str) -> Spelling:
        """A code in the form in which it is compared."""
        name = self._family.get(system, "")
        match = self._families[name].match if name else "exact"
        return Spelling(name or system, tuple(_forms(match, code)))

    def is_whole(self, system: str) -> bool:
        """Whether the knowledge knows this system whole: what is in none of our value sets is something else."""
        name = self._family.get(system, "")
        return bool(name) and self._families[name].whole

    def is_known(self, system: str) -> bool:
        """Whether it is one of the public systems that the knowledge names."""
        return system in self._family

    def is_sequela(self, name: str, forms: Sequence[str]) -> bool:
        """Whether a code says that only the consequences are left (ICD-10-CM: the seventh character S)."""
        end = self._families[name].sequela if name in self._families else ""
        return bool(end) and all(len(form) == _SEVENTH and form.endswith(end) for form in forms)

    def says_nothing(self, system: str, code: str) -> bool:
        """Whether a code stands for no information at all: absent, masked, not asked."""
        return system in self._none or (system, code) in self._no_information


def _forms(match: str, code: str) -> Iterator[str]:
    bare = code.strip()
    if match == "prefix":
        # A manifestation and its cause stand in one coding where a feed copies what a diagnosis says: "N08.0* A41.9+".
        several = _BETWEEN.split(bare)
        for one in several if len(several) > 1 and all(map(_OF_ICD.fullmatch, several)) else (bare,):
            yield re.sub(r"[.\s!*†+-]", "", one).upper()
    elif match == "ndc":
        yield from _ndc(bare)
    elif match == "cvx":
        yield bare.lstrip("0") or bare
    else:
        yield bare


def _ndc(code: str) -> Iterator[str]:
    """The eleven digits of an NDC; of ten digits without hyphens all three that it may stand for."""
    parts = _NOT_DIGITS.sub("", code).split("-")
    if len(parts) == len(_NDC_PARTS):
        yield "".join(part.zfill(length) for part, length in zip(parts, _NDC_PARTS, strict=True))
        return
    digits = "".join(parts)
    if len(digits) == 10:
        yield f"0{digits}"
        yield f"{digits[:5]}0{digits[5:]}"
        yield f"{digits[:9]}0{digits[9:]}"
    else:
        yield digits


def _range(begin: str) -> Iterator[str]:
    """`A15-A19` or `B01.0-B01.2` one by one: codes of one length, of which only the last digits count up."""
    first, _, last = (next(_forms("prefix", part)) if part else "" for part in begin.partition("-"))
    if not last:
        yield first
        return
    same = len(first) == len(last) and first[0] == last[0] and first[1:].isdigit() and last[1:].isdigit()
    if not same and (first[0], last[0]) != ("A", "B"):
        raise ValueError(f"{begin}: expected the first and the last code of a range, such as A15-A19")
    for letter in dict.fromkeys((first[0], last[0])):
        low = int(first[1:]) if letter == first[0] else 0
        high = int(last[1:]) if letter == last[0] else 10 ** (len(first) - 1) - 1
        yield from (f"{letter}{n:0{len(first) - 1}d}" for n in range(low, high + 1))


class CodeIndex:
    """Which value sets a code is in: by its exact form, or by the beginning of it in families that have a tree."""

    def __init__(self, systems: Systems) -> None:
        self._systems = systems
        self._exact: dict[tuple[str, str], set[str]] = {}
        self._begins: dict[tuple[str, str], list[tuple[str, bool]]] = {}
        self._in_trees: dict[str, frozenset[str]] = {}
        self._longest = 0  # characters of a beginning: what follows them decides nothing

    def add(self, set_id: str, codes: Iterable[Code]) -> None:
        """The codes of a value set that are listed one by one."""
        for code in codes:
            spelling = self._systems.spelled(code.system, code.code)
            for form in spelling.forms:
                if code.match == "prefix":
                    self._begin(spelling.family, form, set_id, True)
                else:
                    self._exact.setdefault((spelling.family, form), set()).add(set_id)

    def add_tree(self, set_id: str, families: Sequence[str], begins: Iterable[str], included: bool) -> None:
        """Everything that begins so, in each of the families; or nothing of it, where it is not `included`."""
        forms = [form for begin in begins for form in _range(begin)]
        for family in families:
            for form in forms:
                self._begin(family, form, set_id, included)

    def _begin(self, family: str, form: str, set_id: str, included: bool) -> None:
        self._longest = max(self._longest, len(form))
        self._begins.setdefault((family, form), []).append((set_id, included))
        self._in_trees[family] = self._in_trees.get(family, frozenset()) | {set_id}

    def sets_of(self, system: str, code: str) -> frozenset[str]:
        """Every value set that holds the code. The longest beginning decides: an exception lies below what it is of."""
        spelling = self._systems.spelled(system, code)
        found = {name for form in spelling.forms for name in self._exact.get((spelling.family, form), ())}
        if not self._systems.is_sequela(spelling.family, spelling.forms):
            found |= {name for name, included in self._told(spelling) if included}
        return frozenset(found)

    def left_out(self, system: str, code: str) -> frozenset[str]:
        """Every value set whose trees say that the code is none of it: an exception, or what is only a consequence of
        what they hold. Its own display does not put it back."""
        spelling = self._systems.spelled(system, code)
        if self._systems.is_sequela(spelling.family, spelling.forms):
            return self._in_trees.get(spelling.family, frozenset())
        return frozenset(name for name, included in self._told(spelling) if not included)

    def _told(self, spelling: Spelling) -> Iterator[tuple[str, bool]]:
        """What the longest beginning of a code in each value set says: whether it is in it."""
        for form in spelling.forms:
            told: dict[str, bool] = {}
            for length in range(1, min(len(form), self._longest) + 1):
                told.update(self._begins.get((spelling.family, form[:length]), ()))
            yield from told.items()
