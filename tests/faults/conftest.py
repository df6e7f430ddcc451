"""One stage for the package; every test leaves it whole and every invariant intact."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from benchmarks.stampede.servers import AppServer
from tests.faults.customers import Purchase, new_customer, new_show
from tests.faults.stage import Database, Stage, open_stage
from tests.web import Answer

Aside = Callable[[Purchase, AppServer], "Future[Answer]"]


@pytest.fixture(scope="package")
def whole_stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with open_stage(tmp_path_factory.mktemp("servers")) as stage:
        yield stage


@pytest.fixture
def stage(whole_stage: Stage) -> Iterator[Stage]:
    """The servers; whatever a test did to them, nothing may be half done afterwards."""
    yield whole_stage
    assert whole_stage.database.violations() == {}


@pytest.fixture
def database(stage: Stage) -> Database:
    return stage.database


@pytest.fixture
def purchase(database: Database) -> Callable[..., Purchase]:
    """Make a wish of a new customer for all seats of a new show."""

    def make(*, seats: int = 1) -> Purchase:
        return Purchase(new_customer(database), *new_show(database, seats=seats))

    return make


@pytest.fixture
def aside() -> Iterator[Aside]:
    """Send a purchase without waiting for its answer."""
    with ThreadPoolExecutor(16) as pool:
        yield lambda purchase, app: pool.submit(purchase.send, app)
