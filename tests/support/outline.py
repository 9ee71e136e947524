"""What a page of HTML holds: ids, links, headings, text, and tags that are not closed as they were opened."""

from __future__ import annotations

import re
from html.parser import HTMLParser

VOID = {"meta", "input", "link", "br"}


class Outline(HTMLParser):
    """The ids, links, text and attributes of a page; `wrong` lists tags that are not closed as they were opened."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.wrong: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.attributes: set[str] = set()
        self.levels: list[int] = []
        self.text = ""
        self.feed(html)
        self.close()
        self.wrong += self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.attributes |= given.keys()
        self.ids += [str(given["id"])] if "id" in given else []
        self.links += [str(given["href"])] if "href" in given else []
        self.levels += [int(tag[1])] if re.fullmatch("h[1-6]", tag) else []
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.wrong.append(f"/{tag} at {self.getpos()}")
        self.text += " " if tag in ("td", "th") else ""

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] not in ("style", "script"):
            self.text += data


def words(html: str) -> str:
    """What a reader sees, with single spaces."""
    return " ".join(Outline(html).text.split())
