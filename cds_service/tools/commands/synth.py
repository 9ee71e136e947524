"""`anakinra-cds synth`: make synthetic CAR-T patients with the truth beside each, or compare a service with it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, TypeVar

import click

from cds_service.tools.options import json_option
from cds_service.tools.printing import echo_json
from cds_service.tools.replay.client import HttpClient
from cds_service.tools.synth.check import Compared, Services, compare
from cds_service.tools.synth.dialect import dialects as all_dialects
from cds_service.tools.synth.export import Format, made_empty, write
from cds_service.tools.synth.figures import figures
from cds_service.tools.synth.patients import patient_of
from cds_service.tools.synth.policy import policy
from cds_service.tools.synth.truth import read_truths

_NOTE_EVERY_SECONDS: Final = 2.0
_ALL: Final = "all"
_Each = TypeVar("_Each")


@click.command("synth")
@click.option("--n", "count", type=click.IntRange(min=1), default=100, show_default=True, help="How many patients.")
@click.option("--seed", type=click.IntRange(min=0), default=7, show_default=True, help="The same seed, the same bytes.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="New or empty folder to write to.")
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
@click.option(
    "--check",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    metavar="DIR",
    help="Make nothing: ask a service at every moment of the truths in DIR (bundles), and compare.",
)
@click.option(
    "--url", metavar="URL", help="With --check: a running service; without it, in this process, at each site."
)
@json_option
def command(
    *,
    count: int,
    seed: int,
    out: Path | None,
    names: tuple[str, ...],
    dirt: float,
    format_: Format,
    check: Path | None,
    url: str | None,
    as_json: bool,
) -> None:
    """Make synthetic CAR-T patients, as FHIR R4 in several dialects, with the truth beside each; or --check a folder.

    The truth says at which moments somebody orders anakinra and what may be answered, written from the course itself.
    Patient k is the same whatever --n is. Nobody lives behind them, and no figure in them is epidemiology.

    --check: exit code 1 where a decision is none that the truth allows. Local codes and Japanese words are understood
    only at their example sites: with --url, name the dialects of the service's site. --json: a list of
    {patient, dialect, at, hook, allowed, decision, rule, summary, why, agrees}.
    """
    if (out is None) == (check is None):
        raise click.UsageError("name one of --out DIR (make patients) and --check DIR (compare with their truth).")
    chosen = () if _ALL in names else names
    if check is not None:
        raise SystemExit(0 if _compare(check, url, chosen, as_json) else 1)
    assert out is not None
    made_empty(out)
    told = [all_dialects()[name] for name in chosen or all_dialects()]
    patients = (patient_of(figures(), policy(), told, seed, number, dirt) for number in range(count))
    size = sum(_noted(write(patients, out, format_), count, "patients"))
    click.echo(f"{out}: {count} patients, {size / count / 1024:.0f} KiB each; seed {seed}, dirt {dirt:g}")


def _compare(folder: Path, url: str | None, dialects: tuple[str, ...], as_json: bool) -> bool:
    services = Services(HttpClient(url) if url else None)
    total = sum(1 for truth in read_truths(folder) if not dialects or truth.dialect in dialects)
    found: list[Compared] = []
    for compared in _noted(compare(folder, services, dialects), total, "patients"):
        found += compared
        for each in compared:
            if not each.agrees and not as_json:
                click.echo(f"not as the truth: {each.line()}")
    wrong = [each for each in found if not each.agrees]
    if as_json:
        echo_json([each.told() for each in found])
        return not wrong
    decisions = ", ".join(f"{name} {n}" for name, n in Counter(each.decision for each in found).most_common())
    click.echo(f"{total} patients, {len(found)} moments, {len(found) - len(wrong)} as the truth; {decisions}")
    return not wrong


def _noted(each: Iterable[_Each], total: int, what: str) -> Iterator[_Each]:
    """The same; a line on stderr every few seconds says how far it is."""
    last = time.monotonic()
    for done, item in enumerate(each, 1):
        yield item
        if time.monotonic() - last >= _NOTE_EVERY_SECONDS and done < total:
            last = time.monotonic()
            click.echo(f"synth: {done} of {total} {what}", err=True)
