"""`make load`: slow FHIR servers, slow clients, too many calls, and workers that hang or crash, at a served service.

Each case prints what it measured beside its goal. Everything is on this machine's loopback. Timings are of a machine
whose clients, FHIR server and service share its processors.
"""

from __future__ import annotations

import argparse
import asyncio
import copy
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from benchmarks.charts import SERVICE_ID, Calls
from benchmarks.process import children, cpu_seconds, open_files, require_proc
from benchmarks.slow_clients import Answer, Held, ask, held, keep_asking, request, spread
from benchmarks.slow_fhir import half_hanging
from benchmarks.torn import torn
from cds_service import knowledge
from cds_service.app import compiled
from cds_service.settings import Settings

_SERVE: Final = "from cds_service.cli import main; main()"
# The same service, in which the call of one patient never ends.
_SPINNING: Final = """
from cds_service.service import Service
answered = Service.assess
def assess(self, call, now):
    while call.patient_id == "spins":
        pass
    return answered(self, call, now)
Service.assess = assess
from cds_service.cli import main; main()
"""


@dataclass(slots=True)
class Served:
    """A running service: its port, and its processes."""

    port: int
    pid: int

    @property
    def workers(self) -> list[int]:
        """Process ids of its workers, oldest first."""
        return sorted(children(self.pid))


@dataclass(slots=True)
class Setting:
    """What the cases share: calls with everything in prefetch, and the FHIR server that hangs on observations."""

    body: bytes
    asking: bytes
    site: Path
    pages: Path
    rows: list[tuple[str, str, str, str, bool]] = field(default_factory=list)

    def row(self, case: str, what: str, found: str, goal: str, good: bool) -> None:
        """Print and keep one line of the table."""
        self.rows.append((case, what, found, goal, good))
        print(f"| {case} | {what} | {found} | {goal} | {'yes' if good else 'NO'} |", flush=True)


