"""A page in the machine's own Chromium, driven by Playwright, which brings no browser of its own here."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import pytest
from playwright.sync_api import Page, sync_playwright

_NAMES: Final = ("chromium", "chromium-browser", "google-chrome")
_FLAGS: Final = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
HANGS_MS: Final = 60_000


def executable() -> str | None:
    """The path of a Chromium: that of `CDS_CHROMIUM`, else one that is installed."""
    return os.environ.get("CDS_CHROMIUM") or next(filter(None, map(shutil.which, _NAMES)), None)


@contextmanager
def new_page() -> Iterator[Page]:
    """An empty page of a browser that knows nobody. Skips the test where there is no Chromium."""
    path = executable()
    if path is None:
        pytest.skip("no Chromium here: install Debian's package chromium, or name one by CDS_CHROMIUM")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(_FLAGS), chromium_sandbox=False)
        try:
            page = browser.new_page()
            page.set_default_timeout(HANGS_MS)
            yield page
        finally:
            browser.close()
