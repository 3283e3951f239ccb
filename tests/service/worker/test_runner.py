"""One attempt, run in the test's own process."""

import json
from collections.abc import Callable

import pytest
from sqlalchemy import delete

from core.training.events import EpochEnded
from service.checkpoints.retention import Retention
from service.checkpoints.use_cases import stored
from service.datasets.tables import DatasetRow
from service.epochs.use_cases import curves
from service.jobs import repository, use_cases
from service.jobs.creation import resolve_for
from service.jobs.leases import Lease
from service.jobs.schemas import JobSpec
from service.jobs.states import JobState
from service.jobs.tables import JobPlanRow, JobRow
from service.kit.clock import now
from service.kit.database import Database
from service.kit.provenance import provenance
from service.models.tables import ModelRow
from service.settings import Settings
from service.worker.recorder import Recorder
from service.worker.runner import DONE, NO_DATABASE, run, what_happened

ALease = Callable[..., Lease]

pytestmark = pytest.mark.usefixtures("own_signals")


def job_of(database: Database, lease: Lease) -> JobRow:
    with database.reading() as session:
        return repository.find(session, lease.job_id)


def test_a_run_ends_with_a_model_its_scores_and_the_proof_of_its_gradients(
    settings: Settings, database: Database, a_lease: ALease
) -> None:
    lease = a_lease(split={"validation": 0.2, "test": 0.2})
    assert run(settings, lease) == DONE
    job = job_of(database, lease)
    assert (job.state, job.stop_reason, job.epoch) == (JobState.SUCCEEDED, "max_epochs", 12)
    assert (job.nonce, job.worker_id, job.lease_expires_at) == (None, None, None)
    with database.reading() as session:
        model = session.query(ModelRow).one()
        assert model.id == job.model_id
        assert set(model.scores) == {"training", "validation", "test"}
        assert model.scores["test"]["accuracy"] > 0.5
        assert model.certificate is not None
        assert model.certificate["passed"]
        assert model.provenance == [provenance().model_dump(mode="json")]


def test_a_range_test_ends_with_a_rate_and_without_a_model(
    settings: Settings, database: Database, a_lease: ALease
) -> None:
    lease = a_lease(kind="learning_rate_range", epochs=None)
    assert run(settings, lease) == DONE
    job = job_of(database, lease)
    assert (job.state, job.stop_reason, job.model_id) == (JobState.SUCCEEDED, "loss_exploded", None)
    assert job.result is not None
    assert job.result["stopped_because"] == "loss_exploded"
    with database.reading() as session:
        curve = curves(session, job)
        assert curve.epoch == curve.step == list(range(1, job.epoch + 1))
        assert job.result["suggested_learning_rate"] in curve.learning_rate
        assert set(curve.training) == {"loss", "smoothed_loss", "penalty"}
        assert stored(session, job) == []
        assert session.query(ModelRow).count() == 0


def test_a_range_test_that_comes_to_its_end_while_it_is_being_cancelled_is_cancelled(
    settings: Settings, database: Database, a_lease: ALease
) -> None:
    lease = a_lease(kind="learning_rate_range", epochs=None)
    with database.reading() as session:
        spec = JobSpec.model_validate_json(json.dumps(session.get_one(JobPlanRow, lease.job_id).spec))
        test = resolve_for(session, spec, 10**6).range_test()
    recorder = Recorder(database, lease, None, used_seconds=0.0)
    recorder.start(test.checkpoint())
    for event in test.events():
        if isinstance(event, EpochEnded):
            recorder.add(event, test.checkpoint)
    recorder._waiting.checkpoints[event.epoch] = test.checkpoint()
    recorder.flush()
    with database.writing() as session:
        use_cases.cancel(session, lease.job_id, now())
    # All points are there: it ends by itself before it asks whether to stop.
    assert run(settings, lease) == DONE
    job = job_of(database, lease)
    assert (job.state, job.result) == (JobState.CANCELLED, None)
    with database.reading() as session:
        assert stored(session, job) == []


