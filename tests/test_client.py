"""The example of a CDS client asks a served process, and says what became of its first card."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from cds_service.store import feedback
from cds_service.store.database import Database
from cds_service.store.place import Place
from tests.support.live import served_process
from tests.support.shipped import ROOT


def test_the_example_client(tmp_path: Path) -> None:
    with served_process(CDS_DATA=str(tmp_path), CDS_ALLOW_EVALUATION_TIME="on") as url:
        words = [sys.executable, str(ROOT / "examples" / "client.py"), url]
        run = subprocess.run(words, capture_output=True, text=True, timeout=60, check=True, cwd=tmp_path)
    assert "conditions        sent: Condition?patient=refractory-grade-2" in run.stdout
    assert "[warning] Anakinra 100 mg SC q12h" in run.stdout
    assert run.stdout.splitlines()[-1] == "accepted: Anakinra 100 mg SC q12h (200 mg/day)"
    with Database(Place(tmp_path)).reading() as connection:
        (row,) = feedback.listed(connection, None, None)
    assert (row["outcome"], row["decision"], len(row["accepted"])) == ("accepted", "suggest", 1)
