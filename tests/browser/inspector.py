"""Finds problems of a page: axe violations, sideways scrolling, failed requests."""

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any, Literal, NamedTuple
from urllib.parse import urlsplit

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import ConsoleMessage, Page, Request, Response, ViewportSize

DESK: ViewportSize = {"width": 1280, "height": 900}
PHONE: ViewportSize = {"width": 390, "height": 844}
# Size, theme and axe options. Contrast takes axe the longest and does not depend on the size, so
# each theme is checked for it once.
VIEWS: tuple[tuple[ViewportSize, Literal["light", "dark"], dict[str, Any]], ...] = (
    (DESK, "light", {}),
    (DESK, "dark", {"runOnly": ["color-contrast"]}),
    (PHONE, "dark", {}),
)
# Colours in transition would give wrong contrasts.
NO_ANIMATIONS = """
    const sheet = new CSSStyleSheet();
    sheet.replaceSync("* { animation: none !important; transition: none !important }");
    document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
"""


class Accepted(NamedTuple):
    """A violation that cannot be fixed here."""

    rule: str
    part: str  # of the element's HTML
    reason: str


class Inspector:
    """Checks the current page in all sizes and themes, and its requests and console.

    `problems` lists everything found, each with the path of its page.
    """

    def __init__(self, page: Page, accepted: tuple[Accepted, ...] = ()) -> None:
        self.page = page
        self.accepted = accepted
        self.problems: list[str] = []
        page.on("console", self._check_console)
        page.on("pageerror", lambda error: self._report(f"script: {error}"))
        page.on("response", self._check_response)
        page.on("requestfailed", self._check_failure)

    def inspect(self) -> None:
        self.page.evaluate(Axe().axe_script)
        self.page.evaluate(NO_ANIMATIONS)
        for size, theme, rules in VIEWS:
            self.page.set_viewport_size(size)
            self.page.emulate_media(color_scheme=theme)
            # The theme of the back office does this when it loads.
            self.page.evaluate(
                "dark => document.documentElement.classList.toggle('dark', dark)", theme == "dark"
            )
            for violation in self._violations(rules):
                self._report(f"{size['width']} pixels, {theme}: {violation}")
            width: int = self.page.evaluate("document.documentElement.scrollWidth")
            if width > size["width"]:
                self._report(f"{size['width']} pixels wide, but the page needs {width}")
        self.page.set_viewport_size(DESK)

    def _violations(self, rules: dict[str, Any]) -> Iterator[str]:
        """Yield the serious and critical violations, each with its element."""
        options = {"resultTypes": ["violations"], **rules}
        violations = self.page.evaluate(
            "options => axe.run(options).then(found => found.violations)", options
        )
        for violation in violations:
            if violation["impact"] not in ("serious", "critical"):
                continue
            for node in violation["nodes"]:
                if not any(
                    violation["id"] == rule and part in node["html"]
                    for rule, part, _ in self.accepted
                ):
                    why = [check["message"] for check in node["any"] + node["all"] + node["none"]]
                    yield f"{violation['id']}: {node['html'][:160]} {why[:1]}"

    def _check_console(self, message: ConsoleMessage) -> None:
        # `_check_response` reports missing resources in more detail.
        if message.type == "error" and not message.text.startswith("Failed to load resource"):
            self._report(f"console: {message.text}")

    def _check_response(self, response: Response) -> None:
        # The page itself may be an error page, but its resources must load.
        failed = response.status >= HTTPStatus.BAD_REQUEST
        if failed and not response.request.is_navigation_request():
            self._report(f"{response.status}: {response.url}")

    def _check_failure(self, request: Request) -> None:
        if request.failure != "net::ERR_ABORTED":  # the browser left the page
            self._report(f"{request.failure}: {request.url}")

    def _report(self, what: str) -> None:
        self.problems.append(f"{urlsplit(self.page.url).path}: {what}")
