"""The service as a browser meets it: a page of another origin asks in Chromium as the public CDS Hooks sandbox does.

Its requests, tokens, first actions and feedback are written anew from the sandbox's source (tests/web/sandbox): so what
only a browser shows is shown, such as preflights without a token, tokens whose `iat` is ahead, and HTML in cards.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from playwright.sync_api import ConsoleMessage, Page, expect

from tests.support.charts import chart
from tests.support.chromium import HANGS_MS, new_page
from tests.support.ehr_page import ehr
from tests.support.live import served_process
from tests.support.vignettes import FILE
from tests.web.test_web_feedback import rows, until

ISS = "https://sandbox.cds-hooks.org"
REFRACTORY, MARKED, OTHER = "walk-refractory", "walk-marked", "walk-other"
SELECT = "/cds-services/anakinra-order-select"
Json = dict[str, Any]


@dataclass
class Seen:
    """What the browser did besides what the page knows of: its preflights, and what it complained of."""

    preflights: dict[str, Json] = field(default_factory=dict)
    headers: dict[str, Json] = field(default_factory=dict)
    statuses: dict[str, int] = field(default_factory=dict)
    complaints: list[str] = field(default_factory=list)

    def watch(self, page: Page) -> None:
        """From now on. The protocol of the browser's own tools tells of preflights, Playwright does not."""
        session = page.context.new_cdp_session(page)
        session.on("Network.requestWillBeSent", self._sent)
        session.on("Network.requestWillBeSentExtraInfo", self._left)
        session.on("Network.responseReceived", self._came)
        session.send("Network.enable")
        page.on("console", self._said)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _sent(self, it: Json) -> None:
        if it["initiator"]["type"] == "preflight":
            self.preflights[it["requestId"]] = it["request"]

    def _left(self, it: Json) -> None:
        self.headers[it["requestId"]] = it["headers"]

    def _came(self, it: Json) -> None:
        self.statuses[it["requestId"]] = it["response"]["status"]

    def _said(self, message: ConsoleMessage) -> None:
        # A refusal that a test asked for; any other shows in what the page was answered.
        if message.type in ("error", "warning") and "status of 401" not in message.text:
            self.complaints.append(message.text)


@dataclass(frozen=True)
class Walk:
    """The page, what the browser did, the base URL of the service and the folder of its store."""

    page: Page
    seen: Seen
    base: str
    data: Path

    def open(self, patient: str) -> None:
        """Open the chart of a patient, of whom something is shown."""
        self.page.locator("#patient").select_option(patient)
        answered(self.page, "patient-view answered")
        assert self.page.locator("article").count() == 1


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walk]:
    """A page that has found the services and opened a chart."""
    folder = tmp_path_factory.mktemp("walk")
    with new_page() as page, ehr(charts()) as origin:
        site = {"extend": "us", "id": "walk", "issuers": [{"iss": ISS, "jwks": f"{origin}/.well-known/jwks.json"}]}
        (folder / "walk.yaml").write_text(yaml.safe_dump(site), encoding="utf-8")
        environ = {"CDS_SITE": str(folder / "walk.yaml"), "CDS_DATA": str(folder / "data")}
        with served_process(CDS_JWT="required", CDS_CORS_ORIGINS=origin, **environ) as base:
            seen = Seen()
            seen.watch(page)
            page.goto(f"{origin}/?service={base}&patient={OTHER}&patient={REFRACTORY}&patient={MARKED}")
            answered(page, "patient-view answered")
            yield Walk(page, seen, base, folder / "data")


def charts() -> list[Json]:
    """A patient for whom anakinra is suggested today; one with an infection besides, whose name has markup in it; and
    one of whom nothing is told."""
    base, now = yaml.safe_load(FILE.read_text(encoding="utf-8"))["base"], datetime.now(UTC)
    infection: Json = {
        "resourceType": "Condition", "id": "zq7", "subject": {"reference": f"Patient/{MARKED}"},
        "clinicalStatus": {
            "coding": [{"system": "http://terminology.hl7.org/CodeSystem/condition-clinical", "code": "active"}]
        },
        "code": {"text": "Sepsis Zq7 <b>b</b> <img src=x onerror='window.marked=1'> <script>window.marked=1</script>"},
        "onsetDateTime": now.isoformat(),
    }  # fmt: skip
    other: Json = {"resourceType": "Patient", "id": OTHER, "gender": "female", "birthDate": "1970-01-01"}
    return [other, *chart(base, now, REFRACTORY), *chart(base, now, MARKED), infection]


