"""How the name of a unit is compared: as people print it, whatever the signs of their keyboard."""

from __future__ import annotations

import unicodedata

# One sign in other scripts and fonts; NFKC makes one letter of the two micros (u in UCUM), and digits of superscripts.
_SIGNS = str.maketrans(
    {"μ": "u", "×": "x", "✕": "x", "∙": "*", "·": "*", "⋅": "*", "\N{DIVISION SLASH}": "/", "\N{FRACTION SLASH}": "/"}
)
_LONGEST = 64  # characters of a unit that are read


def spelled(unit: str) -> str:
    """A unit as it is compared: any case, spaces, signs of multiplication and powers, and both letters micro alike."""
    return "".join(unicodedata.normalize("NFKC", unit[:_LONGEST]).lower().translate(_SIGNS).split())