def test_early_stopping_gives_the_weights_of_the_best_epoch(
    settings: Settings, database: Database, a_lease: ALease
) -> None:
    stopping = {"monitor": "validation.loss", "patience": 2, "restore_best": True}
    lease = a_lease(epochs=500, early_stopping=stopping, optimizer={"kind": "sgd", "learning_rate": 0.5}, batch_size=8)
    run(settings, lease)
    job = job_of(database, lease)
    assert (job.state, job.stop_reason) == (JobState.SUCCEEDED, "early_stopping")
    assert job.best_epoch == job.epoch - 2
    with database.reading() as session:
        best = {row.epoch: row.weights for row in stored(session, job)}[job.best_epoch]
        assert session.query(ModelRow).one().weights == best


def test_an_attempt_that_finds_its_job_cancelled_ends_it(
    settings: Settings, database: Database, a_lease: ALease
) -> None:
    lease = a_lease()
    with database.writing() as session:
        use_cases.cancel(session, lease.job_id, now())
    assert run(settings, lease) == DONE
    assert job_of(database, lease).state == JobState.CANCELLED
    with database.reading() as session:
        assert session.query(ModelRow).count() == 0


def test_a_run_that_comes_to_its_end_while_it_is_being_cancelled_makes_no_model(
    settings: Settings, database: Database, a_lease: ALease
) -> None:
    lease = a_lease(epochs=1)
    with database.reading() as session:
        spec = JobSpec.model_validate_json(json.dumps(session.get_one(JobPlanRow, lease.job_id).spec))
        trained = resolve_for(session, spec, 10**6).run()
    recorder = Recorder(database, lease, Retention(), used_seconds=0.0)
    recorder.start(trained.checkpoint())
    recorder.add(next(event for event in trained.events() if isinstance(event, EpochEnded)), trained.checkpoint)
    recorder.flush()
    with database.writing() as session:
        use_cases.cancel(session, lease.job_id, now())
    # All epochs are done: the run ends by itself before it asks whether to stop.
    assert run(settings, lease) == DONE
    job = job_of(database, lease)
    assert (job.state, job.epoch, job.model_id) == (JobState.CANCELLED, 1, None)


def test_a_job_whose_data_set_is_gone_fails_and_says_so(
    settings: Settings, database: Database, a_lease: ALease
) -> None:
    lease = a_lease()
    with database.writing() as session:
        session.execute(delete(DatasetRow))
    assert run(settings, lease) == DONE
    job = job_of(database, lease)
    assert (job.state, job.stop_reason) == (JobState.FAILED, "error")
    assert job.error is not None
    assert "data set" in str(job.error["detail"])


def test_an_attempt_without_running_time_left_fails_at_once(
    settings: Settings, database: Database, a_lease: ALease
) -> None:
    lease = a_lease(limits={"seconds": 1e-6})
    assert run(settings, lease) == DONE
    job = job_of(database, lease)
    assert (job.state, job.stop_reason, job.epoch) == (JobState.FAILED, "time_limit", 0)


def test_a_job_that_needs_too_much_memory_fails_and_the_process_goes_on(
    settings: Settings, database: Database, a_lease: ALease
) -> None:
    # Each vector of 9 million parameters is larger than anything that earlier tests may have left free in this process.
    wide = {"layers": [{"op": "dense", "units": 3000}, {"op": "dense", "units": 3000}, {"op": "dense"}]}
    lease = a_lease(network=wide, limits={"memory_mb": 16})
    assert run(settings, lease) == DONE
    job = job_of(database, lease)
    assert (job.state, job.stop_reason) == (JobState.FAILED, "memory_limit")
    assert len(bytearray(64 * 1024 * 1024)) == 64 * 1024 * 1024


@pytest.mark.parametrize(
    ("exit_code", "told"),
    [
        (7, "it ended with status 7"),
        (-9, "it was ended by SIGKILL"),
        (-50, "it was ended by signal 50"),
        (NO_DATABASE, "it could not reach the database"),
    ],
)
def test_how_a_runner_ended_is_told_in_words(exit_code: int, told: str) -> None:
    assert what_happened(exit_code) == told
