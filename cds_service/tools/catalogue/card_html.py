"""A card's Markdown as HTML: paragraphs, lists, strong words, links and escapes, which is all that cards use.

Everything else is text and escaped; `tests/test_catalogue_cards.py` compares with a whole Markdown reader.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from typing import Final

from markupsafe import Markup, escape

_TOKEN: Final = re.compile(
    r"\\(?P<escaped>[!-/:-@\[-`{-~])"
    r"|\*\*(?P<strong>(?=\S)(?:\\.|[^\\*])+?(?<=\S))\*\*"
    r"|\[(?P<label>(?:\\.|[^\\\[\]])*)\]\((?P<target>https?://[^\s()]+)\)"
)
_ITEM: Final = "- "


def card_html(markdown: str) -> Markup:
    """The HTML of a card's detail."""
    return Markup("\n").join(_blocks(markdown))


def _blocks(markdown: str) -> Iterator[Markup]:
    for block in re.split(r"\n\s*\n", markdown.strip("\n")):
        paragraph: list[str] = []
        items: list[str] = []
        for line in block.splitlines():
            if line.startswith(_ITEM):
                items.append(line.removeprefix(_ITEM))
            elif items:  # a line that goes on with the item above it
                items[-1] += f"\n{line.strip()}"
            else:
                paragraph.append(line.strip())
        if paragraph:
            yield Markup("<p>%s</p>") % _inline("\n".join(paragraph))
        if items:
            inside = Markup("\n").join(Markup("<li>%s</li>") % _inline(item) for item in items)
            yield Markup("<ul>\n%s\n</ul>") % inside


def _inline(text: str) -> Markup:
    made, start = Markup(""), 0
    for found in _TOKEN.finditer(text):
        made += escape(unescape(text[start : found.start()]))
        if found["escaped"]:
            made += escape(found["escaped"])
        elif found["strong"]:
            made += Markup("<strong>%s</strong>") % _inline(found["strong"])
        else:
            made += Markup('<a href="%s" rel="noreferrer noopener">%s</a>') % (found["target"], _inline(found["label"]))
        start = found.end()
    return made + escape(unescape(text[start:]))
