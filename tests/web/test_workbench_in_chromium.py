"""The workbench as people use it, in Chromium: from the front page to a card, its acceptance and its reasons.

Screenshots are written to SCREENSHOTS, for whoever judges the page by eye.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, Request, Route, expect

from cds_service.contract import SERVICES
from cds_service.shipped import find_examples
from cds_service.tools.replay.bundles import Chart, read, sources
from cds_service.tools.replay.calls import encounter_of, signed
from cds_service.tools.replay.prefetch import answer
from tests.support.chromium import HANGS_MS, new_page
from tests.support.live import live_service
from tests.support.shipped import ROOT

SCREENSHOTS: Final = ROOT / "build" / "screenshots"
PATIENT: Final = "refractory-grade-2"
Size = tuple[int, int]
PHONE, DESK, WARD = (390, 844), (1600, 1000), (2560, 1440)


@pytest.fixture(scope="module")
def browser_page() -> Iterator[Page]:
    expect.set_options(timeout=HANGS_MS)
    with new_page() as page:
        yield page


@pytest.fixture(scope="module")
def url(browser_page: Page, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A service of its own; started only where there is a browser."""
    with live_service(workbench=True, data=tmp_path_factory.mktemp("workbench")) as address:
        yield address


@pytest.fixture
def page(browser_page: Page, url: str) -> Iterator[Page]:
    """The workbench, just opened from the front page; what the browser complains of fails the test."""
    complaints: list[str] = []

    def hear(told: Any) -> None:
        # A busy machine may answer later: then the page asks again.
        if "503" not in (text := str(getattr(told, "text", told))):
            complaints.append(text)

    browser_page.goto("about:blank")
    browser_page.on("console", hear)
    browser_page.on("pageerror", hear)
    browser_page.set_viewport_size({"width": 1440, "height": 900})
    browser_page.emulate_media(color_scheme="light")
    browser_page.goto(url)
    expect(browser_page.locator(".card").first).to_be_visible()
    yield browser_page
    browser_page.remove_listener("console", hear)
    browser_page.remove_listener("pageerror", hear)
    assert complaints == []


def shot(page: Page, name: str, *, whole: bool = True) -> None:
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"workbench-{name}.png", full_page=whole)


def edition_of(page: Page) -> str:
    """The folder of the files that the page loads, with its slash."""
    script = str(page.locator("script").get_attribute("src"))
    return script.removeprefix("workbench/").removesuffix("app.js")


def decision(page: Page) -> str | None:
    return page.locator(".card").first.get_attribute("data-decision")


def open_quiet(page: Page, url: str) -> None:
    """A file beside the scripts: a page of the same policy that asks nothing."""
    page.goto(f"{url}/workbench")
    page.goto(f"{url}/workbench/{edition_of(page)}vendor/marked/LICENSE")


def choose(page: Page, patient: str) -> None:
    """Pick a patient of the list by what is said of it."""
    page.get_by_label("Search the example patients").fill(patient)
    page.locator("#patients button").first.click()
    page.get_by_label("Search the example patients").fill("")


# ---------------------------------------------------------------- journeys


def test_from_the_front_page_to_a_card_that_is_accepted_and_why(page: Page) -> None:
    assert page.url.endswith(f"/workbench#{PATIENT}")
    card = page.locator(".card").first
    expect(card).to_contain_text("Anakinra 100 mg SC q12h")
    expect(page.locator("#picture svg.tl")).to_be_visible()
    shot(page, "card")
    card.get_by_role("button", name="Why this card?").click()
    rule = page.locator("#rule")
    expect(rule).to_contain_text("Anakinra for an adult with refractory CRS grade 2")
    expect(rule.locator(".line.met").first).to_contain_text("CRS is refractory to tocilizumab")
    rule.get_by_role("button", name="CRS is refractory to tocilizumab").click()
    expect(rule.locator(".line", has_text="Tocilizumab").first).to_contain_text("met")
    rule.locator(".ref").first.click()
    expect(page.locator("dialog pre")).to_contain_text('"resourceType"')
    page.keyboard.press("Escape")
    with page.expect_response("**/feedback") as sent:
        card.locator(".suggestions button.primary").click()
    assert sent.value.status == 200
    item = json.loads(sent.value.request.post_data or "")["feedback"][0]
    assert item["outcome"] == "accepted"
    expect(page.locator("#notice")).to_contain_text("Accepted: Anakinra 100 mg SC q12h")
    expect(page.locator("#dose")).to_have_value("100")
    expect(page.locator("#route")).to_have_value("SC")
    expect(page.locator("#every")).to_have_value("12")
    expect(page.locator(".card").first).to_have_attribute("data-decision", "order-ok")
    shot(page, "accepted")


