from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import postgres_database
from tests.journeys.running import Service, serving


@pytest.fixture(scope="session", params=["sqlite", "postgres"])
def service(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The service with one worker on each of the two databases, for all tests that leave it alive."""
    if request.param == "sqlite":
        folder: Path = tmp_path_factory.mktemp("service")
        with serving(f"sqlite:///{folder}/backprop.sqlite3") as running:
            yield running
    else:
        with postgres_database("template0") as url, serving(url) as running:
            yield running


@pytest.fixture
def own_service(database_url: str) -> Iterator[Service]:
    """The same for one test alone, which may do to it what it likes."""
    with serving(database_url) as running:
        yield running
