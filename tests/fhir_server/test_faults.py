"""Whatever a FHIR server does, the service answers in time, takes nothing unknown for "no", and goes nowhere else.

Every fault is asked three ways: with nothing in prefetch, with the patient only, with everything but the allergies.
All calls are made before the first test looks at one, a few at a time, because the slow faults take three seconds.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from cds_service.tools.replay.client import HttpClient
from tests.fhir_server.asking import CANARY, LIMIT_S, Answer, Asker, lacking, offering
from tests.fhir_server.faults import FAULTS, SLOW
from tests.fhir_server.good import GoodServer
from tests.fhir_server.misbehaving import FaultServer, Trap
from tests.support.cards import drug_orders, explanation, is_anakinra
from tests.support.live import never_left
from tests.support.vignettes import Vignette

WAYS = ("nothing", "patient", "no-allergies")
# What a clinician reads beside the query; where it is not here, any words are right.
WORDS = {
    "hang": "FHIR server too slow (1.5 s)",
    "drip-body": "FHIR server too slow (1.5 s)",
    "100-forever": "FHIR server too slow (1.5 s)",
    "400-echo": "FHIR server: 400",
    "401": "FHIR server: 401",
    "503": "FHIR server: 503",
    "204": "FHIR server: 204",
    "half-body": "FHIR server: connection broken off",
    "half-unannounced": "FHIR server: not readable as JSON",
    "closed": "FHIR server: connection broken off",
    "endless": "FHIR server: more than 5 pages",
    "next-elsewhere": "FHIR server: its link to the next page leads elsewhere, not followed",
    "next-user": "FHIR server: its link to the next page leads elsewhere, not followed",
    "next-climbs": "FHIR server: its link to the next page leads elsewhere, not followed",
    "next-encoded": "FHIR server: its link to the next page leads elsewhere, not followed",
    "total-only": "FHIR server: 7 results exist, 0 were sent",
    "redirect-302": "FHIR server: 302",
    "redirect-flood": "FHIR server: 302",
    "huge": "FHIR server: answer larger than 8 MiB",
    "huge-unannounced": "FHIR server: answer larger than 8 MiB",
    "gzip-bomb": "FHIR server: compressed answer, not asked for",
    "null": "FHIR server: not a Bundle",
    "no-type": "FHIR server: not a Bundle",
    "wrong-type": "FHIR server: not a Bundle",
    "deep": "FHIR server: nested too deeply",
    "outcome": "FHIR server: an OperationOutcome instead of data",
    "outcome-inside": "the search reported an error among its results",
    "other-patient": "1 resource of another patient, not used",
    "wrong-entries": "1 resource that are no AllergyIntolerance, not used",
}


@dataclass(frozen=True, slots=True)
class Round:
    """All answers by (fault, way), what was logged meanwhile, and how often the trap was touched."""

    answers: dict[tuple[str, str], Answer]
    log: str
    trapped: int


class _Kept(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(f"{record.name} {record.getMessage()} {record.exc_info} {record.__dict__}")


def call_of(case: Vignette, asker: Asker, way: str) -> dict[str, Any]:
    call = case.call(asker.templates())
    if way == "nothing":
        del call["prefetch"]
    elif way == "patient":
        call["prefetch"] = {"patient": call["prefetch"]["patient"]}
    else:
        del call["prefetch"]["allergies"]
    return call


@pytest.fixture(scope="module")
def round_(faulty: FaultServer, asker: Asker, the_trap: Trap, refractory: Vignette) -> Iterator[Round]:
    """All faults all ways, at DEBUG."""
    kept, root = _Kept(), logging.getLogger()
    before = root.level
    root.addHandler(kept)
    root.setLevel(logging.DEBUG)

    def ask(wanted: tuple[str, str]) -> Answer:
        fault, way = wanted
        return asker.ask(offering(call_of(refractory, asker, way), faulty.base(fault, way)))

    # The slow ones first and few at a time: more would only wait for one of the client's threads.
    wanted = sorted(((f, w) for f in FAULTS for w in WAYS), key=lambda pair: pair[0] not in SLOW)
    try:
        with ThreadPoolExecutor(5) as pool:
            answers = dict(zip(wanted, pool.map(ask, wanted), strict=True))
        yield Round(answers, "\n".join(kept.lines), the_trap.hits)
    finally:
        root.removeHandler(kept)
        root.setLevel(before)


def test_every_answer_came_in_time(round_: Round) -> None:
    late = {pair: answer.seconds for pair, answer in round_.answers.items() if answer.seconds > LIMIT_S}
    assert late == {}


def test_nothing_but_the_fhir_server_was_touched(round_: Round) -> None:
    assert round_.trapped == 0


@pytest.mark.parametrize("fault", FAULTS)
def test_no_patient_no_answer(fault: str, round_: Round) -> None:
    answer = round_.answers[fault, "nothing"]
    assert answer.decision == "412"
    assert answer.body["resourceType"] == "OperationOutcome"


@pytest.mark.parametrize("way", ["patient", "no-allergies"])
@pytest.mark.parametrize("fault", FAULTS)
def test_unknown_is_never_no(fault: str, way: str, round_: Round) -> None:
    answer = round_.answers[fault, way]
    assert answer.decision == "insufficient-data", answer.body
    first = answer.body["cards"][0]
    assert first["indicator"] == "warning"
    unknown = {item["name"] for item in explanation(first)["unknown"]}
    assert "hypersensitivity" in unknown
    if way == "patient":
        assert {"severe-infection", "car-t-in-scope", "crs-grade"} <= unknown
    orders = [order for card in answer.body["cards"] for order in drug_orders(card) if is_anakinra(order)]
    assert orders == []


@pytest.mark.parametrize("fault", WORDS)
def test_the_card_says_why(fault: str, round_: Round) -> None:
    assert f"allergies: {WORDS[fault]}" in lacking(round_.answers[fault, "no-allergies"])


def test_the_token_is_nowhere(round_: Round) -> None:
    assert CANARY not in "".join(answer.text for answer in round_.answers.values())
    assert CANARY not in round_.log
    assert "FHIR server reads failed" in round_.log


def test_no_patient_in_the_log(round_: Round, refractory: Vignette) -> None:
    """What was asked for holds the patient's id: the requests of the tests' own client and server name it as well."""
    ours = [line for line in round_.log.splitlines() if line.startswith(("cds_service.chart", "urllib3"))]
    assert ours
    assert [line for line in ours if refractory.id.lower() in line] == []


@pytest.mark.parametrize("fault", ["hang", "drip-body", "huge", "500"])
def test_twenty_at_once(fault: str, faulty: FaultServer, asker: Asker, refractory: Vignette) -> None:
    call = offering(call_of(refractory, asker, "patient"), faulty.base(fault, "twenty"))
    start = time.monotonic()
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(asker.ask, [call] * 20))
    assert time.monotonic() - start < LIMIT_S
    assert {answer.decision for answer in answers} == {"insufficient-data"}


def test_a_good_server_is_read_while_a_bad_one_hangs(
    faulty: FaultServer, good: GoodServer, asker: Asker, refractory: Vignette
) -> None:
    """Four calls hang (a worker's threads by default), one more is still answered well."""
    hanging = offering(call_of(refractory, asker, "patient"), faulty.base("hang", "beside"))
    with ThreadPoolExecutor(5) as pool:
        stuck = [pool.submit(asker.ask, hanging) for _ in range(4)]
        time.sleep(0.3)
        answer = asker.ask(offering(call_of(refractory, asker, "patient"), good.base))
        assert answer.decision == "suggest"
        assert answer.seconds < 1
        assert {each.result().decision for each in stuck} == {"insufficient-data"}
    start = time.monotonic()
    at_once = asker.ask(hanging)
    assert time.monotonic() - start < 0.5
    assert at_once.decision == "insufficient-data"
    assert "FHIR server: did not answer just now, not asked again for 5 s" in lacking(at_once)


def test_the_command_answers_twenty_in_time(
    faulty: FaultServer, asker: Asker, refractory: Vignette, tmp_path: Path
) -> None:
    """`anakinra-cds serve` has eight threads: who waits for one while others wait for the server is still in time."""
    site = tmp_path / "process.yaml"
    site.write_text(yaml.safe_dump({"extend": "us", "fhirServers": faulty.origins}), encoding="utf-8")
    environment = {**os.environ, "CDS_SITE": str(site), "CDS_ALLOW_EVALUATION_TIME": "on", "CDS_LOG_LEVEL": "DEBUG"}
    program = [sys.executable, "-c", "from cds_service.cli import main; main(['serve', '--port', '0'])"]
    call = offering(call_of(refractory, asker, "patient"), faulty.base("hang", "process"))
    with (
        (tmp_path / "log").open("wb") as log,
        never_left(subprocess.Popen(program, stdout=subprocess.PIPE, stderr=log, env=environment)) as process,
    ):
        assert process.stdout is not None
        client = HttpClient(process.stdout.readline().decode().split()[-1], trust_env=False)
        try:
            started = Asker(client)
            for _ in range(8):  # both workers have begun to answer
                assert started.ask(refractory.call(started.templates())).decision == "suggest"
            with ThreadPoolExecutor(20) as pool:
                answers = list(pool.map(started.ask, [call] * 20))
        finally:
            client.close()
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=20)
    assert {answer.decision for answer in answers} == {"insufficient-data"}
    assert max(answer.seconds for answer in answers) < LIMIT_S
    written = (tmp_path / "log").read_text(encoding="utf-8")
    assert "FHIR server reads failed" in written
    assert CANARY not in written
    assert refractory.id.lower() not in written
