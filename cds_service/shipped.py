"""What is shipped beside the code and is no knowledge: the example patients."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import cds_service

# (bundles, how each is asked) below the folder of examples: whole courses, then one patient for each further card
EXAMPLES: Final = (("patients", "expected.yaml"), ("cards", "cards/expected.yaml"))


def find_examples() -> Path | None:
    """`examples/` of the checkout, else of the installed package; None where neither has them."""
    package = Path(cds_service.__file__).parent
    for folder in (package.parent / "examples", package / "examples"):
        if all((folder / part).exists() for each in EXAMPLES for part in each):
            return folder
    return None
