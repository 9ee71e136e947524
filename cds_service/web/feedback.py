"""What clinicians did with cards: `POST /cds-services/<id>/feedback`, from HTTP to the store."""

from __future__ import annotations

import logging
import re
from collections.abc import Container
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from flask import Blueprint, Response

from cds_service.errors import CallError, StoreError
from cds_service.settings import Settings
from cds_service.store.entry import Feedback
from cds_service.store.store import Store
from cds_service.web import strict_json
from cds_service.web.body import body_of
from cds_service.web.members import UUID, moment, text, wrong
from cds_service.web.metrics import Metrics
from cds_service.web.outcome import answer, log_failure
from cds_service.web.requests import seconds

log = logging.getLogger(__name__)
_OUTCOME: Final = re.compile("accepted|overridden")
_NOT_EMPTY: Final = re.compile(r".*\S.*", re.DOTALL)
_MOST_ITEMS: Final = 500
_MOST_SUGGESTIONS: Final = 100
"""More would keep the store, which admits calls too, from its work for seconds."""
_LONGEST: Final = 2000
"""Characters of a text that are kept; what is written beyond is cut."""
# What no line of a list and not every database can hold.
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


class FeedbackPages:
    """The view of the services with these ids."""

    def __init__(self, services: Container[str], store: Store, metrics: Metrics, settings: Settings) -> None:
        self._services, self._store, self._metrics = services, store, metrics
        self._limit, self._comments = settings.max_body_bytes, settings.feedback_comments

    def blueprint(self) -> Blueprint:
        """`POST /cds-services/<id>/feedback`."""
        pages = Blueprint("feedback", __name__)
        pages.add_url_rule("/cds-services/<service_id>/feedback", view_func=self.take, methods=["POST"])
        return pages

    def take(self, service_id: str) -> Response:
        """Keep every item, or none."""
        if service_id not in self._services:
            raise CallError(404, "not-found", "url: no such service; GET /cds-services lists the services")
        items = read_feedback(body_of(self._limit), comments=self._comments)
        try:
            rules = self._store.feedback(service_id, items, datetime.now(UTC))
        except StoreError as error:
            log_failure(error)
            message = "The feedback could not be kept now, and nothing of it was: send it again in a moment."
            raise CallError(503, "transient", message) from error
        for item in items:
            self._metrics.feedback(service_id, item.outcome, rules.get(item.card))
        told = {
            "service": service_id,
            "status": 200,
            "ms": round(seconds() * 1000, 1),
            "items": len(items),
            "unknown": len({item.card for item in items} - rules.keys()),
        }
        log.info("feedback", extra={"told": told})
        return answer({})


def read_feedback(body: bytes, *, comments: bool) -> list[Feedback]:
    """The items of a post, each proven. Raises CallError(400) where one of them is malformed."""
    sent = strict_json.read(body).get("feedback")
    if not isinstance(sent, list):
        raise wrong("feedback", "an array of items of feedback", sent is not None)
    if len(sent) > _MOST_ITEMS:
        raise CallError(413, "too-long", f"feedback: too many items in one post; expected at most {_MOST_ITEMS}")
    return [_item(raw, f"feedback[{number}]", comments) for number, raw in enumerate(sent)]


def _item(raw: msgspec.Raw, path: str, comments: bool) -> Feedback:
    item = strict_json.parse(raw, path)
    if not isinstance(item, dict):
        raise wrong(path, "an object", True)
    card = text(item.get("card"), UUID, f"{path}.card", "the uuid of a card")
    outcome = text(item.get("outcome"), _OUTCOME, f"{path}.outcome", "accepted or overridden")
    at = moment(item.get("outcomeTimestamp"), f"{path}.outcomeTimestamp")
    card = card.lower().removeprefix("urn:uuid:")
    if outcome == "accepted":
        return Feedback(card, outcome, at, _accepted(item.get("acceptedSuggestions"), f"{path}.acceptedSuggestions"))
    return _overridden(Feedback(card, outcome, at), item.get("overrideReason"), f"{path}.overrideReason", comments)


def _accepted(value: Any, path: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not 0 < len(value) <= _MOST_SUGGESTIONS:
        expected = f"1 to {_MOST_SUGGESTIONS} objects with the id of a suggestion"
        raise wrong(path, expected, value is not None)
    ids = [each.get("id") if isinstance(each, dict) else None for each in value]
    told = enumerate(ids)
    return tuple(_kept(text(i, _NOT_EMPTY, f"{path}[{n}].id", "the uuid of a suggestion")) for n, i in told)


def _overridden(item: Feedback, value: Any, path: str, comments: bool) -> Feedback:
    """With the reason: a Coding, a comment, or both; many clients send none."""
    if value is None:
        return item
    if not isinstance(value, dict):
        raise wrong(path, "an object", True)
    reason, comment = value.get("reason"), value.get("userComment")
    if comment is not None and not isinstance(comment, str):
        raise wrong(f"{path}.userComment", "a string", True)
    comment = _kept(comment or "") if comments else ""
    if reason is None:
        return Feedback(item.card, item.outcome, item.at, comment=comment)
    if not isinstance(reason, dict):
        raise wrong(f"{path}.reason", "a Coding", True)
    code = text(reason.get("code"), _NOT_EMPTY, f"{path}.reason.code", "a code")
    more = {name: reason.get(name) for name in ("system", "display")}
    for name, each in more.items():
        if not isinstance(each, str | None):
            raise wrong(f"{path}.reason.{name}", "a string", True)
    system, display = (_kept(more[name] or "") for name in ("system", "display"))
    return Feedback(item.card, item.outcome, item.at, (), system, _kept(code), display, comment)


def _kept(said: str) -> str:
    return _CONTROL.sub(" ", said)[:_LONGEST].strip()
