"""The documents as a site: built without a warning, each link leads somewhere, and nothing comes from elsewhere."""

from __future__ import annotations

import re
import struct
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest
import yaml
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser

from cds_service.tools.catalogue.shown import Shown
from tests.support import pictures
from tests.support.chromium import HANGS_MS, new_page
from tests.support.shipped import ROOT

HOME = "docs/README.html"
_PHONE = ("connecting.html", "operation.html", "read-a-card.html")  # wide tables, wide words, pictures
# What a page loads by itself; an <a> is followed by a person.
_LOADS = {
    "script": "src",
    "img": "src",
    "iframe": "src",
    "source": "src",
    "video": "src",
    "audio": "src",
    "link": "href",
}
_IN_CSS = re.compile(r"""(?:url\(\s*|@import\s+)["']?([^"')\s]+)""")
_ELSEWHERE = re.compile(r"(?:[a-z]+:)?//", re.IGNORECASE)


class Told(HTMLParser):
    """What a page links to, what it loads, and the anchors that it has."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = {name: value or "" for name, value in attrs}
        self.anchors |= {said["id"]} if "id" in said else set()
        if tag == "a" and "href" in said:
            self.links.append(said["href"])
        if said.get(_LOADS.get(tag, "")):
            self.loads.append(said[_LOADS[tag]])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, with a catalogue of two pages: the links of the whole one are looked at in tests/test_catalogue.py."""
    folder = tmp_path_factory.mktemp("docs")
    (folder / "catalogue").mkdir()
    for name in ("index", "cards"):
        (folder / "catalogue" / f"{name}.html").write_text(f"<!doctype html><title>{name}</title>", encoding="utf-8")
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-c", "docs/site", "-d", folder / "read"]
    done = subprocess.run(
        [*command, "-D", f"catalogue={folder / 'catalogue'}", ".", folder / "site"],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder / "site"


@cache
def told(page: Path) -> Told:
    return Told(page.read_text(encoding="utf-8"))


def fault(page: Path, target: str) -> str:
    """Why a link of a page leads nowhere; empty where it leads somewhere, or out into the web."""
    if _ELSEWHERE.match(target) or target.startswith("mailto:"):
        return ""
    name, _, anchor = unquote(target).partition("#")
    place = (page.parent / name.partition("?")[0]).resolve() if name else page
    if not place.is_file():
        return f"{page.name}: {target}: no such page"
    if anchor and place.suffix == ".html" and anchor not in told(place).anchors:
        return f"{page.name}: {target}: no such place on the page"
    return ""


def fetched(site: Path) -> Iterator[str]:
    """What pages and styles would load from elsewhere."""
    for page in site.rglob("*.html"):
        yield from (f"{page.name}: {each}" for each in told(page).loads if _ELSEWHERE.match(each))
    for style in site.rglob("*.css"):
        found = _IN_CSS.findall(style.read_text(encoding="utf-8"))
        yield from (f"{style.name}: {each}" for each in found if _ELSEWHERE.match(each))


def test_every_link_leads_somewhere(site: Path) -> None:
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > 30
    assert [said for page in pages for target in told(page).links if (said := fault(page, target))] == []


def test_nothing_is_fetched_from_elsewhere(site: Path) -> None:
    assert list(fetched(site)) == []


def test_what_is_wrong_would_be_told(tmp_path: Path) -> None:
    page = tmp_path / "wrong.html"
    page.write_text(
        '<a href="#no"></a><a href="no.html"></a><img src="//x.org/a.png"><link href="https://x.org/b.css">'
    )
    (tmp_path / "wrong.css").write_text('@import "https://x.org/c.css"; a { background: url(http://x.org/d.png) }')
    assert [bool(fault(page, target)) for target in told(page).links] == [True, True]
    assert len(list(fetched(tmp_path))) == 4


def test_every_document_is_in_the_menu(site: Path) -> None:
    documents = [*ROOT.glob("docs/*.md"), *ROOT.glob("docs/decisions/*.md")]
    documents += [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "ARCHITECTURE.md", "CHANGELOG.md")]
    reached = {(site / HOME).parent.joinpath(link.partition("#")[0]).resolve() for link in told(site / HOME).links}
    missing = [d for d in documents if site / d.relative_to(ROOT).with_suffix(".html") not in reached]
    assert missing == [ROOT / "docs/README.md"]  # the page itself: links to it are empty


def test_the_pictures_show_what_the_cards_say_today(on_patients: Shown) -> None:
    made_from = yaml.safe_load(pictures.MADE_FROM.read_text(encoding="utf-8"))
    assert pictures.digests(on_patients) == made_from, "cards say something else since: run `make pictures`"
    drawn = {path.name: path.read_bytes() for path in pictures.FOLDER.glob("*.png")}
    assert set(drawn) == {picture.name for picture in pictures.PICTURES}
    for picture in pictures.PICTURES:
        (width,) = struct.unpack(">I", drawn[picture.name][16:20])
        assert width == picture.width * pictures.SCALE
        assert len(drawn[picture.name]) < 200_000


def test_in_a_browser(site: Path) -> None:
    """From the file system: nothing else is asked for, the search finds, no page is wider than a phone or a screen, and
    axe finds nothing serious, light and dark."""
    with new_page() as any_page:
        assert any_page.context.browser is not None
        assert _walk(any_page.context.browser, site) == []


def _walk(browser: Browser, site: Path) -> list[str]:
    """What is wrong on the pages of a phone."""
    wrong: list[str] = []
    context = browser.new_context(viewport={"width": 390, "height": 844}, color_scheme="dark")
    page = context.new_page()
    page.set_default_timeout(HANGS_MS)
    page.on("request", lambda it: wrong.append(it.url) if not it.url.startswith(("file:", "data:")) else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.goto((site / "index.html").as_uri())
    page.wait_for_url("**/" + HOME)
    for path in (site / "README.html", site / "rules/README.html", *map((site / "docs").joinpath, _PHONE)):
        page.goto(path.as_uri())
        for width in (1600, 390):
            page.set_viewport_size({"width": width, "height": 844})
            wider = page.evaluate("document.documentElement.scrollWidth - innerWidth")
            wrong += [f"{path.name}, {width}: {wider} px too wide"] if wider > 0 else []
    for scheme in ("dark", "light"):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        found = Axe().run(page).response["violations"]
        wrong += [f"{scheme}: {each['id']}" for each in found if each["impact"] in ("serious", "critical")]
    page.goto((site / "search.html").as_uri() + "?q=vasopressor")
    page.locator("#search-results li a").first.wait_for()
    context.close()
    return wrong
