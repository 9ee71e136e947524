"""Calls whose answers are known: the example patients and the acceptance cases of the tests, at several times."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import msgspec

from benchmarks.charts import EXAMPLES
from cds_service.chart import prefetch
from cds_service.hook_call import HookCall
from cds_service.knowledge import Knowledge
from cds_service.tools.replay.bundles import Chart, read, sources
from cds_service.tools.replay.calls import build_call
from cds_service.tools.replay.expected import NO_CARD, load_expected
from cds_service.tools.replay.run import explanation
from cds_service.web.door import read_call
from tests.support import charts
from tests.support.vignettes import AT, vignettes

DEFAULT_SITE = "us"
# Added to a case's time: near ones change the text only, the later ones cross limits of time and change decisions.
LATER = (timedelta(0), timedelta(seconds=90), timedelta(minutes=47), timedelta(hours=9))
_UUID = re.compile(rb'"uuid":"[0-9a-f-]{36}"')
_encode = msgspec.json.Encoder(order="sorted").encode


@dataclass(frozen=True, slots=True)
class Case:
    """One call at one time. `decision` and `indicator` of the first card are None where only sameness is known."""

    name: str
    site: str
    body: bytes
    call: HookCall
    now: datetime
    decision: str | None = None
    indicator: str | None = None

    def again(self, instance: str) -> HookCall:
        """The same call with another hookInstance."""
        return replace(self.call, hook_instance=instance)

    def unseen(self, number: int) -> HookCall:
        """A patient whom nobody saw before, with the same chart, read from bytes."""
        patient = f"{self.call.patient_id}-{number:07d}"
        body = self.body.replace(self.call.patient_id.encode(), patient.encode())
        return _read(self.call.hook, body)

    def known(self, call: HookCall, answer: Mapping[str, Any]) -> bytes:
        """What must be the same in every answer to this case: all but the uuids, the patient's id put back."""
        return canonical(answer).replace(call.patient_id.encode(), self.call.patient_id.encode())


def canonical(answer: Mapping[str, Any]) -> bytes:
    """An answer as JSON with sorted keys, without the uuids, which differ every time."""
    return _UUID.sub(b"", _encode(answer))


def differences(case: Case, answer: Mapping[str, Any]) -> str:
    """How the first card differs from what the case expects; "" where it does not."""
    if case.decision is None:
        return ""
    cards = answer["cards"]
    found = (explanation(cards[0]).get("decision"), cards[0].get("indicator")) if cards else (NO_CARD, None)
    expected = (case.decision, case.indicator)
    return "" if found == expected else f"expected {expected}, found {found}"


def cases(loaded: Mapping[str, Knowledge]) -> list[Case]:
    """Every example and every acceptance case at each time of `LATER`; `loaded` by the ids of `sites()`."""
    made = []
    for name, site, body, hook, at, wanted in (*_examples(loaded), *_vignettes(loaded)):
        call = _read(hook, body)
        for later in LATER:
            known = {} if later else wanted
            made.append(Case(f"{name} +{later}", site, body, call, at + later, **known))
    return made


def sites() -> set[str]:
    """Ids of the shipped sites at which a case plays."""
    return {DEFAULT_SITE, *(charts.site(case.given) for case in vignettes())}


_Put = tuple[str, str, bytes, str, datetime, dict[str, str | None]]


def _examples(loaded: Mapping[str, Knowledge]) -> Iterator[_Put]:
    templates = prefetch.templates(loaded[DEFAULT_SITE])
    expected = load_expected(EXAMPLES / "expected.yaml")
    for source in sources([EXAMPLES / "patients"])[0]:
        for chart in read(source):
            if not isinstance(chart, Chart):
                raise ValueError(str(chart))
            wanted = expected[chart.patient_id]
            hook, at = wanted.hook or "order-select", wanted.at
            if at is None:
                raise ValueError(f"expected.yaml: {chart.patient_id}: `at` is missing")
            call = build_call(chart, hook=hook, templates=templates, withhold=wanted.withhold)
            first = {"decision": wanted.decision, "indicator": wanted.indicator}
            yield chart.patient_id, DEFAULT_SITE, json.dumps(call).encode(), hook, at, first


def _vignettes(loaded: Mapping[str, Knowledge]) -> Iterator[_Put]:
    for case in vignettes():
        site = charts.site(case.given)
        call = case.call(prefetch.templates(loaded[site]))
        first = {name: case.expected.get(name) for name in ("decision", "indicator")}
        yield case.id, site, json.dumps(call).encode(), case.hook, AT, first


def _read(hook: str, body: bytes) -> HookCall:
    return read_call(f"anakinra-{hook}", hook, body)