def test_an_override_is_told_to_the_service(page: Page) -> None:
    choose(page, "Klebsiella")
    card = page.locator(".card").first
    expect(card).to_have_attribute("data-decision", "block")
    card.locator("summary", has_text="Override").click()
    card.get_by_role("radio").first.check()
    card.get_by_label("Comment").fill("a comment")
    with page.expect_response("**/feedback") as sent:
        card.get_by_role("button", name="Override", exact=True).click()
    assert sent.value.status == 200
    item = json.loads(sent.value.request.post_data or "")["feedback"][0]
    assert (item["outcome"], item["overrideReason"]["userComment"]) == ("overridden", "a comment")
    assert item["overrideReason"]["reason"]["code"]
    expect(card).to_contain_text("Feedback sent.")
    shot(page, "overridden")


def test_time_and_values_and_orders_move_the_answer_by_keyboard(page: Page) -> None:
    assert decision(page) == "suggest"
    scrubber = page.get_by_label("Time of evaluation")
    scrubber.focus()
    for _ in range(6):
        page.keyboard.press("ArrowLeft")
    expect(page.locator("#clock")).to_have_text("Thu, 5 Mar 2026, 04:00 UTC")
    expect(page.locator(".card").first).not_to_have_attribute("data-decision", "suggest")
    page.keyboard.press("PageUp")
    expect(page.locator(".card").first).to_have_attribute("data-decision", "suggest")
    page.get_by_role("button", name="Earlier event").press("Enter")
    expect(page.locator("#clock")).to_have_text("Thu, 5 Mar 2026, 09:00 UTC")
    # One other value flips criteria, and the chart is one click away.
    page.get_by_role("button", name="What if CRS grade (ASTCT) were another").first.press("Enter")
    expect(page.locator("#assume-crs-grade")).to_be_focused()
    expect(page.locator(".turned")).to_contain_text("flip")
    page.locator("#assume-crs-grade").fill("1")
    expect(page.locator(".turned")).to_contain_text("and is not-indicated")
    expect(page.locator(".turned li").first).to_contain_text("CRS")
    expect(page.locator("#notice")).to_contain_text("not of the chart")
    expect(page.locator("#picture svg.tl")).to_be_visible()
    shot(page, "what-if")
    page.locator("#assume-crs-grade").fill("")
    expect(page.locator(".card").first).to_have_attribute("data-decision", "insufficient-data")
    page.get_by_role("button", name="Back to the chart").click()
    expect(page.locator(".card").first).to_have_attribute("data-decision", "suggest")
    # An order is composed, and an opened chart has none.
    page.get_by_role("button", name="Sign", exact=True).click()
    page.locator("#dose").fill("200")
    page.locator("#route").select_option("SC")
    page.locator("#every").fill("6")
    expect(page.locator(".card").first).to_have_attribute("data-decision", "order-exceeds-max")
    page.get_by_role("button", name="Open chart").click()
    expect(page.locator(".card").first).to_have_attribute("data-decision", "status")
    expect(page.locator("#composer")).to_be_hidden()


def test_files_of_ones_own_stay_in_the_browser(page: Page, tmp_path: Path) -> None:
    (chart,) = charts("iec-hs")
    edition, asked = edition_of(page), list[str]()

    def hear(request: Request) -> None:
        asked.append(request.url.split("/workbench/")[1].removeprefix(edition).split("/")[0])

    bundle, lines, none = (tmp_path / name for name in ("mine.json", "mine.ndjson", "none.json"))
    entries = [{"resource": resource} for resource in chart.resources]
    bundle.write_text(json.dumps({"resourceType": "Bundle", "type": "collection", "entry": entries}))
    lines.write_text("\n".join(json.dumps(resource) for resource in chart.resources))
    none.write_text('{"resourceType": "Bundle"}')
    page.wait_for_load_state("networkidle")
    page.on("request", hear)
    page.locator("#files").set_input_files(bundle)
    expect(page.locator("#who")).to_contain_text("iec-hs")
    expect(page.locator("#patients")).to_contain_text("Opened here (1)")
    choose(page, "Klebsiella")
    expect(page.locator("#who")).to_contain_text("bacteraemia")
    page.locator("#files").set_input_files(lines)
    expect(page.locator("#story")).to_have_text("Patient iec-hs")
    page.wait_for_load_state("networkidle")
    page.remove_listener("request", hear)
    assert "cds-services" in asked
    assert set(asked) <= {"cds-services", "timeline", "patients", "icon.svg"}

    # Why a file was not opened is not wiped away by the answer to what was asked before it.
    answers: list[Route] = []

    def hold(route: Route) -> None:
        answers.append(route)

    before = page.locator("#live").inner_text()
    page.route("**/workbench/cds-services/*", hold)
    with page.expect_request("**/workbench/cds-services/*"):
        page.get_by_role("button", name="Sign", exact=True).click()
    page.locator("#files").set_input_files(none)
    expect(page.locator("#notice")).to_contain_text("none.json: holds no Patient")
    (held,) = answers
    with page.expect_response("**/workbench/cds-services/*"):
        held.continue_()
    page.unroute("**/workbench/cds-services/*")
    expect(page.locator("#live")).not_to_have_text(before)
    expect(page.locator("#notice")).to_contain_text("none.json: holds no Patient")
    page.get_by_role("button", name="Select", exact=True).click()
    expect(page.locator("#notice")).not_to_contain_text("none.json")


