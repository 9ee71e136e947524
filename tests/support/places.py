"""Every chart that this checkout can ask the service about, and the services at the sites where they play."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from cds_service.contract import SERVICES
from cds_service.errors import CallError
from cds_service.hook_call import HookCall
from cds_service.knowledge import load
from cds_service.service import Service
from cds_service.web.door import read_call
from tests.support.acceptance import acceptance_cases
from tests.support.charts import site as shipped_site
from tests.support.examples import example_calls
from tests.support.vignettes import vignettes

Cards = list[dict[str, Any]]
_SERVICE_OF = {hook: service_id for service_id, hook in SERVICES.items()}


@dataclass(frozen=True, slots=True)
class Asked:
    """One chart as a request: of which kind of chart, its name there, and the place where it plays."""

    kind: str
    name: str
    place: str
    call: Mapping[str, Any]


class Places:
    """Services by place: the id of a shipped site, or the path of a file that says one. Each is started once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._services: dict[str, Service] = {}

    def of(self, site: str | Mapping[str, Any], given: Mapping[str, Any]) -> str:
        """The place of a chart description: a shipped site, or the path of a file that says this."""
        if isinstance(site, str):
            return shipped_site(given)
        path = self._folder / f"{site['id']}.yaml"
        path.write_text(yaml.safe_dump(dict(site)), encoding="utf-8")
        return str(path)

    def service(self, place: str) -> Service:
        """The service at a place."""
        if place not in self._services:
            self._services[place] = Service.start(load(site=place))
        return self._services[place]

    def templates(self, place: str) -> Mapping[str, str]:
        """The prefetch templates that a place's service publishes."""
        return self.service(place).program.templates


def read(call: Mapping[str, Any]) -> HookCall:
    """A request as the service takes it; its own evaluation time is obeyed."""
    hook = str(call["hook"])
    return read_call(_SERVICE_OF[hook], hook, json.dumps(call).encode(), allow_evaluation_time=True)


def answer(service: Service, call: Mapping[str, Any]) -> tuple[int, Cards]:
    """The HTTP status of a service's answer to a request, and its cards. A call's own evaluation time is obeyed."""
    asked = read(call)
    assert asked.evaluation_time is not None
    try:
        return 200, service.answer(asked, asked.evaluation_time)["cards"]
    except CallError as refused:
        return refused.status, []


def every_chart(places: Places) -> Iterator[Asked]:
    """The examples, the vignettes and the acceptance cases, in order."""
    for name, _, call in example_calls(lambda hook: places.templates("us")):
        yield Asked("examples", name, "us", call)
    for vignette in vignettes():
        place = places.of(str(vignette.given.get("site", "us")), vignette.given)
        yield Asked("vignettes", vignette.id, place, vignette.call(places.templates(place)))
    for case in acceptance_cases():
        place = places.of(case.place, case.given)
        yield Asked("acceptance", case.id, place, case.call(places.templates(place)))
