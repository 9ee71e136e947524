"""Edits as people make them of the knowledge files: one slip each, drawn by a seed from what the files say."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

Texts = Mapping[str, str]
"""File below the root -> its text."""

Slip = Callable[[random.Random, Texts], tuple[str, str | None, str] | None]
"""(file, its new text or None where it is deleted, what was done); None where this draw found nothing to change."""

_KEY = re.compile(r"(?<=[\s{])([a-z][A-Za-z-]+)(?=: )|^([a-z][A-Za-z-]+)(?=: )", re.M)
_NAME = re.compile(r"(?<=[\s\[:])([a-z]+(?:-[a-z0-9]+)+)(?=[\s,\]}])")
_NUMBER = re.compile(r"(?<=: )-?\d+(?:\.\d+)?(?=[\s,}\]])")
_UNITS = ("h", "d", "min", "mg", "mg/d", "kg", "Cel", "mm[Hg]", "/uL", "a", '"%"', '""', "parsecs")


@dataclass(frozen=True, slots=True)
class Edit:
    """One edit: `text` is the file's new text, None where it is deleted."""

    number: int
    kind: str
    file: str
    text: str | None
    what: str

    def __str__(self) -> str:
        return f"edit {self.number} ({self.kind}): {self.file}: {self.what}"


def edits(texts: Texts, seed: int, count: int, kinds: Collection[str]) -> list[Edit]:
    """`count` edits, these kinds in turn; the same for the same seed, kinds and files."""
    found: list[Edit] = []
    slips = [(kind, slip) for kind, slip in SLIPS.items() if kind in kinds]
    number = 0
    while len(found) < count:
        kind, slip = slips[number % len(slips)]
        drawn = slip(random.Random(f"{seed}-{number}"), texts)
        number += 1
        if drawn is not None and drawn[1] != texts.get(drawn[0]):
            found.append(Edit(number, kind, *drawn))
        elif number > 20 * (count + len(slips)):
            raise ValueError(f"these files have nothing to change by {', '.join(kinds)}")
    return found


def _drawn(
    rng: random.Random, texts: Texts, pattern: str | re.Pattern[str], below: str = ""
) -> tuple[str, re.Match[str]] | None:
    """One match of a pattern in a file drawn among those that have one and whose name begins so."""
    held = [name for name in texts if name.startswith(below or ("rules/", "cards/")) and name != "rules/versions.yaml"]
    held = [name for name in held if re.search(pattern, texts[name])]
    if not held:
        return None
    # A large file is edited more often than a small one, but not by its size: most files are small.
    name = rng.choice(held)
    return name, rng.choice(list(re.finditer(pattern, texts[name])))


def _replaced(texts: Texts, name: str, found: re.Match[str], new: str) -> tuple[str, str, str]:
    text = texts[name]
    line = text.count("\n", 0, found.start()) + 1
    return name, text[: found.start()] + new + text[found.end() :], f"line {line}: {found[0]!r} -> {new!r}"


def _replacing(
    pattern: str | re.Pattern[str], change: Callable[[random.Random, re.Match[str]], str], below: str = ""
) -> Slip:
    def slip(rng: random.Random, texts: Texts) -> tuple[str, str | None, str] | None:
        drawn = _drawn(rng, texts, pattern, below)
        return None if drawn is None else _replaced(texts, *drawn, change(rng, drawn[1]))

    return slip


def _misspelt(rng: random.Random, found: re.Match[str]) -> str:
    word = found[0]
    at = rng.randrange(1, len(word) - 1) if len(word) > 2 else 0
    return rng.choice(
        (
            word[:at] + word[at + 1 :],
            word[:at] + word[at] + word[at:],
            word[:at] + word[at:][1:2] + word[at] + word[at + 2 :],
        )
    )


def _other_number(rng: random.Random, found: re.Match[str]) -> str:
    value = float(found[0])
    return rng.choice(
        (
            "0",
            "-1",
            f"{-value:g}",
            f"{value * 1000:.0f}",
            "900000000000000",
            f"{value + 0.37:g}",
            f"{value + 1:g}",
            "0.00001",
        )
    )


def _other_policy(rng: random.Random, texts: Texts) -> tuple[str, str | None, str] | None:
    drawn = _drawn(rng, texts, r"(?<=policy\.)[a-z0-9-]+|(?<=window: )[a-z0-9-]+|(?<=policy\(')[a-z0-9-]+")
    names = re.findall(
        r"^([a-z0-9-]+): ", "\n".join(t for n, t in texts.items() if n.startswith("rules/policies/")), re.M
    )
    return None if drawn is None else _replaced(texts, *drawn, rng.choice(names))


def _without_item(rng: random.Random, found: re.Match[str]) -> str:
    items = found[0][1:-1].split(", ")
    items.pop(rng.randrange(len(items)))
    return f"[{', '.join(items)}]"


