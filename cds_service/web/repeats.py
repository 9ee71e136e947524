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
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from cds_service.advice.model import Answer, Assessment, OrderAssessment
from cds_service.hook_call import HookCall

_MOST = 4096
_AGES = frozenset({"h", "d", "a"})


@dataclass(frozen=True, slots=True)
class _Shown:
    instance: bytes
    at: datetime
    answer: bytes


class Reminders:
    """Cautions that a clinician need not read again at every order; safe to use from several threads."""

    def __init__(self, windows: Mapping[str, float]) -> None:
        """`windows`: hours by the policy that a rule's `onceIn` names."""
        self._windows = windows
        self._given: OrderedDict[bytes, _Shown] = OrderedDict()
        self._lock = threading.Lock()

    def given(self, call: HookCall, assessment: Assessment) -> frozenset[str]:
        """The rules of this answer that reminded this clinician of the same in time; the others count as given now.

        A call sent again with the same `hookInstance` is the same call, and gets the same answer.
        """
        return frozenset(
            answer.rule.id
            for answer in assessment.answers
            if (window := answer.rule.finding.once_in) and self._was_given(call, answer, assessment.now, window)
        )

    def _was_given(self, call: HookCall, answer: Answer, now: datetime, window: str) -> bool:
        key = _digest([call.fhir_server, call.user_id, call.patient_id, answer.rule.id])
        shown = _Shown(_digest(call.hook_instance), now, _digest(_values(answer)))
        hours = timedelta(hours=self._windows[window])
        with self._lock:
            before = self._given.get(key)
            if before is not None and before.answer == shown.answer and timedelta(0) <= now - before.at < hours:
                return before.instance != shown.instance
            _remember(self._given, key, shown)
        return False


class Repeats:
    """Answers that were shown whole, newest last; safe to use from several threads."""

    def __init__(self, window: timedelta) -> None:
        self._window = window
        self._shown: OrderedDict[bytes, _Shown] = OrderedDict()
        self._lock = threading.Lock()

    def shown_at(self, call: HookCall, assessment: Assessment) -> datetime | None:
        """When the whole of this very answer was shown to this clinician; None where it is to be shown whole now.

        A call sent again with the same `hookInstance` is the same call, and gets the same whole answer.
        """
        if not assessment.answers:
            return None
        key, now = _key(call), assessment.now
        answer = _digest([_compared(answer, assessment.of(answer.occasion)) for answer in assessment.answers])
        instance = _digest(call.hook_instance)
        with self._lock:
            before = self._shown.get(key)
            same = before is not None and before.answer == answer and timedelta(0) <= now - before.at <= self._window
            if before is not None and same:
                return None if before.instance == instance else before.at
            _remember(self._shown, key, _Shown(instance, now, answer))
        return None


def _remember(shown: OrderedDict[bytes, _Shown], key: bytes, answer: _Shown) -> None:
    shown[key] = answer
    shown.move_to_end(key)
    while len(shown) > _MOST:
        shown.popitem(last=False)


def _key(call: HookCall) -> bytes:
    """Who is ordering what for whom, at which step."""
    where = [call.fhir_server, call.encounter_id]
    return _digest([*where, call.hook, call.user_id, call.patient_id, call.selections, call.draft_orders])


def _compared(answer: Answer, order: OrderAssessment) -> list[Any]:
    """What must be the same for an answer to be the same; a fact that merely grew older is."""
    rule = answer.rule
    unknown = [[f.name, f.why] for f in order.unknown]
    said = [answer.decision, answer.indicator, rule.id, rule.version, order.pathway or rule.pathway, order.flags]
    return [*said, asdict(answer.plan) if answer.plan else None, _values(answer), unknown]


def _values(answer: Answer) -> list[Any]:
    return [[f.name, None if f.unit in _AGES else f.value, f.sources] for f in answer.because]


# What is remembered of patients cannot be guessed back without this process's own key.
_SECRET = secrets.token_bytes(32)


def _digest(value: Any) -> bytes:
    text = json.dumps(value, sort_keys=True, default=str)
    return hashlib.blake2b(text.encode(), key=_SECRET, digest_size=16).digest()
