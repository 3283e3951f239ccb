"""A run driven epoch by epoch: restored from what was written, recorded as it goes, stopped when asked."""

import json
from collections.abc import Callable, Iterator
from typing import Protocol

from core.experiment import Experiment
from core.training.checkpoint import Checkpoint
from core.training.events import Ended, EpochEnded
from service.checkpoints import use_cases as checkpoints
from service.jobs.creation import resolve_for
from service.jobs.schemas import JobSpec
from service.jobs.states import JobState
from service.jobs.tables import JobRow
from service.kit.http.strict_json import Json
from service.worker.attempt import Attempt
from service.worker.conclusions import Conclusion, failure, give_back, sentence
from service.worker.diagnosing import Diagnosing
from service.worker.limits import unlimited_growth


class Driven(Protocol):
    """A run or a range test."""

    def events(self, should_stop: Callable[[], bool]) -> Iterator[EpochEnded | Ended]:
        """What it says until it is over or stopped."""

    def checkpoint(self) -> Checkpoint:
        """The state after the last whole epoch."""


def experiment_of(attempt: Attempt, spec: JobSpec) -> Experiment:
    """What is trained, exactly as it was when the job was accepted."""
    with unlimited_growth(), attempt.database.reading() as session:
        return resolve_for(session, spec, attempt.settings.max_parameters)


def job_spec(attempt: Attempt) -> JobSpec:
    """The request of a job that describes an experiment."""
    return JobSpec.model_validate_json(json.dumps(attempt.spec()))


def written(attempt: Attempt) -> tuple[Checkpoint, bytes | None] | None:
    """The last checkpoint that was written and, if it is kept, the weights of the best epoch; None at the start."""
    with unlimited_growth(), attempt.database.reading() as session:
        job = session.get_one(JobRow, attempt.lease.job_id)
        rows = {row.epoch: row for row in checkpoints.stored(session, job)}
        if not rows:
            return None
        best = rows.get(job.best_epoch or 0) if job.best_epoch else None
        best_weights = None if best is None else checkpoints.load(session, best).weights
        return checkpoints.load(session, rows[job.epoch]), best_weights


def drive(
    attempt: Attempt,
    run: Driven,
    finish: Callable[[Ended], Conclusion],
    *,
    look: Callable[[EpochEnded], Conclusion | None] = lambda ended: None,
    diagnosing: Diagnosing | None = None,
) -> Conclusion:
    """Advance a run until it is over, which `finish` concludes, or stopped, or `look` has seen enough of it.

    `look` sees every epoch after it has been handed to the recorder, `diagnosing` before.
    """
    recorder = attempt.recorder
    assert recorder is not None
    for event in run.events(attempt.wishes.should_stop):
        if isinstance(event, Ended):
            if event.reason == "interrupted":
                return _interrupted(attempt)
            if diagnosing is not None:
                with unlimited_growth():
                    recorder.close(event.statistics, diagnosing.at_end(event))
            return finish(event)
        with unlimited_growth():
            recorder.add(event, run.checkpoint, None if diagnosing is None else diagnosing.after(event))
            if (seen := look(event)) is not None:
                return seen
    raise AssertionError("a run ends by saying so")


def diverged(ended: Ended) -> Conclusion:
    """How a job concludes whose loss has stopped being finite."""
    facts: dict[str, Json] = {"detail": sentence(ended.detail), "node": ended.node, "step": ended.step}
    return failure("diverged", facts)


def _interrupted(attempt: Attempt) -> Conclusion:
    assert attempt.recorder is not None
    attempt.recorder.drop_unfinished()
    return stopped(attempt)


def stopped(attempt: Attempt) -> Conclusion:
    """How work concludes that was asked to stop."""
    if attempt.wishes.heartbeat.state == JobState.RUNNING and attempt.wishes.is_time_up():
        return failure("time_limit", {"detail": "The job has used up the running time of its limit."})
    return give_back
