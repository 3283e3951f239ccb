"""What a runner writes, as it finds its way into the database."""

import json
import time
from collections.abc import Callable

import pytest
from sqlalchemy import update

from core.training.events import EpochEnded
from core.training.range_test import RangeTest
from core.training.run import Run
from service.checkpoints.retention import Retention
from service.checkpoints.tables import CheckpointRow
from service.checkpoints.use_cases import drop_unneeded, stored
from service.epochs.use_cases import curves
from service.jobs import repository
from service.jobs.creation import resolve_for
from service.jobs.journal import note_provenance
from service.jobs.leases import Lease, Replaced, held
from service.jobs.schemas import JobSpec
from service.jobs.states import JobState
from service.jobs.tables import EventRow, JobPlanRow, JobRow
from service.kit import blobs
from service.kit.database import Database
from service.kit.provenance import provenance
from service.worker.recorder import Recorder

ALease = Callable[..., Lease]
RETENTION = Retention(every_epochs=3, keep=2)


def a_run(database: Database, lease: Lease) -> Run:
    with database.reading() as session:
        spec = JobSpec.model_validate_json(json.dumps(session.get_one(JobPlanRow, lease.job_id).spec))
        return resolve_for(session, spec, 10**6).run()


def a_range_test(database: Database, lease: Lease) -> RangeTest:
    with database.reading() as session:
        spec = JobSpec.model_validate_json(json.dumps(session.get_one(JobPlanRow, lease.job_id).spec))
        return resolve_for(session, spec, 10**6).range_test()


def recorder_of(database: Database, lease: Lease) -> Recorder:
    return Recorder(database, lease, RETENTION, used_seconds=0.0)


def train(run: Run, recorder: Recorder, *, writes_every: int) -> None:
    """Train to the end, and write after so many epochs each time, whatever the clock says."""
    recorder.start(run.checkpoint())
    for event in run.events():
        if isinstance(event, EpochEnded):
            recorder.add(event, run.checkpoint)
            if event.epoch % writes_every == 0:
                recorder.flush()
    recorder.flush()


@pytest.mark.parametrize("writes_every", [1, 2, 5, 100])
def test_what_is_kept_does_not_depend_on_when_it_was_written(
    database: Database, a_lease: ALease, writes_every: int
) -> None:
    lease = a_lease()
    run = a_run(database, lease)
    train(run, recorder_of(database, lease), writes_every=writes_every)
    with database.reading() as session:
        job = repository.find(session, lease.job_id)
        assert {row.epoch for row in stored(session, job)} == {0, 9, 12, run.best_epoch}
        assert curves(session, job).epoch == list(range(1, 13))
        assert (job.epoch, job.best_epoch, job.losses_without_progress) == (12, run.best_epoch, 0)


def test_the_last_epoch_written_always_has_its_checkpoint(database: Database, a_lease: ALease) -> None:
    lease = a_lease()
    run, recorder = a_run(database, lease), recorder_of(database, lease)
    recorder.start(run.checkpoint())
    for event in run.events():
        if isinstance(event, EpochEnded):
            recorder.add(event, run.checkpoint)
            recorder.flush()
            with database.reading() as session:
                job = repository.find(session, lease.job_id)
                assert job.epoch == event.epoch
                assert session.get(CheckpointRow, (job.id, event.epoch)) is not None


def test_a_run_remembers_once_what_it_was_computed_with(database: Database, a_lease: ALease) -> None:
    """Its first epochs come from another machine."""
    lease = a_lease()
    with database.writing() as session:
        for _ in range(2):
            note_provenance(session, held(session, lease), {"cpu": "another"})
    train(a_run(database, lease), recorder_of(database, lease), writes_every=1)
    with database.reading() as session:
        noted = session.get_one(JobPlanRow, lease.job_id).provenance
        assert noted == [{"cpu": "another"}, provenance().model_dump(mode="json")]


def test_events_count_on_without_a_gap(database: Database, a_lease: ALease) -> None:
    lease = a_lease()
    train(a_run(database, lease), recorder_of(database, lease), writes_every=4)
    with database.reading() as session:
        events = session.query(EventRow).filter_by(job_id=lease.job_id).order_by(EventRow.id).all()
        assert [event.id for event in events] == list(range(1, len(events) + 1))
        assert [event.data["epoch"] for event in events if event.kind == "epoch"] == list(range(1, 13))
        assert repository.find(session, lease.job_id).last_event == len(events)


def test_a_replaced_runner_writes_nothing_at_all(database: Database, a_lease: ALease) -> None:
    lease = a_lease()
    run, recorder = a_run(database, lease), recorder_of(database, lease)
    recorder.start(run.checkpoint())
    with database.writing() as session:
        session.execute(update(JobRow).values(nonce="another"))
    ended = next(event for event in run.events())
    assert isinstance(ended, EpochEnded)
    recorder.add(ended, run.checkpoint)
    with pytest.raises(Replaced):
        recorder.flush()
    with database.reading() as session:
        job = repository.find(session, lease.job_id)
        assert curves(session, job).epoch == []
        assert [row.epoch for row in stored(session, job)] == [0]


def test_without_a_retention_only_the_last_point_written_can_be_gone_on_from(
    database: Database, a_lease: ALease
) -> None:
    lease = a_lease(kind="learning_rate_range", epochs=None)
    test, recorder = a_range_test(database, lease), Recorder(database, lease, None, used_seconds=0.0)
    recorder.start(test.checkpoint())
    for event in test.events():
        if isinstance(event, EpochEnded) and event.epoch <= 20:
            recorder._written = time.monotonic() if event.epoch % 8 else 0.0
            recorder.add(event, test.checkpoint)
    with database.reading() as session:
        job = repository.find(session, lease.job_id)
        assert job.epoch == 16
        assert [row.epoch for row in stored(session, job)] == [16]
    recorder.drop_unfinished()
    recorder.flush()
    with database.reading() as session:
        assert repository.find(session, lease.job_id).epoch == 16


def test_checkpoints_of_a_range_test_that_is_over_are_collected(database: Database, a_lease: ALease) -> None:
    measuring, training = a_lease(kind="learning_rate_range", epochs=None), a_lease()
    Recorder(database, measuring, None, used_seconds=0.0).start(a_range_test(database, measuring).checkpoint())
    recorder_of(database, training).start(a_run(database, training).checkpoint())
    for state, kept in ((JobState.PAUSED, 2), (JobState.CANCELLED, 1)):
        with database.writing() as session:
            session.execute(update(JobRow).values(state=state))
            drop_unneeded(session)
            assert session.query(CheckpointRow).count() == kept


def test_the_bytes_of_retired_checkpoints_are_freed(database: Database, a_lease: ALease) -> None:
    lease = a_lease()
    recorder = recorder_of(database, lease)
    train(a_run(database, lease), recorder, writes_every=1)
    recorder.collect()
    with database.writing() as session:
        assert blobs.collect_unreferenced(session) == 0
