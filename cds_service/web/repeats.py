"""What this process has just answered, so that the same answer on the same unchanged draft can be said briefly.

Kept in memory only, as hashes: an answer of another worker process is simply not remembered, and the whole text is
shown again, which harms nobody.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from cds_service.hook_call import HookCall
from cds_service.web.health import explanation

_MOST = 4096
# What must be the same for an answer to be the same, besides every fact that does not merely grow older.
_COMPARED = ("decision", "rule", "ruleVersion", "pathway", "dosePlan", "unknown", "flags")
_AGES = frozenset({"h", "d", "a"})


@dataclass(frozen=True, slots=True)
class _Shown:
    instance: bytes
    at: datetime
    answer: bytes


class Repeats:
    """Answers that were shown whole, newest last; safe to use from several threads."""

    def __init__(self, window: timedelta) -> None:
        self._window = window
        self._shown: OrderedDict[bytes, _Shown] = OrderedDict()
        self._lock = threading.Lock()

    def shown_at(self, call: HookCall, cards: Sequence[Mapping[str, Any]], now: datetime) -> datetime | None:
        """When the whole of this very answer was shown to this clinician; None where it is to be shown whole now.

        A call sent again with the same `hookInstance` is the same call, and gets the same whole answer.
        """
        if not cards:
            return None
        key, answer = _key(call), _digest([_compared(card) for card in cards])
        instance = _digest(call.hook_instance)
        with self._lock:
            before = self._shown.get(key)
            same = before is not None and before.answer == answer and timedelta(0) <= now - before.at <= self._window
            if before is not None and same:
                return None if before.instance == instance else before.at
            self._shown[key] = _Shown(instance, now, answer)
            self._shown.move_to_end(key)
            while len(self._shown) > _MOST:
                self._shown.popitem(last=False)
        return None


def _key(call: HookCall) -> bytes:
    """Who is ordering what for whom, at which step."""
    where = [call.fhir_server, call.encounter_id]
    return _digest([*where, call.hook, call.user_id, call.patient_id, call.selections, call.draft_orders])


def _compared(card: Mapping[str, Any]) -> list[Any]:
    said = explanation(card)
    facts = [
        [fact["name"], None if fact.get("unit") in _AGES else fact.get("value"), fact.get("from")]
        for fact in said.get("facts", ())
    ]
    return [card["indicator"], facts, *(said.get(name) for name in _COMPARED)]


# What is remembered of patients cannot be guessed back without this process's own key.
_SECRET = secrets.token_bytes(32)


def _digest(value: Any) -> bytes:
    text = json.dumps(value, sort_keys=True, default=str)
    return hashlib.blake2b(text.encode(), key=_SECRET, digest_size=16).digest()
