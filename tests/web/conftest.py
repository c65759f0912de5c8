"""A real browser: Debian's Chromium, driven by Playwright; without them its tests are skipped."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest

FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
DESK = {"width": 1280, "height": 900}
Open = Callable[..., Any]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """One browser for all tests here."""
    reason = "playwright is not installed: pip install '.[dev]'"
    sync_api = pytest.importorskip("playwright.sync_api", reason=reason)
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("chromium is not installed: apt-get install chromium")
    with sync_api.sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield running
        running.close()


@pytest.fixture
def opened(browser: Any) -> Iterator[Open]:
    """Opens the page at a URL; whatever the browser complains of fails the test, but what is `expected`."""
    complaints: list[str] = []
    context: list[Any] = []
    expects: list[str] = []

    def open_page(url: str, *, expected: str = "(?!)", **options: Any) -> Any:
        expects.append(expected)
        context.append(browser.new_context(**{"viewport": DESK, **options}))
        tab = context[-1].new_page()
        tab.clock.install()  # so that a test can turn it forward
        tab.set_default_timeout(15_000)
        tab.on("pageerror", lambda error: complaints.append(str(error)))
        tab.on("dialog", lambda dialog: (complaints.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        tab.on(
            "console",
            lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None,
        )
        tab.goto(url)
        tab.wait_for_selector("#plots svg")
        return tab

    yield open_page
    for each in context:
        each.close()
    assert [said for said in complaints if not any(re.search(each, said) for each in expects)] == []
