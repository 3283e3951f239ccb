"""Train a network; what comes of it is a model with its scores and the proof of its gradients."""

from datetime import datetime

from sqlalchemy.orm import Session

from core.experiment import Experiment
from core.training.events import Ended
from core.training.run import Run
from service.checkpoints.retention import Retention
from service.datasets.tables import DatasetRow
from service.diagnosis.use_cases import last_told, remember
from service.forks.use_cases import start_of
from service.jobs import leases
from service.jobs.states import StopReason
from service.jobs.tables import JobPlanRow, JobRow
from service.models.use_cases import register
from service.worker.attempt import Attempt
from service.worker.certificate import certify
from service.worker.conclusions import Conclusion, unless_cancelled
from service.worker.diagnosing import Diagnosing
from service.worker.driving import diverged, drive, experiment_of, job_spec, written
from service.worker.kind import Kind
from service.worker.limits import unlimited_growth
from service.worker.recorder import Recorder
from service.worker.scoring import score


def _train(attempt: Attempt) -> Conclusion:
    """Go on after the last epoch that was written; a new run is written as it is before training."""
    spec = job_spec(attempt)
    with attempt.database.reading() as session:
        start = start_of(session, attempt.lease.job_id)
    recorder = attempt.record(Retention(spec.checkpoints.every_epochs, spec.checkpoints.keep, start))
    experiment = experiment_of(attempt, spec)
    recorder.tell_of(experiment.graph)
    run, before, diagnosing = experiment.run(), written(attempt), _diagnosing(attempt, recorder, experiment)
    with unlimited_growth():
        if before is None:
            first = run.first_look()
            recorder.start(run.checkpoint(), first, diagnosing.begin(first))
        else:
            run.restore(*before)
    return drive(attempt, run, lambda ended: _finished(attempt, ended, experiment, run), diagnosing=diagnosing)


def _diagnosing(attempt: Attempt, recorder: Recorder, experiment: Experiment) -> Diagnosing:
    """What knows all that earlier attempts have written."""
    with unlimited_growth(), attempt.database.reading() as session:
        job = session.get_one(JobRow, attempt.lease.job_id)
        diagnosing = Diagnosing(experiment, last_told(session, job), recorder.checkpoint)
        remember(session, job, diagnosing.record)
    return diagnosing


def _finished(attempt: Attempt, ended: Ended, experiment: Experiment, run: Run) -> Conclusion:
    if ended.reason == "diverged":
        return diverged(ended)
    reason: StopReason = "early_stopping" if ended.reason == "early_stopping" else "max_epochs"
    with unlimited_growth():
        weights = run.final_weights()
        scores = score(experiment, weights)
        certificate = certify(experiment, weights, dataset_sha256=_dataset_sha256(attempt))

    def conclude(session: Session, job: JobRow, now: datetime) -> None:
        assert job.dataset_id is not None
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

    return unless_cancelled(conclude)


def _dataset_sha256(attempt: Attempt) -> str | None:
    with attempt.database.reading() as session:
        dataset = session.get(DatasetRow, session.get_one(JobRow, attempt.lease.job_id).dataset_id)
        return None if dataset is None else dataset.sha256


KIND = Kind("training", _train)
