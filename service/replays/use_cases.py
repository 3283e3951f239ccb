"""Replays ordered, and what was stored of a job compared with what a replay came to."""

from datetime import datetime

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import Session, aliased

from core.errors import Invalid, Problem
from service.checkpoints import use_cases as checkpoints
from service.checkpoints.tables import CheckpointRow
from service.epochs.tables import EpochRow
from service.forks.use_cases import start_of
from service.jobs import repository
from service.jobs.errors import JobDoesNotTrain
from service.jobs.ids import JobId
from service.jobs.orders import Bounds, Order, enqueue, missing
from service.jobs.states import TERMINAL, JobState
from service.jobs.tables import JobPlanRow, JobRow
from service.replays.errors import DataSetGone, JobIsStillRunning, NothingToReplay
from service.replays.schemas import ReplayRequest, ReplaySpec


def order(session: Session, job_id: JobId, asked: ReplayRequest, bounds: Bounds, *, now: datetime) -> JobRow:
    """Put a replay of a job into the queue; it begins with a copy of the job's checkpoint.

    Raises JobNotFound, JobDoesNotTrain, JobIsStillRunning, NothingToReplay, DataSetGone, and Invalid for epochs that
    the job does not have.
    """
    job = repository.hold(session, job_id)
    if job.kind != "training":
        raise JobDoesNotTrain(job=job_id, kind=job.kind)
    if job.state not in TERMINAL | {JobState.PAUSED}:
        raise JobIsStillRunning(job=job_id, state=job.state)
    stored = checkpoints.stored(session, job)
    start = start_of(session, job_id)
    if job.epoch <= start:
        raise NothingToReplay(job=job_id, state=job.state)
    datasets = {"dataset": job.dataset_id, "validation_dataset": job.validation_dataset_id}
    named = {name: dataset for name, dataset in datasets.items() if dataset is not None}
    if missing(session, named, lock=True):
        raise DataSetGone(dataset=job.dataset_id)
    first, last = _epochs(asked, start + 1, job.epoch)
    begin = max((row for row in stored if row.epoch < first), key=lambda row: row.epoch)
    spec = ReplaySpec(job=job_id, epochs=[first, last], started_from=begin.epoch)
    plan = session.get_one(JobPlanRow, job_id)
    replay = enqueue(
        session,
        Order(
            kind="replay",
            name=job.name,
            spec=spec.model_dump(mode="json"),
            limit_seconds=bounds.seconds,
            limit_memory_mb=bounds.memory_mb,
            epochs=last,
            dataset=job.dataset_id,
            validation_dataset=job.validation_dataset_id,
            notes=_notes(spec),
            network=plan.network,
            preparation=plan.preparation,
        ),
        now,
    )
    replay.epoch, replay.step = begin.epoch, begin.step
    checkpoints.keep(session, replay, checkpoints.load(session, begin), now)
    session.flush()
    return replay


def first_differing_epoch(session: Session, job_id: JobId, replay_id: JobId, epochs: range) -> int | None:
    """The first of these epochs in which the curves of two jobs are not the same to the last digit, both there."""
    stored, again = aliased(EpochRow), aliased(EpochRow)
    measures = ("step", "training", "validation", "learning_rate", "gradient_norm")
    differ: list[ColumnElement[bool]] = [
        getattr(stored, name).is_distinct_from(getattr(again, name)) for name in measures
    ]
    query = (
        select(func.min(again.epoch))
        .join(stored, (stored.epoch == again.epoch) & (stored.job_id == job_id))
        .where(again.job_id == replay_id, again.epoch >= epochs.start, again.epoch < epochs.stop, or_(*differ))
    )
    return session.execute(query).scalar_one()


def measures(session: Session, job_id: JobId, epoch: int) -> dict[str, float | None]:
    """Everything that was measured in an epoch but its duration, by name."""
    row = session.get_one(EpochRow, (job_id, epoch))
    return {
        "step": row.step,
        "learning_rate": row.learning_rate,
        **{f"training.{name}": value for name, value in row.training.items()},
        **{f"validation.{name}": value for name, value in row.validation.items()},
        "gradient_norm": row.gradient_norm,
    }


def kept(session: Session, spec: ReplaySpec) -> dict[int, CheckpointRow]:
    """The checkpoints that a replay is compared with, by epoch. Raises JobNotFound when the job is deleted."""
    job = repository.find(session, JobId(spec.job))
    rows = {row.epoch: row for row in checkpoints.stored(session, job)}
    return {epoch: row for epoch, row in rows.items() if spec.first <= epoch <= spec.last}


def _epochs(asked: ReplayRequest, first: int, last: int) -> tuple[int, int]:
    """Raises Invalid for epochs that the job does not have."""
    if asked.epochs is None:
        return first, last
    wanted = (asked.epochs[0], asked.epochs[1])
    problems = [
        Problem(f"/epochs/{index}", f"the job has the epochs {first} to {last}", got=epoch)
        for index, epoch in enumerate(wanted)
        if not first <= epoch <= last
    ]
    if not problems and wanted[0] > wanted[1]:
        problems.append(Problem("/epochs", "the first epoch stands before the last", got=list(wanted)))
    if problems:
        raise Invalid(problems)
    return wanted


def _notes(spec: ReplaySpec) -> tuple[str, ...]:
    first, last = spec.epochs
    told = f"Computes the epochs {spec.started_from + 1} to {last} of {spec.job} once more"
    if spec.started_from == first - 1:
        return (f"{told} and compares them.",)
    return (f"{told} and compares those from {first} on: nothing later is kept before it.",)
