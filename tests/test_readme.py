"""What the README shows is what the files say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cds_service import knowledge
from cds_service.program import compile_program
from cds_service.settings import TABLE

CHECKOUT = Path(__file__).parents[1]
README = (CHECKOUT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "shown", ["rules/toxicities/crs/one-dose-severe.yaml", "rules/toxicities/crs/one-dose-severe.cases.yaml"]
)
def test_the_rule_is_shown_as_it_stands(shown: str) -> None:
    assert (CHECKOUT / shown).read_text(encoding="utf-8").rstrip() in README


@pytest.mark.parametrize("setting", TABLE, ids=lambda s: s.name)
def test_every_setting_is_documented(setting: object) -> None:
    assert f"| `{setting.name}` |" in README  # type: ignore[attr-defined]
    assert setting.help in README  # type: ignore[attr-defined]


def test_the_request_answers_todays_templates() -> None:
    request = json.loads((CHECKOUT / "examples/requests/refractory-grade-2.json").read_text(encoding="utf-8"))
    advertised = compile_program(knowledge.load()).templates
    assert sorted(request["prefetch"]) == sorted(advertised)
