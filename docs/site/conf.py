"""How the documents become a site: `make docs` builds it with Sphinx, MyST and Furo into `site/`.

The pages are the Markdown files of the repository where they lie, read as GitHub reads them; nothing is copied. What is
here: which file stands where in the menu, and two pages that are no documents (the catalogue, and the way in).
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Final

from sphinx.application import Sphinx

CHECKOUT: Final = Path(__file__).parents[2]

project = "Anakinra CDS"
author = "The Anakinra CDS authors"
copyright = f"{author}, Apache-2.0"

extensions = ["myst_parser"]
myst_heading_anchors = 4
suppress_warnings = ["misc.highlighting_failure"]  # examples leave things out with "..."

root_doc = "docs/README"
include_patterns = ["*.md", "rules/README.md", "docs/**.md", "examples/**/README.md"]
exclude_patterns = [".*", "benchmarks", "build", "cds_service", "dist", "htmlcov", "site", "tests"]

html_theme = "furo"
html_title = project
html_static_path = ["static"]
html_css_files = ["site.css"]
templates_path = ["templates"]
html_sidebars = {
    "**": [
        "sidebar/brand.html",
        "sidebar/search.html",
        "sidebar/scroll-start.html",
        "sidebar/navigation.html",
        "sidebar/catalogue.html",
        "sidebar/scroll-end.html",
    ]
}
html_theme_options = {
    "announcement": "Draft, reviewed by no clinician. Not a medical device: do not use it for care.",
    "top_of_page_buttons": [],
}
html_copy_source = False
html_show_search_summary = False  # read by fetch, which a browser refuses to pages of the file system
html_show_sourcelink = False
html_use_index = False

# The menu: for whom, and what they need, in the order in which they need it. A page that is not there (yet) is left
# out; one of docs/ that is named nowhere stands under the last heading, so that no page is lost.
MENU: Final = {
    "Start": [
        "Quick start </README>",
        "Try it: the workbench </docs/workbench>",
        "One patient followed </docs/how-a-card-comes-to-be>",
        "/docs/glossary",
    ],
    "Clinician": [
        "/docs/read-a-card",
        "All rules and sources </docs/knowledge>",
        "Safety case </docs/safety-case>",
    ],
    "Informaticist": [
        "Write a rule </CONTRIBUTING>",
        "The files of rules </rules/README>",
        "/docs/starting-a-site",
        "A hospital's own codes </examples/site-local-codes/README>",
        "Replay whole episodes </docs/replay>",
        "/docs/synthetic-patients",
        "A year's patients </docs/cohort>",
    ],
    "EHR integrator": ["/docs/connecting"],
    "Engineer": [
        "Run it </docs/operation>",
        "How much it bears </docs/scale>",
        "/ARCHITECTURE",
        "/docs/decisions/README",
        "Changes </CHANGELOG>",
    ],
}
OTHERS: Final = "More"
# What a screen reader or a keyboard lacks in what Sphinx and Furo write, and what is written in its place.
HEARD: Final = {
    'role="heading">': 'role="heading" aria-level="2">',
    "<pre>": '<pre tabindex="0">',
    '<div class="table-wrapper': '<div tabindex="0" class="table-wrapper',
    '<aside class="announcement-content">': '<aside class="announcement-content" aria-label="What this is not">',
}
_SAID: Final = re.compile("|".join(map(re.escape, HEARD)))
WAY_IN: Final = f"""\
<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{project}</title>
<meta http-equiv="refresh" content="0; url={root_doc}.html"></head>
<body><a href="{root_doc}.html">{project}</a></body></html>
"""


def menu() -> str:
    """The menu as toctrees, which the first page carries unseen."""
    placed = {entry: _name(entry) for entries in MENU.values() for entry in entries}
    told = {heading: [e for e in entries if _is_there(placed[e])] for heading, entries in MENU.items()}
    known = {root_doc, *placed.values()}
    pages = (path.relative_to(CHECKOUT).with_suffix("").as_posix() for path in sorted((CHECKOUT / "docs").glob("*.md")))
    told[OTHERS] = [f"/{page}" for page in pages if page not in known]
    return "".join(_toctree(heading, entries) for heading, entries in told.items() if entries)


def _name(entry: str) -> str:
    return entry.rpartition("<")[2].rstrip(">").removeprefix("/")


def _is_there(name: str) -> bool:
    return (CHECKOUT / f"{name}.md").is_file()


def _toctree(heading: str, entries: list[str]) -> str:
    return "\n".join(["\n```{toctree}", ":hidden:", f":caption: {heading}", "", *entries, "```\n"])


def _with_menus(app: Sphinx, name: str, source: list[str]) -> None:
    """Menus are added while the files are read: on GitHub they would be noise."""
    if name == root_doc:
        source[0] += menu()
    elif name == "docs/decisions/README":
        source[0] += "\n```{toctree}\n:hidden:\n:glob:\n\n[0-9]*\n```\n"


def _finish(app: Sphinx, error: Exception | None) -> None:
    """Mend the pages, and put the catalogue in, which is a site of its own, and the page by which one comes in."""
    if error is not None:
        return
    out = Path(app.outdir)
    for page in out.rglob("*.html"):
        if "catalogue" not in page.parts:
            text = page.read_text(encoding="utf-8")
            page.write_text(_SAID.sub(lambda found: HEARD[found[0]], text), encoding="utf-8")
    catalogue = Path(app.config.catalogue)
    if catalogue.is_dir():
        shutil.copytree(catalogue, out / "catalogue", dirs_exist_ok=True)
    (out / "index.html").write_text(WAY_IN, encoding="utf-8")


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.add_config_value("catalogue", str(CHECKOUT / "docs/catalogue"), "", str)
    app.connect("source-read", _with_menus)
    app.connect("build-finished", _finish)
