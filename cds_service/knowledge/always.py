"""What every answer looks up by name, whichever rules run: files and policies that no other knowledge names."""

from __future__ import annotations

from typing import Final

from cds_service.contract import ALSO, FOOTER, HEADER, OWN_CARD, REPEATED, UNEVALUATED

POLICIES: Final = ("clock-tolerance", "monitoring-order-recent", "quiet-repeat-window")
VALUE_SETS: Final = ("route-intravenous", "route-subcutaneous")
CARDS: Final = (HEADER, FOOTER, ALSO, REPEATED, UNEVALUATED, *sorted(OWN_CARD))
