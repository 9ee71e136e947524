"""`anakinra-cds synth`: make synthetic CAR-T patients with the truth beside each,"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import click

from cds_service.tools.synth.dialect import dialects as all_dialects
from cds_service.tools.synth.export import Format, made_empty, write
from cds_service.tools.synth.figures import figures
from cds_service.tools.synth.patients import patient_of
from cds_service.tools.synth.policy import policy

_NOTE_EVERY_SECONDS: Final = 2.0
_ALL: Final = "all"


@click.command("synth")
@click.option("--n", "count", type=click.IntRange(min=1), default=100, show_default=True, help="How many patients.")
@click.option("--seed", type=click.IntRange(min=0), default=7, show_default=True, help="The same seed, the same bytes.")
@click.option(
    "--out", required=True, type=click.Path(path_type=Path, file_okay=False), help="New or empty folder to write to."
)
@click.option(
    "--dialect",
    "names",
    multiple=True,
    type=click.Choice([*all_dialects(), _ALL]),
    help="How charts are written; several take turns. Default: all.",
)
@click.option(
    "--dirt", type=click.FloatRange(0, 1), default=0.0, show_default=True, help="Share of resources that are dirty."
)
@click.option("--format", "format_", type=click.Choice(["bundle", "ndjson"]), default="bundle", show_default=True)
def command(
    *,
    count: int,
    seed: int,
    out: Path,
    names: tuple[str, ...],
    dirt: float,
    format_: Format,
) -> None:
    """Make synthetic CAR-T patients, as FHIR R4 in several dialects, with the truth beside each.

    The truth says at which moments somebody orders anakinra and what may be answered, written from the course itself.
    Patient k is the same whatever --n is. Nobody lives behind them, and no figure in them is epidemiology.
    """
    chosen = () if _ALL in names else names
    made_empty(out)
    told = [all_dialects()[name] for name in chosen or all_dialects()]
    patients = (patient_of(figures(), policy(), told, seed, number, dirt) for number in range(count))
    size = sum(_noted(write(patients, out, format_), count))
    click.echo(f"{out}: {count} patients, {size / count / 1024:.0f} KiB each; seed {seed}, dirt {dirt:g}")


def _noted(sizes: Iterable[int], total: int) -> Iterator[int]:
    """The same; a line on stderr every few seconds says how many patients are written."""
    last = time.monotonic()
    for done, size in enumerate(sizes, 1):
        yield size
        if time.monotonic() - last >= _NOTE_EVERY_SECONDS and done < total:
            last = time.monotonic()
            click.echo(f"synth: {done} of {total} patients", err=True)
