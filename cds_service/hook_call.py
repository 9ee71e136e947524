"""One checked CDS Hooks call: what `web` hands to the service, and all that the service knows of the request."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class HookCall:
    """A call whose envelope is proven; the resources inside it are as the client sent them.

    - `hook_instance`: the UUID as sent.
    - `user_id`: a reference such as `Practitioner/123`; `patient_id`: a bare FHIR id, never `Patient/...`.
    - `selections`: references such as `MedicationRequest/1` into the draft orders; `()` outside order-select.
    - `draft_orders`: the resources of the entries of `context.draftOrders`, parsed, nothing inside them proven;
      `{}` for an entry that holds none.
    - `prefetch`: the raw JSON bytes of each key's value (`b"null"` for null); `{}` where prefetch is absent or null.
      The bytes are proven to be JSON of bounded depth and bounded numbers. Duplicate keys are possible inside.
    - `fhir_authorization`: as sent (it holds a token: never log it, never put it into an answer).
    - `evaluation_time`: with zone, only where the settings allow a call to choose it.
    - `answer_by`: until when, by this process's monotonic clock, the answer must be given.
    - `assumed`: values of facts in place of what the chart says (None: unknown), only where a call may try that.
    - `draft_urls`: the `fullUrl` of each of `draft_orders`, "" where it has none: drafts may name a Medication by it.
    """

    service_id: str
    hook: str
    hook_instance: str
    user_id: str
    patient_id: str
    encounter_id: str | None
    selections: tuple[str, ...]
    draft_orders: tuple[dict[str, Any], ...]
    prefetch: Mapping[str, bytes]
    fhir_server: str | None
    fhir_authorization: Mapping[str, Any] | None
    evaluation_time: datetime | None
    draft_urls: tuple[str, ...] = ()
    answer_by: float = math.inf
    assumed: Mapping[str, bool | int | float | str | None] = field(default_factory=dict)
