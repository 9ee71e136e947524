"""Ask a service at every moment of every truth: each difference is a fault of the generator or of the service."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from cds_service.chart.as_of import resource_at
from cds_service.chart.resource import Resource
from cds_service.shipped import find_examples
from cds_service.tools.replay.bundles import Chart, FileError, Problem, Source, read
from cds_service.tools.replay.calls import build_call
from cds_service.tools.replay.client import Client, LocalClient
from cds_service.tools.replay.expected import NO_CARD
from cds_service.tools.replay.run import explanation
from cds_service.tools.synth.truth import Moment, Truth, read_truths


@dataclass(frozen=True, slots=True)
class Compared:
    """One moment: what the truth allows and what the service decided, by which rule, in which words."""

    patient: str
    dialect: str
    at: str
    hook: str
    allowed: tuple[str, ...]
    decision: str
    rule: str
    summary: str
    why: str

    @property
    def agrees(self) -> bool:
        """The decision is one that the truth allows."""
        return self.decision in self.allowed

    def line(self) -> str:
        """One line for people."""
        wanted = " or ".join(self.allowed)
        return f"{self.patient} at {self.at} ({self.hook}): expected {wanted} ({self.why}); found {self.decision}" + (
            f" by {self.rule}: {self.summary}" if self.rule else ""
        )

    def told(self) -> dict[str, Any]:
        """All of it, for programs."""
        return asdict(self) | {"agrees": self.agrees}


@dataclass(slots=True)
class Services:
    """The services of the sites that truths name, each made when it is first asked; or one for all (`client`)."""

    client: Client | None = None
    _made: dict[str, tuple[Client, Mapping[str, Mapping[str, Any]]]] = field(default_factory=dict)

    def of(self, site: str) -> tuple[Client, Mapping[str, Mapping[str, Any]]]:
        """The client of a site, and its services by hook; raises ClientError."""
        name = "" if self.client else site
        if name not in self._made:
            client = self.client or LocalClient(site_path(site))
            self._made[name] = client, {str(service.get("hook")): service for service in client.services()}
        return self._made[name]


def site_path(site: str) -> str:
    """A site of the examples as the path of its folder; a shipped one as its id."""
    examples = find_examples()
    folder = examples / site if examples else None
    return str(folder) if folder and folder.is_dir() else site


def compare(folder: Path, services: Services, dialects: tuple[str, ...] = ()) -> Iterator[list[Compared]]:
    """Patient by patient, each moment compared; only of some dialects where these are named. Raises CdsError."""
    for truth in read_truths(folder):
        if not dialects or truth.dialect in dialects:
            chart = _chart(folder / f"{truth.patient}.json", truth.patient)
            yield [_compared(truth, moment, chart, services) for moment in truth.at]


def _chart(path: Path, patient: str) -> Chart:
    found = [each for each in read(Source(str(path), path)) if isinstance(each, Chart) and each.patient_id == patient]
    problems = [str(each) for each in read(Source(str(path), path)) if isinstance(each, Problem)] if not found else []
    if not found:
        raise FileError(f"{path}: expected the bundle of {patient}: {'; '.join(problems) or 'another patient'}")
    return found[0]


def _compared(truth: Truth, moment: Moment, chart: Chart, services: Services) -> Compared:
    client, offered = services.of(truth.site)
    service = offered[moment.hook]
    then = (resource_at(Resource(resource), moment.at) for resource in chart.resources)
    known = Chart(chart.patient_id, chart.story, tuple(dict(r.raw) for r in then if r is not None), chart.source)
    call = build_call(
        known, hook=moment.hook, templates=service.get("prefetch") or {}, draft=[moment.order], at=moment.at
    )
    reply = client.call(str(service["id"]), call)
    card = reply.body["cards"][0] if not reply.error and reply.body["cards"] else {}
    told = explanation(card)
    return Compared(
        patient=truth.patient,
        dialect=truth.dialect,
        at=moment.at.isoformat(),
        hook=moment.hook,
        allowed=moment.decisions,
        decision=f"error: {reply.error}" if reply.error else str(told.get("decision", "?")) if card else NO_CARD,
        rule=str(told.get("rule", "")),
        summary=str(card.get("summary", "")),
        why=moment.why,
    )
