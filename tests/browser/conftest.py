"""Browser tests: a real Chromium and a real server. Needs `chromium` on the PATH, or CHROMIUM."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright
from pytest_django.fixtures import Settings

from tests.browser.client_site import client_site

expect.set_options(timeout=15_000)  # generous, for busy machines

CLIENT = Path(__file__).parent / "client"


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    program = shutil.which(os.environ.get("CHROMIUM") or "chromium")
    if program is None:
        pytest.fail("Chromium is missing: apt-get install chromium, or set CHROMIUM to its path.")
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        # Playwright runs an event loop on this thread, so Django would refuse database calls
        # as if the code were asynchronous. Nothing here is awaited.
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        browser = playwright.chromium.launch(executable_path=program, args=sandbox)
        yield browser
        browser.close()


@pytest.fixture
def open_page(chromium: Browser) -> Iterator[Callable[..., Page]]:
    """Open a page in a new browser profile. Console errors fail the test at its end.

    On a `quiet` page they do not: browsers log every 4xx response as an error.
    """
    contexts = []
    errors: list[str] = []

    def make(width: int = 1280, height: int = 900, *, quiet: bool = False) -> Page:
        context = chromium.new_context(viewport={"width": width, "height": height})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(15_000)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on(
            "console",
            lambda message: (
                errors.append(message.text) if message.type == "error" and not quiet else None
            ),
        )
        return page

    yield make
    for context in contexts:
        context.close()
    assert errors == []


@pytest.fixture
def client_address(settings: Settings) -> Iterator[str]:
    """Serve the pages in `client`, which are clients of the API, from another origin."""
    with client_site(CLIENT) as origin:
        settings.CORS_ALLOWED_ORIGINS = [origin]
        yield f"{origin}/"
