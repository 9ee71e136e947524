"""A count that is zero, in one spelling: "0 of 4 bottles positive", "0/2", "4本中0本陽性" say that nothing grew.

Numbers are no words, so that "0 of 4 bottles positive" would be read as positive. A count without what is counted or
found is one only where the text says nothing else: "0/4" may stand in any text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from cds_service.knowledge.model import Counts


def none_found(counts: Counts, fold: Callable[[str], str]) -> Callable[[str], str]:
    """Rewrites a folded text so that every count of nothing is the one word for it. Linear: what may stand between is
    bounded."""

    def any_of(texts: Iterable[str]) -> str:
        folded = sorted({fold(text) for text in texts}, key=lambda text: (-len(text), text))
        return "|".join(re.escape(text) for text in folded) or r"(?!)"

    none, of, among = any_of(counts.none), any_of(counts.of), any_of(counts.among)
    number, things, found = any_of(counts.numbers), any_of(counts.things), any_of(counts.found)
    many = rf"(?:\d{{1,2}}|{number})"
    counted = rf"(?<![^\W_])(?<![\d][.,/])(?:{none}) ?(?:{of}) ?(?:{many}(?![^\W_a-z]) ?)?(?:{things})"
    apart = rf"{many} ?(?:{things}) ?(?:{among}) ?(?:{none}) ?(?:{things})?"
    ends = r"(?= ?(?:$|[;\n。；、,.()\[\]]))"
    written = re.compile(
        rf"(?:{counted}|{apart})(?: ?(?:{found})(?![a-z])|{ends})"
        rf"|(?<![^\W_])(?<![\d][.,/])(?:{none}) ?(?:{of}) ?{many} (?:{found})(?![a-z])"
        rf"|^ *(?:{none}) ?(?:{of}) ?{many} *$"
    )
    glance = re.compile(rf"(?<![^\W_])(?:{none})|(?:{among})")
    word = f" {fold(counts.word)} "
    return lambda text: written.sub(word, text) if glance.search(text) else text
