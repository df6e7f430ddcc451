"""A real Chromium against a real server. Needs `chromium` on the PATH, or CHROMIUM."""

import os
import shutil
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

expect.set_options(timeout=15_000)  # a busy machine is slow, not wrong


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    program = shutil.which(os.environ.get("CHROMIUM") or "chromium")
    if program is None:
        pytest.fail("No browser: install Debian's chromium, or set CHROMIUM to one.")
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        # Playwright keeps an event loop on this thread, which Django takes for
        # asynchronous code and refuses; nothing here is awaited.
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        browser = playwright.chromium.launch(executable_path=program, args=sandbox)
        yield browser
        browser.close()


@pytest.fixture
def open_page(chromium: Browser) -> Iterator[Callable[..., Page]]:
    """Open a page with a profile of its own. Its errors fail the test at the end.

    A `quiet` one may be refused: of an answer in the 400s a browser complains by itself.
    """
    contexts = []
    complaints: list[str] = []

    def make(width: int = 1280, height: int = 900, *, quiet: bool = False) -> Page:
        context = chromium.new_context(viewport={"width": width, "height": height})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(15_000)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "console",
            lambda said: (
                complaints.append(said.text) if said.type == "error" and not quiet else None
            ),
        )
        return page

    yield make
    for context in contexts:
        context.close()
    assert complaints == []
