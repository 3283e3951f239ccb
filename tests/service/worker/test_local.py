"""The local engine, with runners that do nothing but misbehave."""

import os
import signal
import threading
import time
from collections.abc import Callable

import pytest

from service.jobs.ids import JOB_IDS
from service.jobs.leases import Lease
from service.jobs.states import JobState
from service.jobs.tables import JobRow
from service.kit.database import Database, open_database
from service.settings import Settings
from service.worker.local import Ending, LocalEngine
from service.worker.supervisor import Supervisor

ALease = Callable[..., Lease]


def a_free_lease(*, seconds_left: float = 60.0, memory_mb: int = 1024) -> Lease:
    return Lease(JOB_IDS.new(), 1, "0" * 32, seconds_left, memory_mb)


def ending_of(engine: LocalEngine) -> Ending:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        engine.enforce_limits()
        if endings := engine.ended():
            return endings[0]
        time.sleep(0.01)
    raise AssertionError("the runner did not end")


def sleep(lease: Lease) -> int:
    time.sleep(60)
    return 0


def eat(lease: Lease) -> int:
    eaten = bytearray()
    while len(eaten) < 2**30:
        eaten += b"x" * 2**22
    time.sleep(60)
    return 0


def die(lease: Lease) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return 0


def crash(lease: Lease) -> int:
    raise RuntimeError("a bug")


def test_a_runner_s_exit_status_is_told() -> None:
    engine = LocalEngine(lambda lease: 7)
    lease = a_free_lease()
    engine.start(lease)
    assert len(engine) == 1
    assert ending_of(engine) == Ending(lease, "lost", 7)
    assert len(engine) == 0


def test_a_runner_that_crashes_takes_nobody_with_it() -> None:
    engine = LocalEngine(crash)
    engine.start(a_free_lease())
    assert ending_of(engine).exit_code == 1


def test_a_runner_that_is_killed_by_somebody_is_lost() -> None:
    engine = LocalEngine(die)
    engine.start(a_free_lease())
    ending = ending_of(engine)
    assert (ending.cause, ending.exit_code) == ("lost", -signal.SIGKILL)


def test_a_runner_that_does_not_stop_when_its_time_is_up_is_killed() -> None:
    engine = LocalEngine(sleep)
    engine.start(a_free_lease(seconds_left=-2))
    assert ending_of(engine).cause == "time_limit"


def test_a_runner_that_takes_more_memory_than_it_may_is_killed_and_its_neighbor_is_not() -> None:
    engine = LocalEngine(lambda lease: eat(lease) if lease.memory_mb == 32 else sleep(lease))
    greedy, modest = a_free_lease(memory_mb=32), a_free_lease()
    engine.start(modest)
    engine.start(greedy)
    ending = ending_of(engine)
    assert (ending.lease, ending.cause) == (greedy, "memory_limit")
    assert len(engine) == 1
    engine.kill()
    assert ending_of(engine).cause == "stopped"


def test_a_runner_that_is_asked_to_stop_before_it_listens_is_not_lost() -> None:
    engine = LocalEngine(sleep)
    engine.start(a_free_lease())
    deadline = time.monotonic() + 30
    while len(engine) and time.monotonic() < deadline:
        # Until it has dropped its parent's handlers it may not hear it.
        engine.ask_to_stop()
        if endings := engine.ended():
            assert endings[0].cause == "stopped"
        time.sleep(0.01)
    assert len(engine) == 0


@pytest.mark.usefixtures("own_signals")
def test_a_runaway_runner_fails_its_job_by_the_hand_of_the_supervisor(
    settings: Settings, database: Database, a_lease: ALease
) -> None:
    lease = a_lease()
    with database.writing() as session:
        job = session.get_one(JobRow, lease.job_id)
        job.state, job.limit_seconds = JobState.QUEUED, 0.01
    supervisor = Supervisor(settings.model_copy(update={"workers": 1}), database, LocalEngine(sleep))
    watcher = threading.Thread(target=_stop_when_over, args=(settings.database_url, lease))
    watcher.start()
    supervisor.run()
    watcher.join()
    with database.reading() as session:
        job = session.get_one(JobRow, lease.job_id)
        assert (job.state, job.stop_reason) == (JobState.FAILED, "time_limit")


def _stop_when_over(database_url: str, lease: Lease) -> None:
    """SIGTERM to this very process once the job has failed, or after a while.

    By a database of its own: the supervisor closes its one before it forks, and nobody may be using it then.
    """
    database = open_database(database_url)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with database.reading() as session:
            if session.get_one(JobRow, lease.job_id).state == JobState.FAILED:
                break
        time.sleep(0.02)
    database.close()
    os.kill(os.getpid(), signal.SIGTERM)
