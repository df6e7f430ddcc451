"""The live process behind a proxy, as in production."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks.servers import free_port
from tests.clients.proxy import FaultyProxy, faulty_proxy
from tests.web import database_url, web_server

# For browsers: keeps the streams of a page in `window.streams`, and the texts that a screen reader
# would announce in `window.announced`.
RECORD = """
  window.streams = [];
  window.EventSource = class extends EventSource {
    constructor(url) {
      super(url);
      window.streams.push(this);
    }
  };
  window.announced = [];
  document.addEventListener("DOMContentLoaded", () => {
    const observer = new MutationObserver((changes) => {
      window.announced.push(...changes.map(({ target }) => target.textContent));
    });
    for (const part of document.querySelectorAll("[aria-live], [role=alert], [role=status]")) {
      observer.observe(part, { childList: true, characterData: true, subtree: true });
    }
  });
"""
IS_LISTENING = "() => window.streams.at(-1)?.readyState === EventSource.OPEN"
IS_CLOSED = "() => window.streams.at(-1)?.readyState === EventSource.CLOSED"
STATES = "window.streams.map((stream) => stream.readyState)"  # 2: closed
HIDE = """(hidden) => {
  Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
  document.dispatchEvent(new Event("visibilitychange"));
}"""


class LiveProcess:
    """A live process that can be restarted. Without it, the proxy responds with 502."""

    def __init__(self, proxy: FaultyProxy, log: Path, pages: str) -> None:
        self.proxy = proxy
        self.url = proxy.url
        self._port = proxy.site_port
        self._log = log
        self._pages = pages
        self._running = ExitStack()

    def start(self) -> None:
        self._running.enter_context(
            web_server(
                self._log,
                by="live",
                port=self._port,
                DATABASE_URL=database_url(),
                CORS_ALLOWED_ORIGINS=self._pages,
            )
        )

    def stop(self) -> None:
        self._running.close()


@contextmanager
def live_process(log: Path, *, pages: str) -> Iterator[LiveProcess]:
    """Run it until the block ends. `pages` is the origin of the pages that listen."""
    with faulty_proxy(free_port()) as proxy:
        live = LiveProcess(proxy, log, pages)
        live.start()
        try:
            yield live
        finally:
            live.stop()
