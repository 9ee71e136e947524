"""Public data sets of FHIR charts, which are no part of the checkout: tests that need them are skipped without them.

`CDS_TEST_DATA` names the folder that holds them: Synthea bundles in `data/synthea-r4/`, and other sets beside them in
`data/`, and charts as hospitals have them in `real-charts/`.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

VARIABLE = "CDS_TEST_DATA"
# Taken out of the environment: the service, started by a test, would warn of a setting that it does not have.
_FOLDER = os.environ.pop(VARIABLE, "")
DATA = Path(_FOLDER or os.devnull, "data")
SYNTHEA = DATA / "synthea-r4"
REAL_CHARTS = Path(_FOLDER or os.devnull, "real-charts")


def needs(folder: Path) -> pytest.MarkDecorator:
    """Skips a test where one of the folders above is not there."""
    why = f"there is no {folder}" if _FOLDER else f"{VARIABLE} names no folder of public data sets"
    return pytest.mark.skipif(not folder.is_dir(), reason=why)
