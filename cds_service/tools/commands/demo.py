"""`anakinra-cds demo`: start the real service, ask it about every example patient, and show its cards."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
import webbrowser
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import click

from cds_service.errors import CdsError
from cds_service.shipped import find_examples
from cds_service.tools.replay.bundles import sources
from cds_service.tools.replay.client import HttpClient
from cds_service.tools.replay.expected import Expectation, load_expected
from cds_service.tools.replay.report import error_lines, summary
from cds_service.tools.replay.run import Replay, Result
from cds_service.tools.replay.show import card_lines

_START_SECONDS = 60.0
_STOP_SECONDS = 15.0
_ANNOUNCED = "listening on "


class DemoError(CdsError):
    """The demonstration cannot run; the message says what to do."""


@click.command("demo")
@click.option(
    "--examples",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="Folder with patients/ and expected.yaml. Default: examples/ of the checkout, else the installed ones.",
)
@click.option("--patient", "only", multiple=True, metavar="ID", help="Only this patient (may be repeated), whole.")
@click.option("--all", "everything", is_flag=True, help="The cards of every patient whole.")
@click.option("--open", "workbench", is_flag=True, help="Open the workbench in a browser instead, until Ctrl-C.")
def command(*, examples: Path | None, only: tuple[str, ...], everything: bool, workbench: bool) -> None:
    """Show the cards of one example patient, and of each other one what the first card says.

    Starts the service on a free port of this machine, asks it as an EHR would, at the time of each example, and
    compares its answers with those expected. Exit code 0 only where all are as expected.
    """
    if workbench:
        _open_workbench()
        return
    folder = examples or find_examples()
    if folder is None:
        raise DemoError("no example patients beside the package; name the folder that holds them with --examples")
    expected = load_expected(folder / "expected.yaml")
    if only:
        expected = _chosen(expected, only)
    found, problems = sources([folder / "patients"])
    told_in = {patient_id: place for place, patient_id in enumerate(expected)}
    found = [source for source in found if not only or Path(source.name).stem in only]
    found.sort(key=lambda source: told_in.get(Path(source.name).stem, len(told_in)))
    with running_service() as url:
        client = HttpClient(url, trust_env=False)
        replay = Replay(client, expected=expected, problems=problems)
        click.echo(f"The service answers at {url}\n")
        for number, source in enumerate(found):
            for result in replay.replay(source):
                if only or everything or number == 0:
                    show(result, expected.get(result.chart.patient_id))
                else:
                    click.echo(line(result, expected.get(result.chart.patient_id)))
        client.close()
    raise SystemExit(0 if _tell(replay) else 1)


def _open_workbench() -> None:
    """A service of its own whose feedback is kept until it ends, and a browser that shows its workbench."""
    with tempfile.TemporaryDirectory(prefix="anakinra-cds-demo-") as data, running_service(CDS_DATA=data) as url:
        click.echo(f"The workbench is at {url}/workbench\nCtrl-C stops it.")
        webbrowser.open(f"{url}/workbench")
        with suppress(KeyboardInterrupt):
            signal.pause()


def _chosen(expected: Mapping[str, Expectation], only: tuple[str, ...]) -> dict[str, Expectation]:
    missing = [patient_id for patient_id in only if patient_id not in expected]
    if missing:
        raise DemoError(f"no example patient {', '.join(missing)}; there are: {', '.join(expected)}")
    return {patient_id: expected[patient_id] for patient_id in only}


# ---------------------------------------------------------------- what is shown


def show(result: Result, expected: Expectation | None) -> None:
    """One patient: the story, the cards, and whether they are as expected."""
    click.secho(f"{result.chart.patient_id}: {result.chart.story}", bold=True)
    when = f" at {result.at.isoformat()}" if result.at else ""
    click.secho(f"{result.hook}{when}, {len(result.chart.resources)} resources", dim=True)
    if expected and expected.withhold:
        click.secho(f"not readable: {', '.join(expected.withhold)}", dim=True)
    if result.reply.error:
        click.secho(result.reply.error, fg="red", bold=True)
    elif not result.cards:
        click.secho("(no card: the service stays silent)", dim=True)
    for card in result.cards:
        _show_card(card)
    for difference in result.differences:
        click.secho(f"✗ {difference}", fg="red", bold=True)
    if expected and not result.differences:
        click.secho("✓ as expected", fg="green")
    click.echo()


def _show_card(card: Mapping[str, Any]) -> None:
    """Framed on a terminal; elsewhere as plain lines."""
    if not sys.stdout.isatty():
        click.echo("\n".join(card_lines(card)))
        return
    from rich.console import Console

    from cds_service.tools.replay.panel import card_panel

    Console(highlight=False).print(card_panel(card))


def line(result: Result, expected: Expectation | None) -> str:
    """One patient in one line: whether it is as expected, who it is, and what the first card says."""
    mark = "?" if expected is None else "✗" if result.differences or result.reply.error else "✓"
    said = result.cards[0].get("summary", "") if result.cards else result.reply.error or "(no card)"
    return f"{mark} {result.chart.patient_id:<26}{result.decision:<20}{said}"


def _tell(replay: Replay) -> bool:
    errors = error_lines(replay)
    for each in errors:
        click.echo(f"error: {each}", err=True)
    wrong = [result.chart.patient_id for result in replay.results if result.differences] + replay.missing()
    click.echo(f"\n{summary(replay)}, {replay.agreed()} of {len(replay.expected)} as expected")
    if wrong:
        click.secho(f"not as expected: {', '.join(wrong)}", fg="red", bold=True)
    return not wrong and not errors


# ---------------------------------------------------------------- the service


@contextmanager
def running_service(**settings: str) -> Iterator[str]:
    """The base URL of a service of our own on a free loopback port, stopped at the end; raises DemoError.

    Nothing is recorded unless `settings` name a folder for it."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("CDS_")}
    environment = own | {"CDS_ALLOW_EVALUATION_TIME": "on", "CDS_LOG_LEVEL": "WARNING", "CDS_WORKBENCH": "on"}
    environment |= settings or {"CDS_STORE": "off"}
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
