"""`make soak`, second part: very many calls over HTTP to a served process. No fault, no growth, nothing unrecorded, and
every record decides again as it did."""

from __future__ import annotations

import http.client
import json
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import click

from benchmarks.cases import canonical
from benchmarks.process import below, open_files, require_proc, resident_mb
from cds_service import knowledge
from cds_service.chart import prefetch
from cds_service.contract import EXPLANATION
from cds_service.service import Service
from cds_service.web.door import read_call
from tests.support.acceptance import acceptance_cases
from tests.support.live import process_of

MOST_GROWTH_MB: Final = 10.0
"""Of any one process after the warm-up, as of the one of the in-process soak: each worker has caches of its own."""
PUBLIC: Final = "https://cds.example.org"
_CLI: Final = [sys.executable, "-m", "cds_service.cli"]
_UNSEEN: Final = 0.1
_FEEDBACK: Final = 20
"""One answer in so many is given feedback on."""
_LOOKED: Final = 200
"""As often as a Prometheus and a load balancer would, somebody asks for these."""
_WATCHED: Final = ("/metrics", "/ready", "/health", "/cds-services")
_CLIENTS: Final = 2
_HANGS_SECONDS: Final = 120
_FAULTS_SHOWN: Final = 20
_REPLAYED: Final = {"same", "nothing was asked"}
_BROKEN: Final = (OSError, http.client.HTTPException)


@dataclass(frozen=True, slots=True)
class Asked:
    """A call whose answer is known. `expected`: its cards without their uuids."""

    path: str
    patient: str
    call: Mapping[str, Any]
    expected: bytes

    def body(self, number: int, unseen: bool) -> tuple[bytes, str]:
        """The call as it is sent, and whom it is about: at times a patient whom nobody saw before. Each is another
        call of another clinician, whom no earlier answer has reminded of anything."""
        # As long as the known one: ids are made with it, which have at most 64 characters.
        patient = f"{self.patient[:-8]}{number:08d}" if unseen else self.patient
        said = {**self.call, "hookInstance": str(uuid.UUID(int=number, version=4))}
        said["context"] = {**said["context"], "userId": f"Practitioner/soak-{number}"}
        return json.dumps(said).encode().replace(self.patient.encode(), patient.encode()), patient

    def same(self, answer: Mapping[str, Any], patient: str) -> bool:
        """Whether it is the known answer, about this patient."""
        return canonical(answer).replace(patient.encode(), self.patient.encode()) == self.expected


@dataclass(frozen=True, slots=True)
class Moment:
    """The service after some answers: the memory of each of its processes in MB, and the open files of all."""

    answers: int
    resident: Mapping[int, float]
    files: int


