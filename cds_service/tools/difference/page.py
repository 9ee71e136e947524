"""The difference as one page that stands alone, in the style of the catalogue."""

from __future__ import annotations

from collections import Counter

from cds_service.tools.catalogue.render import alone
from cds_service.tools.difference.compared import Difference
from cds_service.tools.replay.told import KINDS


def page(difference: Difference) -> str:
    """HTML."""
    kinds = dict.fromkeys(item.kind for item in difference.items)
    counted = Counter(kind for change in difference.answers for kind in change.kinds[:1])
    return alone(
        "difference",
        "What changes between two versions of the knowledge",
        {
            "of": difference,
            "kinds": [(kind, [item for item in difference.items if item.kind == kind]) for kind in kinds],
            "counts": [(counted[kind], kind) for kind in KINDS if counted[kind]],
        },
    )
