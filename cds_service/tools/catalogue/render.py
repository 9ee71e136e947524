"""Pages as HTML: one stylesheet and one script, both inline and named by their hashes, everything else escaped."""

from __future__ import annotations

import base64
import functools
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from cds_service.knowledge import Knowledge, source_attributes
from cds_service.tools.catalogue.card_html import card_html
from cds_service.tools.catalogue.links import INDEX, Places, relative
from cds_service.tools.catalogue.pages import Page, pages
from cds_service.tools.catalogue.shown import NOTHING, Shown

# pathlib, because importlib.resources fails on the folders of an editable install
_TEMPLATES: Final = Path(__file__).parent / "templates"
_STYLE: Final = (_TEMPLATES / "style.css").read_text(encoding="utf-8")
_SCRIPT: Final = (_TEMPLATES / "search.js").read_text(encoding="utf-8")
_BROAD: Final = ("statements", "policies", "cards")  # as wide as the screen allows
GENERATOR: Final = "anakinra-cds docs"
"""Content of the `generator` of every page, by which files of ours are known."""


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


_META_POLICY: Final = (
    f"default-src 'none'; style-src {_hash(_STYLE)}; script-src {_hash(_SCRIPT)}; base-uri 'none'; form-action 'none'"
)
CONTENT_SECURITY_POLICY: Final = f"{_META_POLICY}; frame-ancestors 'none'"  # a <meta> may not carry the last one


@functools.cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # Our own files, not the reviewers': they stand in the page as they were hashed.
    environment.globals.update(
        style=Markup(_STYLE), script=Markup(_SCRIPT), content_security_policy=_META_POLICY, generator=GENERATOR
    )
    environment.filters["card_html"] = card_html
    return environment


def render(knowledge: Knowledge, places: Places, shown: Shown = NOTHING) -> dict[str, str]:
    """Every page: name -> HTML. Links lead from place to place. `shown` are the cards on example patients."""
    return {page.name: _html(knowledge, page, places) for page in pages(knowledge, shown)}


def data(knowledge: Knowledge) -> dict[str, str]:
    """What stands beside the pages as JSON: name -> text."""
    attributes = json.dumps(source_attributes.as_json(knowledge), ensure_ascii=False, indent=1)
    return {"source-attributes.json": attributes + "\n"}


def not_found(knowledge: Knowledge, places: Places, name: str) -> str:
    """The page that stands in for one that is not there. `name` only says how deep it stands and is not shown."""
    return _html(knowledge, Page(name, "not_found", "No such page", {}), places)


def alone(template: str, title: str, told: Mapping[str, Any]) -> str:
    """A page in the same style that links to no other."""
    whole = {**told, "page": INDEX, "index": INDEX, "title": title, "is_broad": False}
    return _environment().get_template(f"{template}.html.j2").render(whole)


def _html(knowledge: Knowledge, page: Page, places: Places) -> str:
    def href(target: str) -> str:
        return relative(places, page.name, target)

    template = _environment().get_template(f"{page.template}.html.j2")
    return template.render(
        page.data,
        page=page.name,
        is_broad=page.template in _BROAD,
        title=page.title,
        href=href,
        index=INDEX,
        reasons=knowledge.override_reasons,
        site=knowledge.site,
        digest=knowledge.digest,
    )
