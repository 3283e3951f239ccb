"""One attempt of a job: from its last checkpoint to its end, or to wherever it is stopped."""

import json
import logging
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from core.errors import CoreError
from core.experiment import Experiment
from core.training.events import Ended, EpochEnded
from core.training.range_test import RangeResult, RangeTest
from core.training.run import Run
from service.checkpoints import use_cases as checkpoints
from service.checkpoints.retention import Retention
from service.datasets.errors import DatasetNotFound
from service.datasets.tables import DatasetRow
from service.jobs import leases
from service.jobs.creation import resolve_for
from service.jobs.leases import Lease, Replaced, held
from service.jobs.schemas import JobSpec
from service.jobs.states import JobState, StopReason
from service.jobs.tables import JobPlanRow, JobRow
from service.kit.database import Database, database_now, open_database
from service.kit.http.strict_json import Json
from service.models.use_cases import register
from service.settings import Settings
from service.worker.certificate import certify
from service.worker.heartbeat import REPLACED, Heartbeat
from service.worker.limits import limited_growth, unlimited_growth
from service.worker.recorder import Recorder
from service.worker.scoring import score

DONE, NO_DATABASE = 0, 4
"""Exit statuses, beside REPLACED: the attempt is concluded; or what has become of it could not be written."""

Conclusion = Callable[[Session, JobRow, datetime], None]
"""The last write of an attempt, as part of the transaction that also writes what still waited."""

_log = logging.getLogger("backprop.worker")


@dataclass
class Wishes:
    """What may end the attempt before the run is over."""

    deadline: float
    heartbeat: Heartbeat
    shut_down: bool = field(default=False)

    def should_stop(self) -> bool:
        """Asked between steps."""
        return self.shut_down or self.heartbeat.state != JobState.RUNNING or self.is_time_up()

    def is_time_up(self) -> bool:
        """Whether the job has used up its running time."""
        return time.monotonic() >= self.deadline


def run(settings: Settings, lease: Lease) -> int:
    """Train in this process, which is the job's own; its exit status."""
    deadline = time.monotonic() + lease.seconds_left
    database = open_database(settings.database_url)
    heartbeat = Heartbeat(
        database, lease, lease_seconds=settings.lease_seconds, interval_seconds=settings.heartbeat_seconds
    )
    wishes = Wishes(deadline, heartbeat)
    signal.signal(signal.SIGTERM, lambda *_: setattr(wishes, "shut_down", True))
    try:
        with heartbeat:
            Attempt(settings, database, lease, wishes).run()
    except Replaced:
        return REPLACED
    except SQLAlchemyError:
        # What was committed is known to nobody but the database: the next attempt asks it.
        _log.warning("the database does not answer, so the runner stops", extra={"job": lease.job_id})
        return NO_DATABASE
    finally:
        database.close()
    return DONE


def what_happened(exit_code: int) -> str:
    """How a runner ended, for people."""
    if exit_code == NO_DATABASE:
        return "it could not reach the database"
    if exit_code >= 0:
        return f"it ended with status {exit_code}"
    name = next((one.name for one in signal.Signals if one == -exit_code), f"signal {-exit_code}")
    return f"it was ended by {name}"


