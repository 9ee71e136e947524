"""The sheet for EHR teams says what the service does: its commands work, its searches are counted."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from cds_service.knowledge import Knowledge
from cds_service.tools.connecting import PAGE, PageError, connecting
from cds_service.tools.story import REQUEST
from tests.fhir_server.asking import CANARY, offering, service
from tests.fhir_server.good import GoodServer, running

CHECKOUT = Path(__file__).parents[1]
TEXT = (CHECKOUT / PAGE).read_text(encoding="utf-8")


@pytest.mark.parametrize("wrong", ["<!-- generated: limit -->", "", "<!-- generated: scopes -->"])
def test_a_mark_that_nothing_fills_is_refused(wrong: str, ours: Knowledge) -> None:
    with pytest.raises(PageError, match="expected one generated part each of services, prefetch"):
        connecting(TEXT.replace("<!-- generated: limits -->", wrong), ours, CHECKOUT / REQUEST)


@pytest.mark.skipif(not (shutil.which("curl") and shutil.which("bash")), reason="the block needs bash and curl")
def test_the_commands_work_as_they_are_pasted(tmp_path: Path) -> None:
    """With an `anakinra-cds` that is this very one, on a free port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = tmp_path / "anakinra-cds"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m cds_service.cli "$@" --workers 1\n', encoding="utf-8")
    command.chmod(0o755)
    (block,) = re.findall(r"^```sh\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)
    block = block.replace("8080", str(port)).replace(".venv/bin/anakinra-cds", str(command))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CDS_")}
    done = subprocess.run(
        ["bash", "-c", f"{block}wait"],
        cwd=CHECKOUT, env=environment, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    seen = [
        '"hook": "order-select"',
        "Essential prefetch keys: patient, conditions",
        '{"cards":[{"uuid":',
        '"summary":"Anakinra 100 mg SC q12h',
        '"summary":"Cannot advise on anakinra. Not known: Hypersensitivity',
        '"resourceType":"OperationOutcome"',
        "send it in prefetch (key patient)",
        '\n{"cards":[]}\n',
    ]
    places = [done.stdout.find(text) for text in seen]
    assert -1 not in places, (done.stdout, done.stderr)
    assert places == sorted(places)
    with socket.create_server(("127.0.0.1", port)):
        pass  # it was stopped


def test_the_searches_without_any_prefetch_are_those_that_are_named(tmp_path: Path) -> None:
    call = json.loads((CHECKOUT / REQUEST).read_bytes())
    good, chart = GoodServer(CANARY), call.pop("prefetch")
    patient = call["context"]["patientId"]
    listed = [entry["resource"] for value in chart.values() for entry in value.get("entry", ())]
    good.page, good.charts[patient] = 500, [chart["patient"], *listed]
    with running(good), service(tmp_path, good.base) as asker:
        answer = asker.ask(offering(call, good.base))
        assert answer.decision == "suggest"
        (most,) = re.findall(r"^(\d+) searches at most", TEXT, re.MULTILINE)
        assert len(good.seen) == int(most) == len(asker.templates())
