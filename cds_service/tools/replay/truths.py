"""The steps that truths ask for: when somebody orders what, and what may be answered (`tools/synth/truth.py`)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from cds_service.chart.resource import Resource
from cds_service.shipped import find_examples
from cds_service.tools.replay.asking import Asked, Respondents
from cds_service.tools.replay.episode import Step
from cds_service.tools.replay.ours import OurClient
from cds_service.tools.synth.truth import Moment, Truth, read_truth, read_truths


def truths(path: Path) -> dict[str, Truth]:
    """Patient -> what is true, of a file or of a folder; raises TruthError."""
    return {truth.patient: truth for truth in (read_truths(path) if path.is_dir() else (read_truth(path),))}


def steps_of(truth: Truth) -> tuple[Step, ...]:
    """The questions about a patient, each with what is right."""
    return tuple(map(_step, truth.at))


def at_own_sites(told: Mapping[str, Truth], root: Path | None) -> Respondents:
    """This service at each site that a truth names, asked about the patients of that site. Raises CdsError."""
    clients = {site: OurClient(site_path(site), root) for site in dict.fromkeys(truth.site for truth in told.values())}
    services = {site: Asked(client.name, client) for site, client in clients.items()}
    return Respondents(tuple(services.values()), {patient: services[truth.site] for patient, truth in told.items()})


def site_path(site: str) -> str:
    """A site of the examples as the path of its folder; a shipped one as its id."""
    examples = find_examples()
    folder = examples / site if examples else None
    return str(folder) if folder and folder.is_dir() else site


def _step(moment: Moment) -> Step:
    words = Resource(moment.order).concept.label
    return Step(moment.at, moment.hook, (dict(moment.order),), words, expected=moment.decisions)
