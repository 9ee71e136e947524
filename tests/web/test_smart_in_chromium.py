"""The SMART app in Chromium: launched by a stand-in EHR, read on a phone and on a ward monitor, in light and dark.

Screenshots are written to SCREENSHOTS, for whoever judges the page by eye.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect
from werkzeug.serving import make_server

from cds_service.app import create_app
from tests.fhir_server.good import running
from tests.support.charts import chart
from tests.support.chromium import new_page
from tests.support.shipped import ROOT
from tests.support.smart_ehr import SmartEhr
from tests.support.vignettes import vignettes
from tests.web.test_smart import PATIENT, settings, write_site

SCREENSHOTS: Final = ROOT / "build" / "screenshots"
SIZES: Final = ((390, 844), (1600, 1000))
JUDGED: Final = ((390, "light"), (1600, "dark"))  # each is seconds: a page of eighty rules
Wsgi = Callable[[Any, Any], Iterable[bytes]]


@contextmanager
def at_its_own_address(made: Callable[[str], Wsgi]) -> Iterator[str]:
    """An application that knows its address, on a free port."""
    found: list[Wsgi] = []

    def asked(environ: Any, start: Any) -> Iterable[bytes]:
        return found[0](environ, start)

    server = make_server("127.0.0.1", 0, asked, threaded=True)
    url = f"http://127.0.0.1:{server.server_port}"
    found.append(made(url))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield url
    finally:
        server.shutdown()
        thread.join(timeout=10)
        server.server_close()


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with new_page() as found:
        yield found


@pytest.fixture(scope="module")
def launch(page: Page, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the EHR opens its browser; started only where there is one."""
    ehr, folder = SmartEhr(), tmp_path_factory.mktemp("smart")
    given = next(case.given for case in vignettes() if case.id == "V01")
    ehr.charts[PATIENT] = [r for r in chart(given, datetime.now(UTC), PATIENT) if r.get("status") != "draft"]
    ehr.launches["l1"] = {"patient": PATIENT}
    with running(ehr):
        write_site(folder, ehr)
        with at_its_own_address(lambda url: create_app(settings(folder, public_url=url))) as url:
            yield f"{url}/smart/launch?{urlencode({'iss': ehr.base, 'launch': 'l1'})}"


def test_from_the_launch_to_why_without_a_script_at_every_size(page: Page, launch: str) -> None:
    complaints: list[str] = []
    page.on("console", lambda told: complaints.append(told.text))
    page.on("pageerror", lambda told: complaints.append(str(told)))
    page.goto(launch)
    expect(page.locator("svg.tl")).to_be_visible()
    expect(page.locator("h1")).to_have_count(1)
    rule = page.locator("details.rule-of").first
    expect(rule).to_have_attribute("open", "")
    expect(rule.locator(".criteria .met .state").first).to_contain_text("met")
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    for width, height in SIZES:
        for scheme in ("light", "dark"):
            page.set_viewport_size({"width": width, "height": height})
            page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            page.screenshot(path=SCREENSHOTS / f"smart-{width}-{scheme}.png")
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            if (width, scheme) in JUDGED:
                found = Axe().run(page)
                assert [(each["id"], each["nodes"][0]["html"]) for each in found.response["violations"]] == []
    assert complaints == []


def test_what_is_refused_reads_well_too(page: Page, launch: str, tmp_path: Path) -> None:
    page.goto(launch.replace("launch=l1", "launch="))
    expect(page.locator("main")).to_contain_text("Nothing is shown")
    assert Axe().run(page).response["violations"] == []
