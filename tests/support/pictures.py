"""Pictures of cards for `docs/`: `make pictures` draws them in Chromium, as the catalogue shows them.

`made-from.yaml` beside them keeps a digest of what each card said: a card that says something else since is told by
tests/test_docs_site.py. The bytes of a picture are not compared: they depend on the fonts of a machine.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

import yaml
from playwright.sync_api import Browser

from cds_service.knowledge import Knowledge, load
from cds_service.shipped import find_examples
from cds_service.tools.catalogue import FilePlaces, render
from cds_service.tools.catalogue.shown import Shown, ShownCard, shown
from tests.support.chromium import new_page
from tests.support.shipped import ROOT

FOLDER: Final = ROOT / "docs/pictures"
MADE_FROM: Final = FOLDER / "made-from.yaml"


class Picture(NamedTuple):
    """A card of the catalogue at the width of a panel, in CSS pixels."""

    card: str
    width: int

    @property
    def name(self) -> str:
        return f"{self.card}-{self.width}.png"


PICTURES: Final = (
    Picture("suggest", 390),
    Picture("suggest", 240),
    Picture("infection-severe", 240),
    Picture("insufficient-data", 240),
)
SCALE: Final = 1.5
_ALONE: Final = """([id, width]) => {
  const card = document.querySelector(`#${id} .shown`);
  document.body.replaceChildren(card);
  document.body.style.background = "#ffffff";
  card.style.width = `${width}px`;
  card.style.willChange = "transform";  // letters without coloured edges: half the bytes
}"""


def digest(card: ShownCard) -> str:
    """Of all that a picture of the card shows."""
    said: Mapping[str, Any] = card.card
    offers = [offer["label"] for offer in said.get("suggestions", ())]
    reasons = [reason["display"] for reason in said.get("overrideReasons", ())]
    told = json.dumps([said["summary"], said["detail"], said["indicator"], offers, reasons], ensure_ascii=False)
    return hashlib.sha256(told.encode()).hexdigest()[:16]


def digests(cards: Shown) -> dict[str, str]:
    """By card."""
    return {picture.card: digest(cards.cards[picture.card]) for picture in PICTURES}


def drawn(browser: Browser, page: str) -> Iterator[tuple[Picture, bytes, float]]:
    """Each picture, and by how much its card is wider than it should be. `page` is that of the catalogue's cards."""
    for picture in PICTURES:
        context = browser.new_context(
            viewport={"width": picture.width + 40, "height": 900}, device_scale_factor=SCALE, color_scheme="light"
        )
        tab = context.new_page()
        tab.set_content(page)
        tab.evaluate(_ALONE, [picture.card, picture.width])
        card = tab.locator(".shown")
        yield picture, card.screenshot(animations="disabled"), card.evaluate("it => it.scrollWidth - it.clientWidth")
        context.close()


def cards_page(knowledge: Knowledge, cards: Shown) -> str:
    """The page of the catalogue with all cards."""
    return render(knowledge, FilePlaces(), cards)["cards"]


def main() -> None:
    """Draw all."""
    knowledge = load(ROOT)
    cards = shown(knowledge, find_examples())
    with new_page() as any_page:
        assert any_page.context.browser is not None
        for picture, image, wider in drawn(any_page.context.browser, cards_page(knowledge, cards)):
            if wider:
                raise SystemExit(f"{picture.name}: the card is {wider} px wider than its panel")
            (FOLDER / picture.name).write_bytes(image)
    head = "# What the cards said when they were drawn: `make pictures`\n"
    MADE_FROM.write_text(head + yaml.safe_dump(digests(cards), sort_keys=True), encoding="utf-8")


if __name__ == "__main__":
    main()
