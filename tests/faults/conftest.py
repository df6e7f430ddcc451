"""One set of servers for the package; every test leaves them running and every invariant intact."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager

import pytest

from benchmarks.stampede.servers import AppServer
from tests.faults.customers import Purchase, new_customer, new_show
from tests.faults.servers import Database, Servers, start_servers
from tests.web import Answer

Background = Callable[[Purchase, AppServer], "Future[Answer]"]
Serve = Callable[..., AbstractContextManager[AppServer]]


@pytest.fixture(scope="package")
def package_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    with start_servers(tmp_path_factory.mktemp("servers")) as servers:
        yield servers


@pytest.fixture
def servers(package_servers: Servers) -> Iterator[Servers]:
    """The servers. After each test, no invariant may be violated."""
    yield package_servers
    assert package_servers.database.violations() == {}


@pytest.fixture
def serve(servers: Servers) -> Serve:
    """Start a web server, until the block ends."""

    @contextmanager
    def start(**options: str) -> Iterator[AppServer]:
        app = servers.server(**options)
        app.start()
        try:
            app.wait()
            yield app
        finally:
            app.stop()

    return start


@pytest.fixture
def database(servers: Servers) -> Database:
    return servers.database


@pytest.fixture
def new_purchase(database: Database) -> Callable[..., Purchase]:
    """Create purchases of all seats of a new show by a new customer."""

    def make(*, seats: int = 1) -> Purchase:
        return Purchase(new_customer(database), *new_show(database, seats=seats))

    return make


@pytest.fixture
def in_background() -> Iterator[Background]:
    """Send a purchase without waiting for its answer."""
    with ThreadPoolExecutor(16) as pool:
        yield lambda purchase, app: pool.submit(purchase.send, app)