def _swapped(rng: random.Random, texts: Texts) -> tuple[str, str | None, str] | None:
    held = [name for name in texts if name != "rules/versions.yaml" and len(set(_NAME.findall(texts[name]))) > 1]
    name = rng.choice(held)
    one, other = rng.sample(sorted(set(_NAME.findall(texts[name]))), 2)
    text = re.sub(rf"(?<![a-z0-9-])({one}|{other})(?![a-z0-9-])", lambda m: other if m[0] == one else one, texts[name])
    return name, text, f"{one} <-> {other}"


def _duplicated(rng: random.Random, texts: Texts) -> tuple[str, str | None, str] | None:
    kinds = ("rules/drugs/", "rules/shared/", "rules/toxicities/", "rules/terms/", "cards/")
    name = rng.choice([n for n in texts if n.startswith(kinds) and not n.endswith(".cases.yaml")])
    stem = name.rsplit("/", 1)[-1].removesuffix(".yaml")
    copy = f"{name.removesuffix('.yaml')}-copy.yaml"
    return copy, texts[name].replace(f"id: {stem}\n", f"id: {stem}-copy\n"), f"a copy of {name}"


def _deleted(rng: random.Random, texts: Texts) -> tuple[str, str | None, str]:
    return rng.choice([n for n in texts if not n.startswith("rules/versions")]), None, "deleted"


def _emptied(rng: random.Random, texts: Texts) -> tuple[str, str | None, str]:
    return rng.choice(sorted(texts)), rng.choice(("", "\n", "# nothing\n", "{}\n", "[]\n")), "emptied"


SLIPS: Mapping[str, Slip] = {
    "delete a key": _replacing(
        r"(?m)^ *[a-z][A-Za-z-]+: [^\n|]*\n|(?<=[{ ])[a-z][A-Za-z]+: [^,{}\[\]\n]+, ", lambda _, found: ""
    ),
    "misspell a key": _replacing(_KEY, _misspelt),
    "misspell a name": _replacing(_NAME, _misspelt),
    "swap true and false": _replacing(
        r"\b(?:true|false)\b", lambda _, found: "false" if found[0] == "true" else "true"
    ),
    "change a number": _replacing(_NUMBER, _other_number),
    "change a threshold": _replacing(
        r"(?<=value: )-?[\d.]+|(?<=least: )-?[\d.]+|(?<=most: )-?[\d.]+", _other_number, "rules/policies/"
    ),
    "change a unit": _replacing(r"(?<=unit: )(?:\"[^\"]*\"|[^\s,}]+)", lambda rng, _: rng.choice(_UNITS)),
    "change a policy": _other_policy,
    "remove a list item": _replacing(r"\[[^\[\]{}\n]+\]", _without_item),
    "remove a list line": _replacing(r"(?m)^ *- .*\n", lambda _, found: ""),
    "copy a file": _duplicated,
    "swap two names": _swapped,
    "delete a file": _deleted,
    "empty a file": _emptied,
    "change a dose": _replacing(
        r"(?<=mg: )\d+|(?<=mgPerKg: )\d+|(?<=intervalHours: )\d+|(?<=capMg: )\d+|(?<=Days: )\d+",
        _other_number,
        "rules/drugs/",
    ),
    "change a route": _replacing(
        r"(?<=route: )[a-z]+|(?<=short: )[A-Z]+|(?<=  )(?:subcutaneous|intravenous)(?=: )",
        lambda rng, _: rng.choice(("oral", "intravenous", '""', "subcutanous")),
        "rules/",
    ),
    "change a query": _replacing(
        r"(?<=sort: )[a-z-]+|(?<=count: )\d+|(?<=resource: )[A-Za-z]+|(?<=by: )id",
        lambda rng, _: rng.choice(("-date", "date", "0", "id", "patient", "Encounter", "100")),
        "rules/facts",
    ),
    "change a range": _replacing(
        r"(?<=plausible: )\[[^\]]+\]|(?<=factor: )\"[^\"]+\"",
        lambda rng, _: rng.choice(("[0, 1]", "[300, 20]", '"0"', '"x"', "[0, 1, 2]", "[-5, 100000]")),
        "rules/units",
    ),
    "change a quote in a card": _replacing(
        r"fact\('[^']*'\)|policy\('[^']*'\)", lambda _, found: found[0].replace("'", '"'), "cards/"
    ),
    "misspell a variable": _replacing(
        r"(?<=\{\{ )[a-z_]+|(?<=\{% if )[a-z_]+|(?<=\{% for [a-z] in )[a-z_]+", _misspelt, "cards/"
    ),
    "change a fact's type": _replacing(
        r"(?<=type: )(?:boolean|integer|number|code)",
        lambda rng, _: rng.choice(("boolean", "integer", "number", "code")),
        "rules/facts",
    ),
    "remove a window": _replacing(
        r", within: policy\.[a-z-]+",
        lambda rng, found: rng.choice(("", found[0].replace("policy.", ""))),
        "rules/facts",
    ),
}
