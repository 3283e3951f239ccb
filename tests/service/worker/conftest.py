import signal
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from service.datasets.schemas import NewSample
from service.datasets.use_cases import create as create_dataset
from service.datasets.use_cases import read
from service.jobs import queue
from service.jobs.creation import create, plan
from service.jobs.leases import Lease
from service.jobs.orders import Bounds
from service.jobs.schemas import JobSpec
from service.kit.database import Database, database_now

NOW = datetime(2026, 1, 31, tzinfo=UTC)


@pytest.fixture
def a_lease(database: Database) -> Callable[..., Lease]:
    """A builder of jobs on the irises that a worker has just taken."""

    def build(**changes: Any) -> Lease:
        with database.writing() as session:
            dataset = create_dataset(session, read(NewSample(sample="iris")), NOW)
            asked = {"epochs": 12, "seed": 3, **changes}
            spec = JobSpec.model_validate({"dataset": dataset.id, "target": "species", **asked})
            create(session, plan(session, spec, Bounds(10**7, 3600.0, 2048)), NOW)
            lease = queue.claim(session, "wrk_test", 60, database_now(session))
            assert lease is not None
            return lease

    return build


@pytest.fixture
def own_signals() -> Iterator[None]:
    """Handlers that a test installs are gone after it."""
    watched = (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)
    handlers = {number: signal.getsignal(number) for number in watched}
    yield
    signal.set_wakeup_fd(-1)
    for number, handler in handlers.items():
        signal.signal(number, handler)
