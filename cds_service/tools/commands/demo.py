"""`anakinra-cds demo`: start the real service, ask it about every example patient, and show its cards."""

from __future__ import annotations

import os
import selectors
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import click
from rich.console import Console
from rich.markup import escape

from cds_service.errors import CdsError
from cds_service.tools.replay.bundles import sources
from cds_service.tools.replay.client import HttpClient
from cds_service.tools.replay.expected import Expectation, load_expected
from cds_service.tools.replay.report import error_lines, summary
from cds_service.tools.replay.run import Replay, Result
from cds_service.tools.replay.show import card_panel

_START_SECONDS = 60.0
_STOP_SECONDS = 15.0
_NARROWEST = 100  # columns
_ANNOUNCED = "listening on "


class DemoError(CdsError):
    """The demonstration cannot run; the message says what to do."""


@click.command("demo")
@click.option(
    "--examples",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="Folder with patients/ and expected.yaml. Default: examples/ of the checkout.",
)
@click.option("--patient", "only", multiple=True, metavar="ID", help="Only this patient (may be repeated).")
def command(*, examples: Path | None, only: tuple[str, ...]) -> None:
    """Show the cards of every example patient.

    Starts the service on a free port of this machine, asks it as an EHR would, at the time of each example, and
    compares its answers with those expected. Exit code 0 only where all are as expected.
    """
    folder = examples or find_examples()
    expected = load_expected(folder / "expected.yaml")
    if only:
        expected = _chosen(expected, only)
    found, problems = sources([folder / "patients"])
    told_in = {patient_id: place for place, patient_id in enumerate(expected)}
    found.sort(key=lambda source: told_in.get(Path(source.name).stem, len(told_in)))
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=max(console.width, _NARROWEST))
    with running_service() as url:
        client = HttpClient(url, trust_env=False)
        replay = Replay(client, expected=expected, problems=problems)
        console.print(f"The service answers at {url}\n")
        for source in found:
            if only and Path(source.name).stem not in only:
                continue
            for result in replay.replay(source):
                show(console, result, expected.get(result.chart.patient_id))
        client.close()
    raise SystemExit(0 if _tell(console, replay) else 1)


def find_examples() -> Path:
    """`examples/` beside the package in a checkout; an installed package has none."""
    folder = Path(__file__).resolve().parents[3] / "examples"
    if (folder / "patients").is_dir() and (folder / "expected.yaml").is_file():
        return folder
    raise DemoError(
        "the example patients are not part of the installed package; run `anakinra-cds demo` in a checkout of the "
        "source (`make demo`), or name the folder that holds them: `anakinra-cds demo --examples path/to/examples`"
    )


def _chosen(expected: Mapping[str, Expectation], only: tuple[str, ...]) -> dict[str, Expectation]:
    missing = [patient_id for patient_id in only if patient_id not in expected]
    if missing:
        raise DemoError(f"no example patient {', '.join(missing)}; there are: {', '.join(expected)}")
    return {patient_id: expected[patient_id] for patient_id in only}


# ---------------------------------------------------------------- what is shown


def show(console: Console, result: Result, expected: Expectation | None) -> None:
    """One patient: the story, the cards, and whether they are as expected."""
    console.rule(f"[bold]{escape(result.chart.patient_id)}[/]", align="left")
    console.print(result.chart.story, style="bold", markup=False)
    when = f" at {result.at.isoformat()}" if result.at else ""
    console.print(f"{result.hook}{when}, {len(result.chart.resources)} resources", style="dim", markup=False)
    if expected and expected.withhold:
        console.print(f"not readable: {', '.join(expected.withhold)}", style="dim", markup=False)
    if result.reply.error:
        console.print(result.reply.error, style="bold red", markup=False)
    elif not result.cards:
        console.print("(no card: the service stays silent)", style="dim", markup=False)
    for card in result.cards:
        console.print(card_panel(card))
    for difference in result.differences:
        console.print(f"✗ {difference}", style="bold red", markup=False)
    if expected and not result.differences:
        console.print("✓ as expected", style="green")
    console.print()


def _tell(console: Console, replay: Replay) -> bool:
    errors = error_lines(replay)
    for line in errors:
        click.echo(f"error: {line}", err=True)
    wrong = [result.chart.patient_id for result in replay.results if result.differences] + replay.missing()
    console.rule()
    console.print(f"{summary(replay)}, {replay.agreed()} of {len(replay.expected)} as expected", markup=False)
    if wrong:
        console.print(f"not as expected: {', '.join(wrong)}", style="bold red", markup=False)
    return not wrong and not errors


# ---------------------------------------------------------------- the service


@contextmanager
def running_service() -> Iterator[str]:
    """The base URL of a service of our own on a free loopback port, stopped at the end; raises DemoError."""
    environment = os.environ | {"CDS_ALLOW_EVALUATION_TIME": "1", "CDS_SITE": "us", "CDS_LOG_LEVEL": "WARNING"}
    serve = [sys.executable, "-m", "cds_service.cli", "serve", "--host", "127.0.0.1", "--port", "0"]
    with tempfile.TemporaryFile("w+", encoding="utf-8") as log:
        process = subprocess.Popen([*serve, "--workers", "1"], env=environment, stdout=subprocess.PIPE, stderr=log)
        try:
            yield _announced_url(process, log)
        finally:
            process.terminate()
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.stdout:
                process.stdout.close()


def _announced_url(process: subprocess.Popen[bytes], log: IO[str]) -> str:
    """The URL that the service prints once it is ready."""
    assert process.stdout is not None
    deadline, said = time.monotonic() + _START_SECONDS, b""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while (left := deadline - time.monotonic()) > 0 and selector.select(left):
            chunk = os.read(process.stdout.fileno(), 4096)
            if not chunk:
                break
            said += chunk
            for line in said.decode().split("\n")[:-1]:
                if line.startswith(_ANNOUNCED):
                    return line.removeprefix(_ANNOUNCED).strip()
    log.seek(0)
    reason = log.read().strip()[-2000:]
    raise DemoError(f"the service did not start: {reason or 'it said nothing'}")