@dataclass(slots=True)
class Told:
    """What clients heard; safe to use from several threads."""

    answers: int = 0
    feedback: int = 0
    faults: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def fault(self, what: str) -> None:
        """Note a fault."""
        with self.lock:
            self.faults.append(what)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was found. `records` are those of answers, `replayed` what became of each when it was decided on again."""

    told: Told
    moments: Sequence[Moment]
    records: int
    replayed: Mapping[str, int]
    said: Sequence[str] = ()
    """What the service and the commands complained of."""

    @property
    def faults(self) -> list[str]:
        """Everything that is wrong."""
        found = [*self.told.faults[:_FAULTS_SHOWN], *self.said]
        if (more := len(self.told.faults) - _FAULTS_SHOWN) > 0:
            found.append(f"{more} more faults")
        if self.records != self.told.answers:
            found.append(f"{self.told.answers} answers and {self.records} records of them")
        if wrong := {name: number for name, number in self.replayed.items() if name not in _REPLAYED}:
            found.append(f"replayed: {wrong}")
        first, last = self.moments[0], self.moments[-1]
        if any(moment.resident.keys() != first.resident.keys() for moment in self.moments):
            return [*found, f"processes ended or began: {[list(moment.resident) for moment in self.moments]}"]
        grown = max(last.resident[pid] - first.resident[pid] for pid in first.resident)
        if grown > MOST_GROWTH_MB:
            found.append(f"a process grew by {grown:.1f} MB after the warm-up; expected at most {MOST_GROWTH_MB:g} MB")
        return found


# ---------------------------------------------------------------- the calls


def asked(each: int = 1) -> list[Asked]:
    """The acceptance cases of the site `us`, or every so many of them, with the answer of a service of this process."""
    loaded = knowledge.load()
    service = Service.start(loaded)
    templates = prefetch.templates(loaded)
    found = []
    for case in [case for case in acceptance_cases() if case.place == loaded.site.id][::each]:
        call = case.call(templates)
        name = next(each["id"] for each in service.discovery() if each["hook"] == case.hook)
        read = read_call(name, case.hook, json.dumps(call).encode(), allow_evaluation_time=True)
        assert read.evaluation_time is not None
        cards = service.advice(name, service.assess(read, read.evaluation_time), PUBLIC).cards
        found.append(Asked(f"/cds-services/{name}", case.id, call, canonical({"cards": cards})))
    return found


# ---------------------------------------------------------------- the clients


class Client:
    """One connection that stays open."""

    def __init__(self, base: str) -> None:
        where = urlsplit(base)
        self._connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=_HANGS_SECONDS)

    def ask(self, path: str, body: bytes | None = None) -> Any:
        """The body of a 200 answer. Raises OSError or HTTPException where there is none."""
        headers = {} if body is None else {"Content-Type": "application/json"}
        self._connection.request("GET" if body is None else "POST", path, body, headers)
        response = self._connection.getresponse()
        content = response.read()
        if response.status != 200:
            raise OSError(f"{response.status}: {content[:200]!r}")
        return json.loads(content) if response.headers.get_content_type() == "application/json" else content

    def close(self) -> None:
        """End it."""
        self._connection.close()


def ask(base: str, calls: Sequence[Asked], numbers: range, unseen: float, seed: int, told: Told) -> None:
    """One client: these calls, one after another."""
    chosen = random.Random(seed)
    with closing(Client(base)) as client:
        for number in numbers:
            each = calls[number % len(calls)]
            body, patient = each.body(number, chosen.random() < unseen)
            try:
                answer = client.ask(each.path, body)
                with told.lock:
                    told.answers += 1
                if not each.same(answer, patient):
                    rules = [card["extension"][EXPLANATION].get("rule") for card in answer["cards"]]
                    told.fault(f"call {number}, {each.patient}: another answer than expected, of {rules}")
                if number % _FEEDBACK == 0 and answer["cards"]:
                    client.ask(f"{each.path}/feedback", _feedback(answer["cards"][0]))
                    with told.lock:
                        told.feedback += 1
                if number % _LOOKED == 0:
                    client.ask(_WATCHED[number // _LOOKED % len(_WATCHED)])
            except _BROKEN as error:
                told.fault(f"call {number}, {each.patient}: {type(error).__name__}: {error}")
                client.close()


def _feedback(card: Mapping[str, Any]) -> bytes:
    item = {"card": card["uuid"], "outcome": "overridden", "outcomeTimestamp": "2026-03-05T12:00:00Z"}
    return json.dumps({"feedback": [item]}).encode()


def _ask_all(base: str, calls: Sequence[Asked], numbers: range, unseen: float, told: Told) -> None:
    each = [numbers[client::_CLIENTS] for client in range(_CLIENTS)]
    threads = [
        threading.Thread(target=ask, args=(base, calls, mine, unseen, numbers.start + at, told), daemon=True)
        for at, mine in enumerate(each)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


# ---------------------------------------------------------------- a run


def run(requests: int, calls: Sequence[Asked], pages: Path, show: bool = False) -> Outcome:
    """So many calls. The first fifth is the warm-up, all about patients whom nobody saw before: it fills the caches."""
    told, moments, fifth = Told(), list[Moment](), max(1, requests // 5)
    with tempfile.TemporaryDirectory(prefix="anakinra-cds-soak-") as folder:
        data = Path(folder) / "data"
        environ = {"CDS_DATA": str(data), "CDS_PAGES": str(pages), "CDS_PUBLIC_URL": PUBLIC}
        with process_of(2, CDS_ALLOW_EVALUATION_TIME="on", **environ) as (process, base):
            _until_ready(base)
            for start in range(0, requests, fifth):
                numbers = range(start + 1, min(start + fifth, requests) + 1)
                _ask_all(base, calls, numbers, _UNSEEN if start else 1.0, told)
                moments.append(look(process.pid, told.answers))
                if show:
                    print(_line(moments[-1]), flush=True)
            process.send_signal(signal.SIGTERM)
            _, errors = process.communicate(timeout=_HANGS_SECONDS)
        said = [f"the service said: {errors[-2000:]}"] if errors or process.returncode else []
        return _looked_at(data, told, moments, said)


def look(pid: int, answers: int) -> Moment:
    """The service now."""
    every = (pid, *below(pid))
    return Moment(answers, {each: resident_mb(each) for each in every}, sum(map(open_files, every)))


def _until_ready(base: str) -> None:
    """Until the service has started, with its canaries and its store."""
    end = time.monotonic() + _HANGS_SECONDS
    while True:
        try:
            with closing(Client(base)) as client:
                if client.ask("/ready")["store"] == "up":
                    return
        except _BROKEN:
            pass
        if time.monotonic() > end:
            raise TimeoutError("the service did not become ready")
        time.sleep(0.05)


def _looked_at(data: Path, told: Told, moments: Sequence[Moment], said: list[str]) -> Outcome:
    """What the commands say of the store that it left."""
    environ = {"CDS_DATA": str(data), "PATH": "/usr/bin:/bin"}
    verified, replayed = (
        subprocess.run([*_CLI, "audit", *words], env=environ, capture_output=True, text=True, check=False)
        for words in (["verify"], ["replay", "--json"])
    )
    if verified.returncode:
        said.append(f"audit verify: {verified.stdout[-1000:]}{verified.stderr[-1000:]}")
    counts: Counter[str] = Counter(json.loads(replayed.stdout)["counts"]) if replayed.stdout else Counter()
    if replayed.returncode:
        said.append(f"audit replay: {replayed.stdout[-1000:]}{replayed.stderr[-1000:]}")
    return Outcome(told, moments, counts.total(), counts, said)


def _line(moment: Moment) -> str:
    each = " ".join(f"{size:.1f}" for size in moment.resident.values())
    total = sum(moment.resident.values())
    return f"{moment.answers:8,} answers  {total:8.1f} MB ({each})  {moment.files:4} open files"


@click.command()
@click.option("--requests", default=60_000, show_default=True, type=click.IntRange(10))
def main(requests: int) -> None:
    """Exit code 1: an answer that is not the expected one or no 200, a process that ended or that grew by more than
    10 MB after the first fifth, an answer without its record, or a record that decides otherwise."""
    require_proc()
    started = time.perf_counter()
    calls = asked()
    with tempfile.TemporaryDirectory(prefix="anakinra-cds-pages-") as pages:
        subprocess.run([*_CLI, "build", "--out", pages], check=True, stdout=subprocess.DEVNULL)
        outcome = run(requests, calls, Path(pages), show=True)
    for fault in outcome.faults:
        print(f"fault: {fault}")
    counts = ", ".join(f"{number} {name}" for name, number in outcome.replayed.items())
    print(
        f"{outcome.told.answers:,} answers to {len(calls)} cases, {outcome.told.feedback:,} items of feedback,"
        f" {outcome.records:,} records replayed ({counts}), in {time.perf_counter() - started:.0f} s:"
        f" {len(outcome.faults)} faults"
    )
    if outcome.faults:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
