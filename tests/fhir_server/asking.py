"""Asking the service, with a FHIR server in the call; and comparing what it says."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from cds_service.tools.replay.client import HttpClient
from tests.support.cards import explanation
from tests.support.live import live_service

# Must never be seen but in the Authorization header that the call's own FHIR server gets.
CANARY = "canary-5f0c3a9e-token"
LIMIT_S = 4.5


@dataclass(frozen=True, slots=True)
class Answer:
    """What the service said, and after how many seconds."""

    status: int
    body: Any
    seconds: float

    @property
    def decision(self) -> str:
        """That of the first card; `no-card`, or the HTTP status, where there is none."""
        if self.status != 200:
            return str(self.status)
        return str(explanation(self.body["cards"][0])["decision"]) if self.body["cards"] else "no-card"

    @property
    def cards(self) -> Any:
        """The cards without what is drawn anew for every answer."""
        assert self.status == 200, self.body
        return plain(self.body["cards"])

    @property
    def text(self) -> str:
        """All of it."""
        return str(self.body)


class Asker:
    """A client of one running service."""

    def __init__(self, client: HttpClient) -> None:
        self._client = client
        self._services = {entry["hook"]: entry for entry in client.services()}

    def templates(self, hook: str = "order-select") -> Mapping[str, str]:
        """The prefetch templates of a hook."""
        found: Mapping[str, str] = self._services[hook]["prefetch"]
        return found

    def ask(self, call: Mapping[str, Any]) -> Answer:
        """Send one call."""
        start = time.monotonic()
        reply = self._client.call(self._services[call["hook"]]["id"], call)
        return Answer(reply.status, reply.body, time.monotonic() - start)


@contextmanager
def service(work: Path, *origins: str, extend: str = "us", folder: Path | None = None) -> Iterator[Asker]:
    """A running service at a site that trusts these FHIR servers and is otherwise a shipped one or a folder."""
    if folder is None:
        path = work / f"site-{extend}.yaml"
        path.write_text(yaml.safe_dump({"extend": extend, "fhirServers": list(origins)}), encoding="utf-8")
    else:
        path = work / folder.name
        shutil.copytree(folder, path)
        with (path / "site.yaml").open("a", encoding="utf-8") as file:
            file.write(yaml.safe_dump({"fhirServers": list(origins)}))
    with live_service(str(path)) as url:
        client = HttpClient(url, trust_env=False)
        try:
            yield Asker(client)
        finally:
            client.close()


def offering(call: Mapping[str, Any], server: str, token: str = CANARY, **more: Any) -> dict[str, Any]:
    """The call with a FHIR server and a token for it."""
    authorization = {
        "access_token": token,
        "token_type": "Bearer",
        "expires_in": 300,
        "scope": "patient/*.read",
        "subject": "cds-service",
    } | more
    return {**call, "fhirServer": server, "fhirAuthorization": authorization}


def plain(value: Any) -> Any:
    """A copy without any `uuid`."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items() if key != "uuid"}
    return [plain(item) for item in value] if isinstance(value, list) else value


def lacking(answer: Answer) -> str:
    """Why facts are unknown, by all cards."""
    cards = answer.body["cards"]
    return "; ".join(item["why"] for card in cards for item in explanation(card).get("unknown", ()))
