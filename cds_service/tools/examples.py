"""The example patients, and what a service answers about each."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from cds_service.advice.model import Assessment
from cds_service.contract import SERVICES
from cds_service.service import Service
from cds_service.shipped import EXAMPLES
from cds_service.tools.replay.bundles import Chart, FileError, Problem, read, sources
from cds_service.tools.replay.calls import build_call
from cds_service.tools.replay.expected import Expectation, load_expected
from cds_service.web.door import read_call

_SERVICE_OF: Final[Mapping[str, str]] = {hook: name for name, hook in SERVICES.items()}


@dataclass(frozen=True, slots=True)
class Example:
    """One patient, asked once: the assessment is None where the service stays silent."""

    chart: Chart
    hook: str
    at: datetime
    assessment: Assessment | None


def answered(service: Service, folder: Path, site: str = "") -> Iterator[Example]:
    """Every example patient as the service answers, in the order of the lists: first as its list asks, then as when the
    chart is opened. `site`: those that are asked at that other site, and no others. Raises CdsError."""
    for name, asked in EXAMPLES:
        for patient_id, wanted in load_expected(folder / asked).items():
            if wanted.site != site:
                continue
            chart = _chart(folder / name / f"{patient_id}.json")
            yield _answered(service, chart, wanted, wanted.hook or "order-select")
            yield _answered(service, chart, wanted, "patient-view")


def other_sites(folder: Path) -> Mapping[str, Path]:
    """The files of other sites at which some examples are asked, by what the lists call them."""
    lists = [folder / asked for _, asked in EXAMPLES]
    return {w.site: path.parent / w.site for path in lists for w in load_expected(path).values() if w.site}


def _chart(path: Path) -> Chart:
    found = [each for source in sources([path])[0] for each in read(source)]
    if len(found) != 1 or isinstance(found[0], Problem):
        raise FileError(f"{path}: expected one patient's bundle, found: {'; '.join(map(str, found)) or 'no such file'}")
    return found[0]


def _answered(service: Service, chart: Chart, wanted: Expectation, hook: str) -> Example:
    request = build_call(chart, hook=hook, templates=service.program.templates, at=wanted.at, withhold=wanted.withhold)
    call = read_call(_SERVICE_OF[hook], hook, json.dumps(request).encode(), allow_evaluation_time=True)
    assert call.evaluation_time is not None  # each example says as of when
    return Example(chart, hook, call.evaluation_time, service.assess(call, call.evaluation_time))