class Attempt:
    """The run of one lease, and everything it writes."""

    def __init__(self, settings: Settings, database: Database, lease: Lease, wishes: Wishes) -> None:
        self._settings = settings
        self._database = database
        self._lease = lease
        self._wishes = wishes
        self._recorder: Recorder | None = None

    def run(self) -> None:
        """Train, and conclude the attempt by what came of it. Raises Replaced."""
        self._conclude(self._outcome())

    def _outcome(self) -> Conclusion:
        """Train until something ends it; when this returns, the memory of the run is free again."""
        try:
            with limited_growth(self._lease.memory_mb):
                return self._train()
        except MemoryError:
            detail = f"The job needs more than its {self._lease.memory_mb} MiB of memory."
            return _failure("memory_limit", {"detail": detail})
        except (Replaced, SQLAlchemyError):
            raise
        except (CoreError, DatasetNotFound) as error:
            return _failure("error", {"detail": f"The job cannot be trained: {error}"[:1000]})
        except Exception as error:  # noqa: BLE001 -- whatever it is, the job has to end and to say so
            _log.exception("the training failed", extra={"job": self._lease.job_id, "attempt": self._lease.attempt})
            detail = f"The training stopped with an internal error ({type(error).__name__}); the worker's log has more."
            return _failure("error", {"detail": detail})

    def _train(self) -> Conclusion:
        with unlimited_growth():
            experiment = self._begin()
        run, recorder = self._restored(experiment), self._recorder
        assert recorder is not None
        for event in run.events(self._wishes.should_stop):
            match event:
                case EpochEnded():
                    with unlimited_growth():
                        recorder.add(event, run.checkpoint)
                case Ended():
                    return self._ended(event, experiment, run)
        raise AssertionError("a run ends by saying so")

    def _begin(self) -> Experiment:
        """The job's experiment, exactly as it was when the job was accepted."""
        with self._database.reading() as session:
            spec = JobSpec.model_validate_json(json.dumps(session.get_one(JobPlanRow, self._lease.job_id).spec))
            used_seconds = session.get_one(JobRow, self._lease.job_id).used_seconds
            trains = spec.kind == "training"
            retention = Retention(spec.checkpoints.every_epochs, spec.checkpoints.keep) if trains else None
            self._recorder = Recorder(self._database, self._lease, retention, used_seconds)
            return resolve_for(session, spec, self._settings.max_parameters)

    def _restored(self, experiment: Experiment) -> Run | RangeTest:
        """The run, after the last epoch that was written; a new one is written as it is before training."""
        run = experiment.run() if experiment.spec.learning_rate_range is None else experiment.range_test()
        recorder = self._recorder
        assert recorder is not None
        with self._database.reading() as session:
            job = session.get_one(JobRow, self._lease.job_id)
            rows = {row.epoch: row for row in checkpoints.stored(session, job)}
            if rows:
                last = checkpoints.load(session, rows[job.epoch])
                with unlimited_growth():
                    match run:
                        case RangeTest():
                            run.restore(last)
                        case Run():
                            best = rows.get(job.best_epoch or 0)
                            best_weights = checkpoints.load(session, best).weights if best and job.best_epoch else None
                            run.restore(last, best_weights)
        if not rows:
            with unlimited_growth():
                recorder.start(run.checkpoint())
        return run

    def _ended(self, ended: Ended, experiment: Experiment, run: Run | RangeTest) -> Conclusion:
        assert self._recorder is not None
        if ended.reason == "interrupted":
            self._recorder.drop_unfinished()
        match ended.reason:
            case "interrupted" if self._wishes.heartbeat.state == JobState.RUNNING and self._wishes.is_time_up():
                return _failure("time_limit", {"detail": "The job has used up the running time of its limit."})
            case "interrupted":
                return _return
            case "diverged":
                facts: dict[str, Json] = {"detail": _sentence(ended.detail), "node": ended.node, "step": ended.step}
                return _failure("diverged", facts)
            case "max_epochs" | "early_stopping":
                assert isinstance(run, Run)
                return self._success(ended.reason, experiment, run)
            case "last_step" | "loss_exploded" | "loss_not_finite":
                assert isinstance(run, RangeTest)
                return _report(run.result())

    def _success(self, reason: StopReason, experiment: Experiment, run: Run) -> Conclusion:
        with unlimited_growth():
            weights = run.final_weights()
            scores = score(experiment, weights)
            certificate = certify(experiment, weights, dataset_sha256=self._dataset_sha256())

        def conclude(session: Session, job: JobRow, now: datetime) -> None:
            if job.state == JobState.CANCELLING:
                leases.give_back(session, job, "cancelled by the user", now=now)
                return
            model_id = register(
                session,
                job_id=job.id,
                dataset_id=job.dataset_id,
                name=job.name,
                experiment=experiment,
                weights=weights,
                scores=scores,
                certificate=certificate.model_dump(mode="json"),
                provenance=session.get_one(JobPlanRow, job.id).provenance,
                now=now,
            )
            leases.succeed(session, job, reason, model_id, now=now)

        return conclude

    def _dataset_sha256(self) -> str | None:
        with self._database.reading() as session:
            dataset = session.get(DatasetRow, session.get_one(JobRow, self._lease.job_id).dataset_id)
            return None if dataset is None else dataset.sha256

    def _conclude(self, conclusion: Conclusion) -> None:
        """Write what still waits and how it ends, in one transaction; from then on the job is nobody's."""
        self._wishes.heartbeat.stop()
        with self._database.writing() as session:
            job, now = held(session, self._lease), database_now(session)
            if self._recorder is not None:
                self._recorder.write(session, job, now)
            conclusion(session, job, now)
            if self._recorder is not None:
                self._recorder.leave(session, job)
        if self._recorder is not None:
            self._recorder.clear()
            self._recorder.collect()


def _return(session: Session, job: JobRow, now: datetime) -> None:
    leases.give_back(session, job, "its worker was shut down", now=now)


def _report(result: RangeResult) -> Conclusion:
    def conclude(session: Session, job: JobRow, now: datetime) -> None:
        if job.state == JobState.CANCELLING:
            leases.give_back(session, job, "cancelled by the user", now=now)
        else:
            leases.report(session, job, result.stopped_because, result.model_dump(mode="json"), now=now)

    return conclude


def _failure(stop_reason: StopReason, facts: dict[str, Json]) -> Conclusion:
    return lambda session, job, now: leases.fail(session, job, stop_reason, facts, now=now)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")
