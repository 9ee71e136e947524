"""What a stain says, in one spelling: "Gram (-) rods", "Gram-ve rods", "gramneg. rods" and "Gram-negative rods".
A sign in brackets says the same behind anything else: "pneumonia (-)".

Signs are no words, so that "Gram + rods" and "Gram - rods" would be the same. A sign alone counts only before what a
stain speaks of or at the end of a clause: a dash may also begin something else ("Gram - no organisms seen").
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from cds_service.knowledge.model import Stains


def one_spelling(stains: Stains, fold: Callable[[str], str]) -> Callable[[str], str]:
    """Rewrites a folded text so that every stain in it has one spelling. Linear: what may stand between is bounded."""
    says = {written: said.word for said in stains.says for written in (*said.signs, *map(fold, said.words))}
    signs = _any(sign for said in stains.says for sign in said.signs)
    says |= {fold(stem): said.word for said in stains.says for stem in said.stems}
    stems = _any(fold(stem) for said in stains.says for stem in said.stems) or NEVER
    name, words, of = _any(map(fold, stains.names)), _any(map(fold, _words(stains))), _any(map(fold, stains.of))
    end = r"(?![a-z])"
    written = re.compile(
        rf"(?<![a-z\d])(?:{name})(?:"
        rf"[ .-]{{0,3}}(?P<word>{words}){end}(?:[.;](?= ?(?:{of}){end}))?"  # gramnegative, gram -ve, gram neg. rods
        rf"|[ .-]{{0,3}}(?P<stem>{stems})[a-z]*"  # gram-negatieve
        rf"|[ -]?[(\[] ?(?P<inside>{signs}) ?[)\]]"  # gram (-)
        rf"|[ ]?(?P<alone>{signs})(?= ?(?:{of}){end}| ?(?:$|[;\n。；、,.)]))"  # gram - rods, cocci gram +
        r")"
    )
    bracketed = re.compile(rf"[(\[] ?({signs}) ?[)\]]")
    first = fold(stains.names[0])

    def told(found: re.Match[str]) -> str:
        return f" {first} {says[found[found.lastgroup or 0]]} "

    def spelled(text: str) -> str:
        one = written.sub(told, _DASHES.sub("-", text))
        return bracketed.sub(lambda found: f" {says[found[1]]} ", one)

    return spelled


NEVER = r"(?!)"
_DASHES = re.compile("[‐-―−]")


def _words(stains: Stains) -> Iterable[str]:
    return (word for said in stains.says for word in said.words)


def _any(texts: Iterable[str]) -> str:
    """One of these, the longest first."""
    return "|".join(re.escape(text) for text in sorted(set(texts), key=lambda text: (-len(text), text)))