@contextmanager
def serving(setting: Setting, program: str = _SERVE, **environ: str) -> Iterator[Served]:
    """`anakinra-cds serve` with two workers and else its default settings."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CDS_")}
    with tempfile.TemporaryDirectory(prefix="load-data-") as data:
        mine = {"CDS_SITE": str(setting.site), "CDS_PAGES": str(setting.pages), "CDS_DATA": data}
        mine |= {"CDS_ALLOW_EVALUATION_TIME": "on", "CDS_LOG_LEVEL": "CRITICAL", **environ}
        words = [sys.executable, "-c", program, "serve", "--port", "0"]
        process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env={**kept, **mine})
        try:
            line = process.stdout.readline() if process.stdout else ""
            if not line.startswith("listening on "):
                sys.exit(f"error: the service did not start: {line}")
            served = Served(int(line.rsplit(":", 1)[1]), process.pid)
            while len(served.workers) < 2:
                time.sleep(0.05)
            time.sleep(3.0)  # until the second worker is warm too
            yield served
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()


def told(answers: Sequence[Answer]) -> str:
    """How many answers of which status, and the longest that each took."""
    counted = Counter(answer.status for answer in answers)
    slowest = {status: max(a.seconds for a in answers if a.status == status) for status in counted}
    return ", ".join(f"{n} x {status or 'lost'} (max {slowest[status]:.2f} s)" for status, n in sorted(counted.items()))


def longest(answers: Sequence[Answer]) -> float:
    """Seconds of the slowest answer."""
    return max((answer.seconds for answer in answers), default=0.0)


# ---------------------------------------------------------------- the cases


async def half_hanging_server(setting: Setting) -> None:
    """150 calls in three waves that need a FHIR server which hangs on observations; others have all in prefetch."""
    with serving(setting) as served:
        others = asyncio.create_task(keep_asking(served.port, request(setting.body), seconds=9.0, every=0.1))
        waves = []
        for wave in range(3):
            calls = [setting.asking.replace(b"/fhir", b"/%d-%d" % (wave, n)) for n in range(50)]
            waves += [asyncio.create_task(ask(served.port, request(call))) for call in calls]
            await asyncio.sleep(2.5)
        slow, plain = await asyncio.gather(*waves), await others
    silent = sum(answer.status == 200 and answer.cards == 0 for answer in slow)
    setting.row("a", "answers of calls that read from it", told(slow), "4.5 s, none lost", _within(slow, 4.5))
    setting.row("a", "of these 200 without a card", str(silent), "0", silent == 0)
    setting.row("a", "unrelated calls meanwhile", told(plain), "200 in 1 s", _all(plain, 200, 1.0))


async def many_connections(setting: Setting) -> None:
    """300 connections at once, a call on each; and who asks for /health and /ready meanwhile."""
    with serving(setting) as served:
        await spread(served.port, request(setting.body), connections=2, calls=5)
        probes = [
            asyncio.create_task(keep_asking(served.port, request(b"", path), seconds=2.0, every=0.1))
            for path in ("/health", "/ready")
        ]
        await asyncio.sleep(0.2)
        answers = await asyncio.gather(*(ask(served.port, request(setting.body)) for _ in range(300)))
        health = [answer for probe in probes for answer in await probe]
    good = _within(answers, 1.0) and {a.status for a in answers} <= {200, 503}
    setting.row("b", "300 connections at once", told(answers), "200 or 503 in 1 s", good)
    refused = sorted(answer.seconds for answer in answers if answer.status == 503)
    middle, most = (refused[len(refused) * part // 100] if refused else 0.0 for part in (50, 99))
    found = f"{len(refused)} x 503: half in {middle * 1000:.0f} ms, 99 % in {most * 1000:.0f} ms"
    setting.row("b", "how soon these were refused", found, "100 ms", bool(refused) and most <= 0.1)
    setting.row("b", "/health and /ready meanwhile", told(health), "200 in 1 s", _all(health, 200, 1.0))


async def half_headers(setting: Setting) -> None:
    """Other calls while 64 clients have sent half a header, or half a body, and say no more."""
    head = request(setting.body)
    halves = {"half headers": head[:60], "half bodies": head[: len(head) // 2], "silent": b""}
    for name, sent in halves.items():
        with serving(setting) as served:
            clients: Held = await held(served.port, sent, 64)
            await asyncio.sleep(0.3)
            others = await keep_asking(served.port, request(setting.body), seconds=4.0, every=0.1)
            clients.close()
        setting.row("c", f"calls beside 64 {name}", told(others), "200 in 1 s", _all(others, 200, 1.0))


async def keep_alive(setting: Setting) -> None:
    """The share of the work that each worker does for 8 connections that stay open."""
    with serving(setting) as served:
        workers = served.workers
        before = {pid: cpu_seconds(pid) for pid in workers}
        start = time.perf_counter()
        answers = await spread(served.port, request(setting.body), connections=8, calls=40)
        taken = time.perf_counter() - start
        used = [cpu_seconds(pid) - before[pid] for pid in workers]
    share = min(used) / sum(used)
    found = f"{share:.0%} of the work by the less busy; {len(answers) / taken:.0f} calls a second; {told(answers)}"
    setting.row("d", "8 keep-alive connections, 2 workers", found, ">= 35 %", share >= 0.35)


async def torn_requests(setting: Setting) -> None:
    """3,000 connections with requests that are cut or changed, and clients that go away: all is as before them."""
    with serving(setting, CDS_CALLS_PER_MINUTE="0") as served:
        await spread(served.port, request(setting.body), connections=8, calls=5)
        workers = served.workers
        before = [open_files(pid) for pid in workers]
        health = request(b"", "/health")
        await asyncio.to_thread(torn, served.port, (health, request(setting.body)), connections=3000)
        await asyncio.sleep(12.0)  # until whoever said half has been given up
        answer = await ask(served.port, request(setting.body))
        same = served.workers == workers
        more = max(open_files(pid) - count for pid, count in zip(workers, before, strict=True))
    found = f"{more} more open files, workers the same: {same}; then {told([answer])}"
    setting.row("c", "3,000 torn connections", found, "as before", same and more <= 8 and answer.status == 200)


async def hanging_worker(setting: Setting) -> None:
    """A call that never ends: its client is answered, others too, and its worker is replaced. A stopped one as well."""
    with serving(setting, _SPINNING, CDS_TIMEOUT="6") as served:
        workers = served.workers
        spinning = json.loads(setting.body)
        spinning["context"]["patientId"] = "spins"
        call = asyncio.create_task(ask(served.port, request(json.dumps(spinning).encode()), limit=20))
        others = await keep_asking(served.port, request(setting.body), seconds=14.0, every=0.2)
        hung = await call
        replaced = set(served.workers) != set(workers)
    setting.row("e", "the call that never ends", told([hung]), "an error in 4.5 s", _within([hung], 4.5))
    setting.row("e", "its worker was replaced (CDS_TIMEOUT=6)", str(replaced), "True", replaced)
    setting.row("e", "other calls meanwhile", told(others), "200 in 1 s", _all(others, 200, 1.0))
    with serving(setting, CDS_TIMEOUT="3") as served:
        stopped = served.workers[0]
        os.kill(stopped, signal.SIGSTOP)
        others = await keep_asking(served.port, request(setting.body), seconds=8.0, every=0.2)
        replaced = stopped not in served.workers and len(served.workers) == 2
    setting.row("e", "a stopped worker was replaced (CDS_TIMEOUT=3)", str(replaced), "True", replaced)
    failed = [answer for answer in others if answer.status != 200]
    setting.row("e", "other calls meanwhile", told(others), "at most 1 lost", len(failed) <= 1)


async def crash(setting: Setting) -> None:
    """SIGSEGV to the process that runs the C engine, while 16 connections call: how many calls were lost."""
    with serving(setting) as served:
        worker = served.workers[0]
        engines = [pid for parent in children(worker) for pid in children(parent)] or [worker]
        work = asyncio.create_task(spread(served.port, request(setting.body), connections=16, calls=15))
        await asyncio.sleep(1.0)
        os.kill(engines[0], signal.SIGSEGV)
        answers = await work
    lost = [answer for answer in answers if answer.status not in (200, 503)]
    unevaluated = sum(answer.unevaluated for answer in answers)
    found = f"{len(lost)} lost, {unevaluated} not evaluated; {told(answers)}"
    setting.row("e", "calls that a crash in the C engine cost", found, "at most 1", len(lost) + unevaluated <= 1)


def _within(answers: Sequence[Answer], seconds: float) -> bool:
    return all(answer.status and answer.seconds <= seconds for answer in answers)


def _all(answers: Sequence[Answer], status: int, seconds: float) -> bool:
    return bool(answers) and _within(answers, seconds) and {answer.status for answer in answers} == {status}


CASES: Final[Mapping[str, Callable[[Setting], Awaitable[None]]]] = {
    "fhir": half_hanging_server,
    "connections": many_connections,
    "halves": half_headers,
    "torn": torn_requests,
    "alive": keep_alive,
    "hang": hanging_worker,
    "crash": crash,
}


def _asking(body: bytes, origin: str) -> bytes:
    """The call without its prefetch, which offers a FHIR server instead."""
    call: dict[str, Any] = copy.deepcopy(json.loads(body))
    call["prefetch"] = {}
    call["fhirServer"] = f"{origin}/fhir"
    call["fhirAuthorization"] = {
        "access_token": "t",
        "token_type": "Bearer",
        "expires_in": 300,
        "scope": "patient/*.rs",
    }
    return json.dumps(call).encode()


def main() -> None:
    """Run the cases that are named, or all."""
    parser = argparse.ArgumentParser(prog="make load", description=__doc__)
    parser.add_argument("cases", nargs="*", choices=[*CASES, []], help="which of them; all where none is named")
    chosen = parser.parse_args().cases or list(CASES)
    require_proc()
    program = compiled(Settings(), knowledge.load(None, "us"))
    body = Calls(program.templates_of("order-select"), 60).repeated(1)
    with half_hanging() as origin, tempfile.TemporaryDirectory(prefix="load-") as folder:
        site, pages = Path(folder) / "load.yaml", Path(folder) / "pages"
        site.write_text(f"id: load\nextend: us\ntitle: Load\nfhirServers: ['{origin}']\n", encoding="utf-8")
        build = [sys.executable, "-c", _SERVE, "build", "--site", str(site), "--out", str(pages)]
        subprocess.run(build, check=True, stdout=subprocess.DEVNULL)
        setting = Setting(body, _asking(body, origin), site, pages)
        print(f"service {SERVICE_ID}, {len(body)} bytes a call\n\n| case | what | found | goal | met |")
        print("|---|---|---|---|---|", flush=True)
        for name in chosen:
            asyncio.run(CASES[name](setting))
    sys.exit(0 if all(good for *_, good in setting.rows) else 1)


if __name__ == "__main__":
    main()
