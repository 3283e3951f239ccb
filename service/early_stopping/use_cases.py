"""The stored curve of a job, judged by early stopping."""

import math

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.errors import Invalid, Problem
from core.training.patience import Choice, choices
from core.training.stopping import EarlyStopping
from service.early_stopping.schemas import EarlyStoppingAnswer, StoppingChoice
from service.epochs.tables import EpochRow
from service.jobs import repository
from service.jobs.errors import JobDoesNotTrain
from service.jobs.ids import JobId
from service.jobs.tables import JobRow

MOST_PATIENCES = 1000


def judge(session: Session, job_id: JobId, rule: EarlyStopping, patience: int | None) -> EarlyStoppingAnswer:
    """What this rule would have chosen with a patience, or with any.

    Raises JobNotFound, JobDoesNotTrain, and Invalid for a curve that the job does not have.
    """
    job = repository.find(session, job_id)
    if job.kind != "training":
        raise JobDoesNotTrain(job=job_id, kind=job.kind)
    curve = _curve(session, job, rule)
    most = patience if patience is not None else max(1, min(len(curve), MOST_PATIENCES))
    # Epochs are counted from 1 here, and from 0 in the core.
    found = choices(rule, ((epoch - 1, value) for epoch, value in curve), min(most, len(curve) + 1))
    is_whole = bool(curve) and curve[-1][0] == job.epochs
    table = [_shown(one, is_whole, job.epochs) for one in found]
    return EarlyStoppingAnswer(
        monitor=rule.monitor,
        min_delta=rule.min_delta,
        start_from_epoch=rule.start_from_epoch,
        epochs=len(curve),
        choice=None if patience is None else table[-1].model_copy(update={"patience": patience}),
        table=table if patience is None else None,
    )


def _curve(session: Session, job: JobRow, rule: EarlyStopping) -> list[tuple[int, float]]:
    """Epoch and value. Raises Invalid, naming the curves there are."""
    split, _, name = rule.monitor.partition(".")
    column = EpochRow.training if split == "training" else EpochRow.validation
    query = select(EpochRow.epoch, column).where(EpochRow.job_id == job.id).order_by(EpochRow.epoch)
    rows = session.execute(query).all()
    if any(name not in measures for _, measures in rows):
        row = session.get_one(EpochRow, (job.id, rows[0][0]))
        both = {"training": row.training, "validation": row.validation}
        allowed = [f"{split}.{name}" for split, measures in both.items() for name in measures]
        raise Invalid([Problem("?monitor", "the job has no such curve", allowed=allowed, got=rule.monitor)])
    values = ((epoch, measures[name]) for epoch, measures in rows)
    return [(epoch, math.nan if value is None else value) for epoch, value in values]


def _shown(choice: Choice, is_whole: bool, epochs: int) -> StoppingChoice:
    ends = choice.stop_epoch is None and is_whole
    stop = epochs if ends else None if choice.stop_epoch is None else choice.stop_epoch + 1
    return StoppingChoice(
        patience=choice.patience,
        stop_epoch=stop,
        best_epoch=None if choice.best_epoch is None else choice.best_epoch + 1,
        best_value=choice.best_value,
        reason="max_epochs" if ends else choice.reason,
        is_known=stop is not None,
    )
