"""Times on cards are the ward's, where the site names its zone; else UTC, and they say so."""

from __future__ import annotations

from pathlib import Path

import pytest

from cds_service.knowledge import load
from cds_service.service import Service
from tests.facts.house import REFRACTORY, Case
from tests.facts.notation import NOW
from tests.sites.folder import SITE, write_site

CULTURE = {"culture": "No growth", "ago": "26h", "id": "c"}


@pytest.mark.parametrize(
    ("zone", "hours", "name"), [("", 0, "UTC"), ("Europe/Berlin", 1, "CET"), ("Asia/Tokyo", 9, "JST")]
)
def test_the_last_culture_is_told_in_the_time_of_the_ward(tmp_path: Path, zone: str, hours: int, name: str) -> None:
    folder = write_site(tmp_path, site=SITE + (f"timezone: {zone}\n" if zone else ""))
    first = Service.start(load(site=str(folder))).answer(Case(given=(*REFRACTORY, CULTURE)).call(), NOW)["cards"][0]
    hour = (NOW.hour - 26 + hours) % 24
    assert f" {hour:02}:{NOW.minute:02} {name}" in first["detail"], first["detail"]
