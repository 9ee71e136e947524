"""A service as a CDS client learns it: by its discovery, with whatever prefetch it asks for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cds_service.tools.replay import bundles
from cds_service.tools.replay.calls import build_call
from cds_service.tools.replay.client import Client, ClientError, HttpClient, Reply
from cds_service.tools.replay.episode import Step
from cds_service.tools.replay.ours import OurClient
from cds_service.tools.replay.prefetch import TemplateError, answer

_TOKENS = {"context.patientId": "x", "context.userId": "Practitioner/x", "context.encounterId": "x"}


class Asked:
    """One service, whoever made it. `left_out` are prefetch keys that cannot be answered from a chart: as an EHR that
    does not know a search, the replay sends nothing for them."""

    def __init__(self, name: str, client: Client) -> None:
        self.name = name
        self.client = client
        self.left_out: dict[str, str] = {}
        self._services: dict[str, dict[str, Any]] = {}

    @property
    def ours(self) -> OurClient | None:
        """The client, where it is this service in this process."""
        return self.client if isinstance(self.client, OurClient) else None

    def discover(self) -> None:
        """Learn the services, the first for each hook; raises ClientError."""
        for service in self.client.services():
            hook = str(service.get("hook"))
            if "id" in service:
                self._services.setdefault(hook, {"id": str(service["id"]), "prefetch": self._answerable(service)})

    def _answerable(self, service: Mapping[str, Any]) -> dict[str, str]:
        asked = service.get("prefetch")
        found: dict[str, str] = {}
        for key, template in (asked if isinstance(asked, Mapping) else {}).items():
            try:
                answer({key: template}, [], "x", context=_TOKENS)
            except TemplateError as error:
                self.left_out[f"{service['id']}: {key}"] = str(error)
            else:
                found[str(key)] = str(template)
        return found

    def ask(self, chart: bundles.Chart, step: Step) -> Reply:
        """One question about a chart; raises ClientError where the service has none for the hook."""
        if step.hook not in self._services:
            there = ", ".join(self._services) or "none"
            raise ClientError(f"{self.name}: discovery has no entry for hook {step.hook}; there are: {there}")
        service = self._services[step.hook]
        call = build_call(chart, hook=step.hook, templates=service["prefetch"], draft=step.drafts, at=step.at)
        return self.client.call(service["id"], call)


@dataclass(frozen=True, slots=True)
class Respondents:
    """Who is asked about whom: the first service about everybody but the patients of `by_patient`."""

    services: tuple[Asked, ...]
    by_patient: Mapping[str, Asked] = field(default_factory=dict)

    def of(self, patient: str) -> Asked:
        """Who is asked about a patient."""
        return self.by_patient.get(patient, self.services[0])

    @property
    def name(self) -> str:
        """All of their names."""
        return ", ".join(service.name for service in self.services)

    @property
    def ours(self) -> OurClient | None:
        """The first of them, where it is this service in this process: rules have the same words at each site."""
        return self.services[0].ours


def other(named: str, site: str, root: Path | None) -> Asked:
    """What `--against` names: the URL of a service, a folder with rules/ and cards/, or a site. Raises CdsError."""
    if named.startswith(("http://", "https://")):
        return Asked(named, HttpClient(named))
    path = Path(named)
    client = OurClient(site, path) if (path / "rules").is_dir() else OurClient(named, root)
    return Asked(client.name, client)
