"""What every answer looks up by name, whichever rules run: files and policies that no other knowledge names."""

from __future__ import annotations

from typing import Final

POLICIES: Final = ("clock-tolerance", "monitoring-order-recent", "quiet-repeat-window")
VALUE_SETS: Final = ("route-intravenous", "route-subcutaneous")
CARDS: Final = ("first-card-footer", "order-ok", "repeated", "suggest-restricted", "system-unevaluated")