# ---------------------------------------------------------------- what it rests on


def charts(*names: str) -> list[Chart]:
    """Example patients."""
    folder = find_examples()
    assert folder is not None
    found, _ = sources([folder / "patients" / f"{name}.json" for name in names] or [folder / "patients"])
    read_ones = [each for source in found for each in read(source)]
    return [each for each in read_ones if isinstance(each, Chart)]


_PREFETCHED: Final = """async ([hook, withhold, id]) => {
  const at = (file) => new URL(`/workbench/${file}`, location);
  const { prefetch } = await import(new URL("../../prefetch.js", location));
  const { patientsOf, signed, encounterOf } = await import(new URL("../../chart.js", location));
  const config = await (await fetch(at("config"))).json();
  const text = await (await fetch(at(`patients/${id}`))).text();
  const [patient] = patientsOf([{ name: id, text }]);
  const context = { "context.userId": "Practitioner/1", "context.patientId": patient.id };
  if (encounterOf(patient)) context["context.encounterId"] = encounterOf(patient);
  const templates = config.services.find((each) => each.hook === hook).prefetch;
  return JSON.stringify([templates, prefetch(templates, signed(patient), context, withhold)]);
}"""


def test_its_prefetch_is_that_of_the_replay(browser_page: Page, url: str) -> None:
    open_quiet(browser_page, url)
    for chart in charts()[::3]:
        for hook in ("order-select", "patient-view"):
            withhold = ["AllergyIntolerance"] if hook == "patient-view" else []
            templates, found = json.loads(browser_page.evaluate(_PREFETCHED, [hook, withhold, chart.patient_id]))
            context = {"context.userId": "Practitioner/1", "context.encounterId": encounter_of(chart)}
            context = {name: value for name, value in context.items() if value}
            expected = answer(templates, signed(chart), chart.patient_id, withhold=withhold, context=context)
            assert found == json.loads(json.dumps(expected)), (chart.patient_id, hook)
    assert hook in SERVICES.values()


_RENDERED: Final = """async (text) => {
  const { markdown, picture } = await import(new URL("../../cards.js", location));
  const holder = document.createElement("div");
  holder.append(markdown(text), picture(`<svg xmlns="http://www.w3.org/2000/svg">${text}</svg>`));
  return [[...holder.querySelectorAll("*")].map((each) => each.localName), holder.textContent,
    [...holder.querySelectorAll("a")].map((each) => each.getAttribute("href"))];
}"""


def test_no_text_of_a_card_becomes_more_than_words(browser_page: Page, url: str) -> None:
    """The browser complains of each handler that it was to be given, so that this page is not one of the others."""
    open_quiet(browser_page, url)
    for text in (
        "<img src=x onerror=alert(1)>",
        "<script>alert(1)</script>",
        "[a](javascript:alert(1)) [b](https://example.org/b)",
        "<style>*{display:none}</style><form action=x><input></form><iframe src=x></iframe>",
        '<a href="data:text/html,x" onclick="alert(1)">x</a><svg onload=alert(1)></svg>',
    ):
        names, _, links = browser_page.evaluate(_RENDERED, text)
        assert not {"img", "script", "style", "form", "input", "iframe"} & set(names), text
        assert all(link is None or link.startswith("https:") for link in links), text


def test_everybody_can_use_it_from_a_phone_to_a_ward_monitor_dark_and_light(page: Page) -> None:
    expect(page.locator("#picture svg.tl")).to_be_visible()
    for size, scheme in ((PHONE, "light"), (PHONE, "dark"), (DESK, "light"), (DESK, "dark"), (WARD, "light")):
        page.set_viewport_size({"width": size[0], "height": size[1]})
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
        shot(page, f"{size[0]}-{scheme}", whole=size is PHONE)
    assert page.evaluate("parseFloat(getComputedStyle(document.body).fontSize)") > 15
    page.get_by_role("button", name="Whole course").click()
    page.locator(".card summary", has_text="Override").first.click()
    page.get_by_role("button", name="What if CRS grade (ASTCT) were another").first.click()
    page.get_by_role("button", name="Unknown").click()
    page.locator("#request summary").click()
    expect(page.locator(".turned")).to_contain_text("flip")
    for size, scheme in ((PHONE, "light"), (PHONE, "dark"), (DESK, "light"), (DESK, "dark")):
        page.set_viewport_size({"width": size[0], "height": size[1]})
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        if (size, scheme) in {(PHONE, "dark"), (DESK, "light")}:
            shot(page, f"{size[0]}-{scheme}-open")
        found = [each for each in Axe().run(page).response["violations"] if each["impact"] in {"serious", "critical"}]
        assert [(each["id"], each["nodes"][0]["html"]) for each in found] == [], (size, scheme)
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0]


def test_cards_are_as_wide_as_the_panel_of_a_client(page: Page) -> None:
    for width in (240, 700, 390):
        page.get_by_role("button", name=f"{width} px").click()
        page.wait_for_function("(width) => document.querySelector('.card').offsetWidth === width", arg=width)
        shot(page, f"panel-{width}", whole=False)