def answered(page: Page, state: str) -> None:
    expect(page.locator("#state")).to_have_text(state, timeout=HANGS_MS)


def asked(page: Page) -> list[Json]:
    """Every request that the page made, with its answer."""
    found: list[Json] = page.evaluate("walk.asked")
    return found


def click(page: Page, what: str, state: str) -> None:
    page.locator(what).first.click()
    answered(page, state)


def test_a_page_of_another_origin_is_served_as_the_sandbox_is(walk: Walk) -> None:
    page, seen, base = walk.page, walk.seen, walk.base
    assert page.locator("#services").text_content() == "3"
    walk.open(REFRACTORY)

    # The order has no drug yet, as soon as the screen opens.
    click(page, "#rx", "order-select answered")
    assert page.locator("#cards").text_content() == "No recommendations to display"

    # A third dose of tocilizumab: anakinra in its place. Of that suggestion only the first action is applied.
    click(page, "#tocilizumab", "order-select answered")
    first = page.locator("article").first
    assert "Anakinra 100 mg SC q12h" in str(first.locator(".summary").text_content())
    assert first.locator(".source").text_content()
    actions = json.loads(asked(page)[-1]["answer"])["cards"][0]["suggestions"][0]["actions"]
    assert [each["type"] for each in actions] == ["create", "delete"]
    click(page, "article .suggestion", "order-select answered")
    assert page.locator("#order").text_content() == "anakinra"

    # One card is dismissed with a reason, another without.
    cards = page.locator("article").count()
    click(page, "article .override", "feedback given")
    click(page, "article .dismiss", "feedback given")
    assert page.locator("article").count() == cards - 2 > 0

    click(page, "#sign", "order-sign answered")
    assert page.locator("article").count() > 0

    every = asked(page)
    assert {each["status"] for each in every} == {200}
    assert Counter(each["url"].removeprefix(base) for each in every) == {
        "/cds-services/car-t-toxicity-patient-view": 1, SELECT: 3, f"{SELECT}/feedback": 3,
        "/cds-services/anakinra-order-sign": 1,
    }  # fmt: skip
    # Every token was of the second half of a second.
    ahead = page.evaluate("walk.ahead")
    assert len(ahead) == len(every)
    assert all(0 < each <= 0.5 for each in ahead), ahead
    assert seen.complaints == []

    given = [json.loads(each["body"])["feedback"][0] for each in every if each["url"].endswith("/feedback")]
    until(lambda: all(row["rule"] for row in rows(walk.data)))  # what cards were of is recorded behind the call
    accepted, dismissed, reasoned = sorted(rows(walk.data), key=lambda row: (row["outcome"], row["reason_code"] or ""))
    assert [{"id": each} for each in accepted["accepted"]] == given[0]["acceptedSuggestions"]
    assert (dismissed["outcome"], dismissed["reason_code"], dismissed["card"]) == ("overridden", "", given[2]["card"])
    assert reasoned["reason_code"] == given[1]["overrideReason"]["reason"]["code"]


def test_a_browser_asks_first_without_a_token(walk: Walk) -> None:
    """Once for each address, as the page's requests carry a token; and the page may read a refusal."""
    walk.open(REFRACTORY)
    page, seen = walk.page, walk.seen
    for number, request in seen.preflights.items():
        assert request["method"] == "OPTIONS"
        assert seen.statuses[number] == 204
        assert not [name for name in seen.headers[number] if name.lower() == "authorization"]
    first = {request["url"].removeprefix(walk.base) for request in seen.preflights.values()}
    assert {"/cds-services", "/cds-services/car-t-toxicity-patient-view"} <= first
    again = page.evaluate("fetch(walk.again.url, walk.again.options).then(async (r) => [r.status, await r.json()])")
    assert (again[0], again[1]["resourceType"]) == (401, "OperationOutcome")


def test_markup_of_a_chart_stays_text_where_a_page_lets_html_through(walk: Walk) -> None:
    walk.open(MARKED)
    page = walk.page
    click(page, "#anakinra", "order-select answered")
    assert "Zq7" in str(page.locator("#cards").text_content())
    assert page.locator(".detail *").count() == 0
    assert page.evaluate("window.marked") is None
    assert walk.seen.complaints == []
