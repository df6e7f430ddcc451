"""What keeps people from using a page: barriers axe finds, sideways scrolling, failed requests."""

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any, Literal, NamedTuple
from urllib.parse import urlsplit

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import ConsoleMessage, Page, Request, Response, ViewportSize

DESK: ViewportSize = {"width": 1280, "height": 900}
PHONE: ViewportSize = {"width": 390, "height": 844}
# Size and theme, and what axe is told. The colours of a theme do not depend on the size, and
# they are most of its work.
VIEWS: tuple[tuple[ViewportSize, Literal["light", "dark"], dict[str, Any]], ...] = (
    (DESK, "light", {}),
    (DESK, "dark", {"runOnly": ["color-contrast"]}),
    (PHONE, "dark", {}),
)
# A colour on its way to another one is no colour to judge.
STAND_STILL = """
    const still = new CSSStyleSheet();
    still.replaceSync("* { animation: none !important; transition: none !important }");
    document.adoptedStyleSheets = [...document.adoptedStyleSheets, still];
"""


class Accepted(NamedTuple):
    """A finding that cannot be mended here."""

    rule: str
    part: str  # of the element's HTML
    reason: str


class Inspector:
    """Looks at what a page shows now, in all sizes and themes, and listens to its requests.

    `complaints` has all that was found, each with the path it was found on.
    """

    def __init__(self, page: Page, accepted: tuple[Accepted, ...] = ()) -> None:
        self.page = page
        self.accepted = accepted
        self.complaints: list[str] = []
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self._complain(f"script: {error}"))
        page.on("response", self._answered)
        page.on("requestfailed", self._unanswered)

    def look(self) -> None:
        self.page.evaluate(Axe().axe_script)
        self.page.evaluate(STAND_STILL)
        for size, theme, rules in VIEWS:
            self.page.set_viewport_size(size)
            self.page.emulate_media(color_scheme=theme)
            # As the theme of the back office does when it loads.
            self.page.evaluate(
                "dark => document.documentElement.classList.toggle('dark', dark)", theme == "dark"
            )
            for flaw in self._flaws(rules):
                self._complain(f"{size['width']} pixels, {theme}: {flaw}")
            reach: int = self.page.evaluate("document.documentElement.scrollWidth")
            if reach > size["width"]:
                self._complain(f"{size['width']} pixels are too few: {reach}")
        self.page.set_viewport_size(DESK)

    def _flaws(self, rules: dict[str, Any]) -> Iterator[str]:
        """Yield what axe calls serious or critical, with the element it means."""
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

    def _hear(self, said: ConsoleMessage) -> None:
        # That a resource is missing, `_answered` says better.
        if said.type == "error" and not said.text.startswith("Failed to load resource"):
            self._complain(f"console: {said.text}")

    def _answered(self, answer: Response) -> None:
        # The page itself may be an error page; what it needs may not be missing.
        if answer.status >= HTTPStatus.BAD_REQUEST and not answer.request.is_navigation_request():
            self._complain(f"{answer.status}: {answer.url}")

    def _unanswered(self, request: Request) -> None:
        if request.failure != "net::ERR_ABORTED":  # which only says that the page was left
            self._complain(f"{request.failure}: {request.url}")

    def _complain(self, what: str) -> None:
        self.complaints.append(f"{urlsplit(self.page.url).path}: {what}")
