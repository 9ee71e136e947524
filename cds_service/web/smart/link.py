"""The link by which a card launches the page: it holds no patient, only which record the answer has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

LAUNCH: Final = "/smart/launch"
LABEL: Final = "This patient: course, and why"
Json = dict[str, Any]


def linked(cards: Sequence[Json], public_url: str, record: str) -> list[Json]:
    """The cards, the first with a link of type `smart`; its `appContext` is the id of the record ("": none is kept)."""
    first, *others = cards
    link = {"label": LABEL, "url": f"{public_url}{LAUNCH}", "type": "smart"}
    if record:
        link["appContext"] = record
    return [{**first, "links": [*first.get("links", ()), link]}, *others]
