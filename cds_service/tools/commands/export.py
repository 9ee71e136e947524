"""`anakinra-cds export`: write the knowledge as FHIR R4 resources for other systems."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from cds_service.knowledge import load
from cds_service.tools.export import TYPES, bundle, canonical, checked, text
from cds_service.tools.options import knowledge_options


@click.command("export")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for one file for each resource, <Type>/<id>.json; it is made where it does not exist.",
)
@click.option(
    "--bundle",
    "bundle_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File for all resources as one Bundle of type collection.",
)
@knowledge_options
def command(out: Path | None, bundle_file: Path | None, root: Path | None, site: str) -> None:
    """Write the knowledge as FHIR R4 resources.

    Rules become PlanDefinitions, regimens and monitoring orders ActivityDefinitions, value sets ValueSets, facts and
    policies Libraries; what FHIR has no element for is in extensions, whose StructureDefinitions are written too.

    Nothing is written unless every resource is valid. The same knowledge gives the same bytes. In --out, resources of
    an earlier export whose rule or value set is gone are removed; other files are left alone.

    Example: anakinra-cds export --out fhir --bundle knowledge.json --site eu
    """
    if out is None and bundle_file is None:
        raise click.UsageError("Name where to write: --out DIR, --bundle FILE, or both.")
    knowledge = load(root, site)
    resources = checked(knowledge)
    removed = 0
    try:
        if out is not None:
            files = {out / each["resourceType"] / f"{each['id']}.json": text(each) for each in resources}
            for path, content in files.items():
                _write(path, content)
            removed = _remove_others(out, files)
        if bundle_file is not None:
            _write(bundle_file, text(bundle(knowledge, resources)))
    except OSError as error:
        raise click.ClickException(
            f"{error.filename}: cannot be written: {error.strerror}; name another place with --out or --bundle"
        ) from error
    _say(resources, knowledge.digest, knowledge.site.id, removed)


def _write(path: Path, content: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8", newline="\n")


def _remove_others(out: Path, written: Iterable[Path]) -> int:
    """Remove resources of ours that were not written now: how many there were."""
    kept = set(written)
    stale = [path for kind in TYPES for path in (out / kind).glob("*.json") if path not in kept and _is_ours(path)]
    for path in stale:
        path.unlink()
    return len(stale)


def _is_ours(path: Path) -> bool:
    """Whether a file holds the resource that this command would write there."""
    try:
        resource: Any = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return False
    return isinstance(resource, dict) and resource.get("url") == canonical(path.parent.name, path.stem)


def _say(resources: Iterable[dict[str, Any]], digest: str, site: str, removed: int) -> None:
    counts = Counter(resource["resourceType"] for resource in resources)
    for kind, count in sorted(counts.items()):
        click.echo(f"{count:5} {kind}")
    gone = f", {removed} removed" if removed else ""
    click.echo(f"{counts.total():5} valid FHIR R4 resources of knowledge {digest} at site {site}{gone}")
