"""The acceptance cases of tests/data/vignettes.yaml, and how each becomes a call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from cds_service.tools.replay.bundles import Chart
from cds_service.tools.replay.calls import build_call
from tests.support.charts import chart

FILE = Path(__file__).parents[1] / "data" / "vignettes.yaml"
AT = datetime(2026, 3, 5, 12, 0, tzinfo=UTC)
_EXPECTED_KEYS = {"decision", "indicator", "dose", "alternatives", "offers", "oneClick", "mustSay"}


@dataclass(frozen=True, slots=True)
class Vignette:
    """One chart description (the base with everything that differs) and what the service must answer."""

    id: str
    title: str
    given: Mapping[str, Any]
    expected: Mapping[str, Any]

    @property
    def hook(self) -> str:
        """The hook of its call."""
        return str(self.given.get("hook", "order-select"))

    def chart(self) -> Chart:
        """The patient's chart at `AT`."""
        patient_id = self.id.lower()
        return Chart(patient_id, self.title, tuple(chart(self.given, AT, patient_id)), self.id)

    def call(self, templates: Mapping[str, str]) -> dict[str, Any]:
        """The whole request."""
        return build_call(self.chart(), hook=self.hook, templates=templates, at=AT)


def vignettes() -> list[Vignette]:
    """Every case, one for each of its variants; ids are `V01`, or `V23-1`, `V23-2` where there are variants."""
    content = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    found: list[Vignette] = []
    for case in content["cases"]:
        unknown = set(case["expected"]) - _EXPECTED_KEYS
        if unknown:
            raise ValueError(f"{FILE.name}: {case['id']}: unknown key {sorted(unknown)} in `expected`")
        variants = case.get("variants")
        for number, variant in enumerate(variants or [{}], 1):
            name = f"{case['id']}-{number}" if variants else case["id"]
            given = content["base"] | case["given"] | variant
            found.append(Vignette(name, case["title"], given, case["expected"]))
    return found
