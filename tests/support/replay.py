"""A stand-in for the service: answers of our choice, every request kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from cds_service.tools.replay.client import Reply
from cds_service.tools.replay.run import EXPLANATION

Request = Mapping[str, Any]


def card(decision: str, indicator: str = "info", **explained: Any) -> dict[str, Any]:
    """The least that a card needs to be reported."""
    return {
        "summary": f"{decision} it",
        "indicator": indicator,
        "source": {"label": "Test"},
        "extension": {EXPLANATION: {"decision": decision, **explained}},
    }


class FakeClient:
    """A client whose answer is the cards that `cards_for` gives for a request, or the reply itself."""

    def __init__(self, cards_for: Callable[[Request], list[dict[str, Any]] | Reply]) -> None:
        self.requests: list[tuple[str, Request]] = []
        self._cards_for = cards_for

    def services(self) -> list[dict[str, Any]]:
        """Two services with one template each."""
        prefetch = {"patient": "Patient/{{context.patientId}}"}
        return [{"hook": hook, "id": f"test-{hook}", "prefetch": prefetch} for hook in ("order-select", "order-sign")]

    def call(self, service_id: str, request: Request) -> Reply:
        """Keep the request and answer."""
        self.requests.append((service_id, request))
        found = self._cards_for(request)
        return found if isinstance(found, Reply) else Reply(200, {"cards": found}, 2.5)
